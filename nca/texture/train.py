"""Train a rule on a picture: everything between the settings and the results."""

import hashlib
import math
import platform
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

import nca
from nca.errors import InputError
from nca.images import contact_sheet, to_image, write_image
from nca.rulefile import save_rule
from nca.texture.callbacks.keep_best import Candidate, KeepBest
from nca.texture.callbacks.keep_pool import KeepPool
from nca.texture.callbacks.stability import Stabilizer
from nca.texture.callbacks.write_newest import WriteNewest
from nca.texture.objective import Grow
from nca.texture.results import thumbnail, write_film
from nca.texture.settings import TrainSettings
from nca.texture.starting_rule import with_sizes_of_parent
from nca.texture.tasks import task_of
from nca.texture.tasks.base import FILM, PREVIEW, device_of
from nca.threads import torch_threads
from nca.training.callback import Callback
from nca.training.callbacks import (
    EMA,
    Checkpoint,
    Device,
    LivePage,
    Metrics,
    NormalizeGradients,
    Progress,
    Schedule,
    Threads,
    warm_up_then_cosine,
)
from nca.training.callbacks.plot import write_loss_plot
from nca.training.engine import Autocast, Engine, bfloat16_is_fast, launched, process_count
from nca.training.folder import (
    CHECKPOINT,
    SETTINGS,
    open_folder,
    write_settings,
)
from nca.training.learner import Learner
from nca.training.recorded import recorded
from nca.training.same_target import SameTarget

if TYPE_CHECKING:
    from torch import Tensor

RULE = "rule.safetensors"
LIVE = "live.html"
RESULTS = (RULE, PREVIEW, FILM, "loss.png", "metrics.jsonl", "metrics.csv", LIVE, CHECKPOINT,
           SETTINGS)  # fmt: skip
LIMITS = ("picture", "out", "minutes", "iterations", "resume", "overwrite", "quiet", "view")

WORTH_A_LOOK = {
    RULE: "the rule",
    "loss.png": "loss curves (raw values in metrics.jsonl)",
}


@dataclass(frozen=True)
class Trained:
    """What a training gave.

    Attributes:
        folder: where the results are.
        kept: the rule that is kept.
        iterations, seconds: of training.
        loss_by_state: its texture loss with the state kept as rgba32f, rgba16f and rgba8.
        restores: how often the training went back after a blow-up.
        results: what files there are in the folder for a person, and what they are.
    """

    folder: Path
    kept: Candidate
    iterations: int
    seconds: float
    loss_by_state: dict[str, float | None]
    restores: int
    results: dict[str, str]


def train(settings: TrainSettings, show: Callable[[Path], object] | None = None) -> Trained:
    """Train, choose the rule that is kept, and write all results.

    Under ``accelerate launch`` the processes train one rule together: each works on ``batch_size``
    states of the same pool. The first one writes the results; for the
    others this does not return.

    Args:
        settings: all of them.
        show: is given the rule file before the first iteration, to watch it: the file is not there
            yet, and then changes as the rule learns.

    Raises:
        InputError: the picture, the folder or a setting is not usable.
        FailedError: a result could not be written; the others have been.
        KeyboardInterrupt: Ctrl-C; a checkpoint has been written.
    """
    settings = with_sizes_of_parent(settings)
    with threads_of(settings):
        target = task_of(settings.task).read(settings)
        engine = _engine(settings)
        training = TextureTraining(settings, target, engine)
    # Only now: nothing is cleared for settings that turn out to be of no use.
    state = open_folder(settings, RESULTS, LIMITS, engine.rank)
    if show is not None and engine.rank == 0:
        show(settings.out / RULE)
    if state is not None:
        training.learner.load_state_dict(state)
    training.fit()
    if engine.rank > 0:
        sys.exit()
    with torch_threads():
        return training.finish()


def threads_of(settings: TrainSettings) -> AbstractContextManager[None]:
    """As many threads as are fastest; one by iterations, as the bits depend on the number."""
    return torch_threads() if settings.limits.iterations is None else torch_threads(None)


FRESH_SEEDS = 100  # beyond those by which the rule was chosen


