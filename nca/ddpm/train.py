"""Train a diffusion model: read the images, train the network, write the results."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from typing_extensions import override

from nca.ddpm.checkpoint import SaveMetadata
from nca.ddpm.data.dataset import ImageDataset, read_dataset, split
from nca.ddpm.diffusion.draw import draw, noise_levels
from nca.ddpm.diffusion.model import Model
from nca.ddpm.diffusion.noising import Denoising, Noisify, build_loader
from nca.ddpm.diffusion.samplers import DPMPP
from nca.ddpm.diffusion.times import ByLoss, Stratified, build_times
from nca.ddpm.results import Movie, sheet
from nca.ddpm.settings import TrainSettings
from nca.errors import InputError
from nca.images import write_image
from nca.training import callbacks as core
from nca.training.adam import Adam
from nca.training.callback import Callback
from nca.training.callbacks import (
    EMA,
    Checkpoint,
    ClipGradients,
    Device,
    Metrics,
    NaNGuard,
    Plot,
    Progress,
    Threads,
    warm_up_then_cosine,
)
from nca.training.callbacks.device import choose_device
from nca.training.engines import Engine
from nca.training.engines.launch import build_engine
from nca.training.folder import CHECKPOINT
from nca.training.generators import seed_generators
from nca.training.job import LOSS_CURVES, Job, Trained, loggers, run
from nca.training.learner import Learner
from nca.training.movie import write_movie
from nca.training.rate_search import find_rate
from nca.training.same_target import SameTarget

FILES = ("samples.png", "denoising.webp", "training.webp", "stages.png", "loss.png",
         "metrics.jsonl", "metrics.csv", "rate_search.json", "rate_search.png")  # fmt: skip
CAPTIONS = {
    "samples.png": "64 samples",
    "denoising.webp": "the denoising of some samples",
    "training.webp": "the same samples during training",
    CHECKPOINT: "the model, for nca ddpm sample, nca ddpm fid and --resume",
    "loss.png": LOSS_CURVES,
}
WARM_UP = 100  # iterations until the learning rate peaks
FINAL_RATE = 0.02
NORM = 1.0
VALIDATED = 512  # number of held-out images in a validation
# For the movie of the training: number of frames, samples per frame, sampler steps per sample.
STAGES, SHOWN, QUICK = 24, 16, 12
STEPS, SAMPLES = 20, 64


def train(settings: TrainSettings, *, callbacks: Sequence[Callback] = ()) -> Trained:
    """Train, and write all results.

    Under ``torchrun`` or ``accelerate launch``, the processes train one model together, each with
    ``batch_size`` images per iteration.

    Args:
        settings: see :func:`nca.ddpm.settings.ddpm_settings`.
        callbacks: additional callbacks.

    For the result and errors, see :func:`nca.training.job.run`.
    """

    def prepare(state: Mapping[str, Any] | None) -> DDPMTraining:
        dataset = read_dataset(settings.data, settings.images.size)
        device = choose_device(settings.optimizer.device)
        engine = build_engine(settings.optimizer.precision, device, state)
        return DDPMTraining(settings, dataset, engine, callbacks=callbacks)

    return run(settings, prepare)


class DDPMTraining(Job[Trained]):
    """The learner of a diffusion model, with all its callbacks and results.

    Args:
        settings: settings of the run.
        dataset: all images; some are held out of training.
        engine: computes gradients and takes optimizer steps; default: float32 in one process.
        callbacks: additional callbacks.

    Raises:
        InputError: the settings do not match the images.
    """

    files = FILES
    may_change = (*Job.may_change, "find_rate")
    lower_if_out_of_memory = ("batch_size", "size")

    def __init__(
        self,
        settings: TrainSettings,
        dataset: ImageDataset,
        engine: Engine | None = None,
        *,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.settings, engine = settings, engine or Engine()
        learned, held_out = split(dataset, settings.images.held_out, settings.run.seed)
        self.model = Model(settings, dataset.info())
        model = self.model
        # All processes use the same order of images, but different noise and times.
        seed_generators(settings.run.seed + 7919 * engine.rank)
        times = build_times(settings.diffusion.times, model.schedule)
        noisify = Noisify(
            model.schedule,
            model.parameterization,
            times,
            min_snr=settings.diffusion.weights == "min-snr",
            classes=model.classes,
        )
        loader = build_loader(
            learned,
            noisify,
            settings.images.batch_size,
            seed=settings.run.seed,
            workers=settings.images.workers,
            rank=engine.rank,
        )
        if not len(loader) >= engine.processes:
            raise InputError(
                f"`data` {settings.data}: {len(learned)} images to train on; {engine.processes} "
                f"processes need a batch of {settings.images.batch_size} each"
            )
        self.ema = EMA(settings.optimizer.ema)
        self.metrics = Metrics(settings.out)
        title = f"{Path(settings.data).name}, {settings.diffusion.target}"
        own: list[Callback] = [
            Device(choose_device(settings.optimizer.device)),
            core.Schedule(warm_up_then_cosine(WARM_UP, FINAL_RATE)),
            NaNGuard(),
            ClipGradients(NORM),
            self.ema,
            self.metrics,
            SaveMetadata(settings, model.info),
            Progress(quiet=settings.run.quiet),
            core.Snapshots(
                self._snapshot,
                movie=settings.out / "training.webp",
                sheet=settings.out / "stages.png",
                frames=STAGES,
                fps=6,
            ),
            Plot(self.metrics, settings.out / "loss.png", title),
            Checkpoint(settings.out / CHECKPOINT),
            *loggers(settings.run, settings.out, self.metrics),
        ]
        if Path(settings.data).is_dir():
            own.append(SameTarget(settings.data, dataset.images))
        if settings.limits.iterations is None:
            own.append(Threads())
        if isinstance(times, ByLoss):
            own.append(times)
        self.learner = Learner(
            model.network,
            loader,
            Denoising(),
            Adam(model.network.parameters(), settings.optimizer.learning_rate, betas=(0.9, 0.99)),
            engine=engine,
            callbacks=[*own, *callbacks],
            valid_batches=self._validation(held_out, noisify) if len(held_out) else None,
        )

    def _validation(self, held_out: ImageDataset, noisify: Noisify) -> Any:
        plain = Noisify(
            noisify.schedule,
            noisify.parameterization,
            Stratified(),
            min_snr=noisify.min_snr,
            classes=noisify.classes,
        )
        some = held_out.take(torch.arange(min(VALIDATED, len(held_out))))
        return build_loader(some, plain, self.settings.images.batch_size, seed=0, shuffle=False)

    @override
    def fit(self) -> None:
        # With ``find_rate``, do not train.
        if not self.settings.optimizer.find_rate:
            super().fit()

    def search_rate(self) -> Trained:
        """Search for a learning rate."""
        search = find_rate(self.learner, end=1.0)
        search.write(self.settings.out)
        found = search.suggestion
        said = "none; the loss did not fall" if found is None else f"--learning-rate {found:.2g}"
        return Trained(
            self.settings.out, 0, 0.0, {"rate_search.png": f"the search; suggestion: {said}"}
        )

    @override
    def finish(self) -> Trained:
        # Draw and write all result images.
        if self.settings.optimizer.find_rate:
            return self.search_rate()
        learner, folder = self.learner, self.settings.out
        movie = Movie()
        with self.ema.averaged(self.model.network):
            samples = self._draw(range(SAMPLES), STEPS, movie)
        with learner.write_failures.warn_on_failure(folder / "samples.png"):
            write_image(folder / "samples.png", sheet(samples))
        with learner.write_failures.warn_on_failure(folder / "denoising.webp"):
            write_movie(folder / "denoising.webp", movie.frames(samples), fps=8)
        learner.write_failures.check()
        return Trained(folder, learner.iteration, learner.seconds, CAPTIONS)

    def _snapshot(self, _: Learner) -> Image.Image:
        with self.ema.averaged(self.model.network):
            return sheet(self._draw(range(SHOWN), QUICK))

    def _draw(self, seeds: range, steps: int, watch: Movie | None = None) -> torch.Tensor:
        model = self.model
        sigmas = noise_levels(model.schedule, steps, "dpmpp")
        training = model.network.training
        model.network.eval()
        try:
            return draw(
                model.denoiser(model.labels(seeds)),
                DPMPP(),
                sigmas,
                model.info.shape,
                seeds,
                device=model.device,
                watch=watch,
            )
        finally:
            model.network.train(training)
