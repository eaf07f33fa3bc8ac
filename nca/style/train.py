"""Paint an image: read the inputs, train the pixels, write the results."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from PIL import Image
from torch import Tensor
from typing_extensions import override

from nca.errors import InputError
from nca.images import to_image, write_png16
from nca.images.color_profiles import Profile, convert
from nca.style.colors import gray, match_luminance, transfer_colors, with_colors_of
from nca.style.image import ImageModel, Project
from nca.style.lbfgs import LBFGS
from nca.style.losses import Losses, StyleInputs
from nca.style.objective import Stylize
from nca.style.photos import read_mask, read_photo, read_style
from nca.style.scales import Scales, Size, resize, sizes
from nca.style.settings import Movie, OptimizerSettings, ReconstructSettings, StyleSettings
from nca.training.adam import Adam
from nca.training.callback import Callback
from nca.training.callbacks import (
    EMA,
    Checkpoint,
    Device,
    LivePage,
    Metrics,
    NaNGuard,
    NotebookPicture,
    Plot,
    Progress,
    Snapshots,
    Threads,
)
from nca.training.callbacks.device import choose_device
from nca.training.engines import Engine
from nca.training.engines.launch import build_engine
from nca.training.folder import CHECKPOINT
from nca.training.job import LOSS_CURVES, Job, Trained, loggers, run
from nca.training.learner import Learner
from nca.training.same_target import SameTarget

RESULT = "result.png"
MOVIES = tuple(f"movie.{kind}" for kind in get_args(Movie))
FILES = (RESULT, *MOVIES, "stages.png", "loss.png", "metrics.jsonl", "metrics.csv", "live.html")
CAPTIONS = {
    RESULT: "the picture",
    "stages.png": "snapshots of the progress; there is also a movie",
    "loss.png": LOSS_CURVES,
}
SHOWN = 512  # pixels, longer side of the snapshots
FEATURES_HINT = (
    "builtin features see colors and strokes; --features squeezenet1_1 (5 MB, downloaded once) or "
    "vgg19 (548 MB) also see larger shapes of the style"
)


@dataclass(frozen=True)
class Styled(Trained):
    """Result of a style transfer.

    Attributes:
        image: [1, 3, H, W] in [0, 1].
        profile: color profile of the image; None: sRGB.
    """

    image: Tensor
    profile: Profile = None


def stylize(settings: StyleSettings, *, callbacks: Sequence[Callback] = ()) -> Styled:
    """Paint, and write all results; after an interruption, write the current image.

    Args:
        settings: see :func:`nca.style.settings.style_settings`.
        callbacks: additional callbacks.

    For the result and errors, see :func:`nca.training.job.run`.
    """

    def prepare(state: Mapping[str, Any] | None) -> StyleTraining:
        device = choose_device(settings.optimization.device)
        engine = build_engine(settings.optimization.precision, device, state)
        return StyleTraining(settings, engine, callbacks=callbacks)

    return run(settings, prepare)


def reconstruct(settings: ReconstructSettings) -> Styled:
    """Find an image from its features at a layer: a style transfer without a style."""
    return stylize(settings.as_style())


class StyleTraining(Job[Styled]):
    """The job of painting an image: the learner, its callbacks and its results.

    Args:
        settings: settings of the style transfer.
        engine: computes gradients and optimizer steps; default: float32 in one process.
        callbacks: additional callbacks.

    Raises:
        InputError: an image or a setting is not usable.
    """

    files = FILES
    lower_if_out_of_memory = ("size",)

    def __init__(
        self,
        settings: StyleSettings,
        engine: Engine | None = None,
        *,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.settings = settings
        device = Device(choose_device(settings.optimization.device))
        self.photo, self.profile = read_photo(settings.content, settings.scales.size, enlarge=True)
        self.photo = self.photo.to(device.device)
        self.pictures = read_pictures(settings, self.photo, self.profile)
        generator = torch.Generator().manual_seed(settings.run.seed)
        scales = sizes(self.photo.shape[-2], self.photo.shape[-1], settings.scales.smallest)
        self.losses = self._losses(generator)
        self.objective = Stylize(generator)
        model = ImageModel(self._start(scales[0]), settings.optimization.box)
        self.ema = EMA(settings.optimization.average) if settings.optimization.average else None
        self.scales = Scales(
            scales,
            settings.scales.first_iterations,
            settings.scales.iterations,
            self._prepare,
            self.ema,
        )
        self.metrics = Metrics(settings.out, every=10)
        own: list[Callback] = [
            device,
            Threads(generator),
            self.scales,
            NaNGuard(),
            _refuse_other_pictures(settings),
            self.metrics,
            *self._watchers(),
        ]
        if settings.optimization.box == "projection":
            own.append(Project())
        if self.ema is not None:
            own.append(self.ema)
        self.learner = Learner(
            model,
            range(self.scales.iterations),
            self.objective,
            _optimizer(settings.optimization, model),
            engine=engine,
            callbacks=[*own, *callbacks],
        )
        self._prepared = -1
        # Report a wrong layer or mask before anything is written.
        self._prepare(0)

    def _losses(self, generator: torch.Generator) -> Losses:
        return Losses(self.settings, self.pictures, generator)

    def _watchers(self) -> list[Callback]:
        """Callbacks that show progress and the picture, and that write into the folder."""
        settings, folder, title = self.settings, self.settings.out, self.settings.content.name
        shown: list[Callback] = [Progress(quiet=settings.run.quiet)]
        if not settings.run.quiet:
            shown.append(NotebookPicture(self._snapshot))
        if folder is None:
            return shown
        return [
            *shown,
            Plot(self.metrics, folder / "loss.png", title),
            Snapshots(
                self._snapshot,
                movie=folder / f"movie.{settings.movie}",
                sheet=folder / "stages.png",
            ),
            LivePage(
                folder / "live.html",
                {"the picture so far": self._snapshot},
                self.metrics,
                title=title,
            ),
            Checkpoint(folder / CHECKPOINT),
            *loggers(settings.run, folder, self.metrics),
        ]

    @override
    def begin(self) -> None:
        if self.settings.network.features == "builtin" and not self.settings.run.resume:
            print(FEATURES_HINT, file=sys.stderr)

    def fit(self) -> None:
        """Train at all scales; write the image into the folder, even after an interruption."""
        folder = self.settings.out
        try:
            super().fit()
        finally:
            if self.learner.iteration and folder is not None:
                with self.learner.write_failures.warn_on_failure(folder / RESULT):
                    write_png16(folder / RESULT, self.result()[0], self.profile)

    @override
    def finish(self) -> Styled:
        # The image is already written.
        self.learner.write_failures.check()
        return Styled(
            self.settings.out,
            self.learner.iteration,
            self.learner.seconds,
            CAPTIONS,
            self.result(),
            self.profile,
        )

    @torch.no_grad()
    def result(self) -> Tensor:
        """The current image, [1, 3, H, W] in [0, 1]: averaged, with the requested colors."""
        model = self.learner.model
        image: Tensor
        if self.ema is None or not self.ema.weights:
            image = model()
        else:
            with self.ema.averaged(model):
                image = model().clone()
        image = image.detach().clamp(0, 1)
        if self.settings.masks.colors == "luminance":
            image = with_colors_of(image, resize(self.photo, (image.shape[-2], image.shape[-1])))
        return image

    def _prepare(self, scale: int) -> None:
        """Build the loss at a scale; its random numbers do not depend on when this is called."""
        if scale == self._prepared:
            return
        self._prepared = scale
        generator = self.objective.generator
        before = generator.get_state()
        generator.manual_seed(self.settings.run.seed + scale)
        with self.learner.engine.precision():
            self.objective.loss = loss = self.losses.at(self.scales.sizes[scale])
            if scale == 0 and self.pictures.regions:
                with torch.no_grad():
                    loss(self.learner.model())
        generator.set_state(before)

    def _start(self, size: Size) -> Tensor:
        start, settings = self.settings.initial.start, self.settings
        styles = self.pictures.styles
        if start.startswith("style") and not styles:
            raise InputError(f"`start` {start}: there is no style; use content, noise or gray")
        generator = torch.Generator().manual_seed(settings.run.seed)
        if start == "noise":
            noise: Tensor = torch.rand(1, 3, *size, generator=generator).to(self.photo)
            return noise
        if start == "style-noise":
            noise = torch.rand(1, 3, *size, generator=generator).to(self.photo)
            return transfer_colors(noise, torch.cat([s.flatten(2) for s in styles], 2)[..., None])
        if start == "gray":
            image = torch.full((1, 3, *size), 0.5).to(self.photo)
        elif start == "content":
            image = resize(self.pictures.content, size)
        elif start == "style":
            image = resize(styles[0], size)
        else:
            photo = read_style(Path(start), max(size), self.profile, enlarge=True)
            image = resize(photo.to(self.photo), size)
        if not settings.initial.start_noise:
            return image
        grain = torch.randn(1, 3, *size, generator=generator).to(image)
        noisy: Tensor = image + settings.initial.start_noise * grain
        return noisy.clamp(0, 1)

    def _snapshot(self, _: Learner) -> Image.Image:
        height, width = self.photo.shape[-2:]
        shrink = min(1.0, SHOWN / max(height, width))
        shown = resize(self.result(), (round(height * shrink), round(width * shrink)))
        return convert(to_image(shown[0]), self.profile, None)


def read_pictures(settings: StyleSettings, photo: Tensor, profile: Profile) -> StyleInputs:
    """Read all images except the content, and change their colors if requested.

    Raises:
        InputError: a file is not usable.
    """
    size = (photo.shape[-2], photo.shape[-1])
    side = max(8, round(settings.scales.size * settings.masks.style_scale))
    styles = [read_style(path, side, profile).to(photo) for path in settings.styles]
    content = photo
    if settings.masks.colors == "luminance":
        content = gray(photo)
        styles = [match_luminance(style, photo) for style in styles]
    elif settings.masks.colors == "linear":
        styles = [transfer_colors(style, photo) for style in styles]
    image = content
    if settings.pixels.image is not None:
        image = resize(read_style(settings.pixels.image, max(size), profile).to(photo), size)
    regions = [read_mask(path, size).to(photo.device) for path in settings.masks.content_masks]
    masks = [
        read_mask(path, (style.shape[-2], style.shape[-1])).to(photo.device)
        for path, style in zip(settings.masks.style_masks, styles, strict=False)
    ]
    return StyleInputs(content, styles, image, regions, masks, profile)


def _refuse_other_pictures(settings: StyleSettings) -> SameTarget:
    """Callback that refuses to resume a run with different images."""
    masks = (*settings.masks.content_masks, *settings.masks.style_masks)
    image = () if settings.pixels.image is None else (settings.pixels.image,)
    paths = (settings.content, *settings.styles, *image, *masks)
    return SameTarget(" or ".join(map(str, paths)), *paths)


def _optimizer(settings: OptimizerSettings, model: ImageModel) -> torch.optim.Optimizer:
    if settings.optimizer == "lbfgs":
        return LBFGS(model.parameters())
    return Adam(
        model.parameters(), settings.learning_rate, betas=settings.betas, eps=settings.epsilon
    )