class TextureTraining:
    """A learner with everything that a texture needs around it.

    Args:
        settings: all of them.
        target: as the task of the settings reads it; [3, S, S] in [0, 1] for a texture.
        engine: how gradients and steps are computed; by default what the settings ask for.

    Raises:
        InputError: the pool has fewer states than the processes draw.
    """

    def __init__(
        self, settings: TrainSettings, target: "Tensor", engine: Engine | None = None
    ) -> None:
        self.settings = settings
        self.picture_sha256 = _sha256(settings.picture)  # now: the file may change before the end
        engine, device = engine or _engine(settings), device_of(settings)
        pool, adam = settings.pool, settings.optimizer
        if pool.pool_size < engine.processes * pool.batch_size:
            raise InputError(
                f"`pool_size` {pool.pool_size}: {engine.processes} processes draw "
                f"{engine.processes * pool.batch_size} states an iteration"
            )
        generator = torch.Generator().manual_seed(settings.run.seed)
        task = self.task = task_of(settings.task)(settings, target, generator, engine)
        optimizer = torch.optim.Adam(task.rule.parameters(), adam.learning_rate, betas=(0.9, 0.99))
        schedule = Schedule(warm_up_then_cosine(adam.warm_up, adam.final_rate))
        objective = Grow(
            task,
            overflow_weight=settings.loss.overflow_weight,
            cap=task.caps_gradients and adam.cap_gradients,
            backend=settings.compute.backend,
        )
        self.ema = EMA(adam.ema)
        self.stabilizer = Stabilizer(schedule)
        self.metrics = Metrics(settings.out)
        self.best = KeepBest(self.ema, task, settings.run.seed)
        callbacks: list[Callback] = [
            Device(device),
            Threads(generator),
            schedule,
            NormalizeGradients(),
            self.stabilizer,
            self.ema,
            KeepPool(task.pool),
            SameTarget(str(settings.picture), target),
            self.metrics,
            self.best,
            Progress(quiet=settings.run.quiet),
            WriteNewest(settings.out / RULE, self.ema),
            LivePage(
                settings.out / LIVE,
                {"target": self._targets, "states of the newest batch": self._newest},
                self.metrics,
                title=settings.picture.name,
            ),
            Checkpoint(settings.out / CHECKPOINT),
        ]
        self.learner = Learner(
            task.rule,
            task.pool,
            objective,
            optimizer,
            engine=engine,
            callbacks=callbacks,
        )

    def fit(self) -> None:
        """Train, by iterations if their number is set, else by time."""
        if self.learner.engine.rank == 0:
            write_settings(self.settings)
        limits = self.settings.limits
        if limits.iterations is None:
            self.learner.fit(minutes=limits.minutes)
        else:
            with torch_threads(None):
                self.learner.fit(iterations=limits.iterations)

    def _targets(self, _: Learner) -> Image.Image:
        return contact_sheet(self.task.targets(), ground=None)

    def _newest(self, learner: Learner) -> Image.Image:
        colors = self.task.rule.to_rgb(learner.prediction.detach())
        return contact_sheet([to_image(one) for one in colors], ground=None)

    def finish(self) -> Trained:
        """Choose the rule, write it, then everything there is to look at.

        Raises:
            FailedError: naming what could not be written, after everything else has been.
        """
        settings, learner = self.settings, self.learner
        kept = self.best.choose()
        shown = self.task.show(kept.rule)
        by_state = self.task.loss_by_state(kept.rule, settings.run.seed + FRESH_SEEDS)
        report = self._report(kept)
        info = {"training": report | {"loss_by_state": by_state}}
        folder, going_on = settings.out, learner.unwritten.going_on
        with going_on(folder / RULE):
            save_rule(folder / RULE, kept.rule, info | {"thumbnail": thumbnail(shown.portrait)})
        with going_on(folder / PREVIEW):
            write_image(folder / PREVIEW, shown.preview)
        with going_on(folder / FILM):
            write_film(folder / FILM, shown.film)
        with going_on(folder / "loss.png"):
            write_loss_plot(
                folder / "loss.png", self.metrics.rows, self.metrics.terms, settings.picture.name
            )
        learner.unwritten.check()
        return Trained(
            folder,
            kept,
            learner.iteration,
            learner.seconds,
            by_state,
            self.stabilizer.restores,
            self.task.pictures | WORTH_A_LOOK,
        )

    def _report(self, kept: Candidate) -> dict[str, Any]:
        settings, learner = self.settings, self.learner
        return {
            "settings": recorded(settings),
            "target": settings.picture.name,
            "target_sha256": self.picture_sha256,
            "iterations": learner.iteration,
            "kept_from_iteration": kept.iteration,
            "seconds": round(learner.seconds, 1),
            "precision": str(learner.engine.dtype).removeprefix("torch."),
            "long_run_loss": _number(kept.score),
            "loss_at_10000_steps": _number(kept.late),
            "losses": {name: _number(value) for name, value in self.metrics.rows[-1].items()},
            "versions": {
                "nca": nca.__version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        }


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _engine(settings: TrainSettings) -> Engine:
    wanted = settings.compute.precision
    device = device_of(settings).type
    fast = torch.cuda.is_bf16_supported() if device == "cuda" else bfloat16_is_fast()
    bfloat16 = wanted == "bfloat16" or (wanted == "auto" and fast)
    if process_count() > 1:
        return launched(bfloat16=bfloat16, cpu=device == "cpu")
    return Autocast(device) if bfloat16 else Engine()
