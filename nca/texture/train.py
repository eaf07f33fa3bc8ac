"""Train a rule on an image: read the target, train, choose the final rule, write the results."""

import hashlib
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from typing_extensions import override

import nca
from nca.errors import InputError
from nca.images import contact_sheet, to_image, write_image
from nca.options import Picture
from nca.rule import Rule
from nca.rulefile import save_rule
from nca.texture.callbacks.keep_best import Candidate, KeepBest
from nca.texture.callbacks.keep_pool import KeepPool
from nca.texture.callbacks.stability import Stabilizer
from nca.texture.callbacks.write_newest import WriteNewest
from nca.texture.device import device_of
from nca.texture.objective import Grow
from nca.texture.results import thumbnail, write_film
from nca.texture.settings import TrainSettings
from nca.texture.starting_rule import with_sizes_of_parent
from nca.texture.tasks import task_of
from nca.texture.tasks.base import FILM, PREVIEW
from nca.texture.tasks.material import with_maps
from nca.training.adam import Adam
from nca.training.callback import Callback
from nca.training.callbacks import (
    EMA,
    Checkpoint,
    Device,
    LivePage,
    Metrics,
    NormalizeGradients,
    NotebookPicture,
    Progress,
    Schedule,
    Threads,
    warm_up_then_cosine,
)
from nca.training.callbacks.plot import write_loss_plot
from nca.training.engines import Engine
from nca.training.engines.launch import build_engine
from nca.training.folder import CHECKPOINT, recorded
from nca.training.job import LOSS_CURVES, Job, Trained, loggers, run
from nca.training.learner import Learner
from nca.training.same_target import SameTarget

RULE = "rule.safetensors"
LIVE = "live.html"
FILES = (RULE, PREVIEW, FILM, "loss.png", "metrics.jsonl", "metrics.csv", LIVE)
FRESH_SEEDS = 100  # added to the seed; the first seeds were used to choose the rule


@dataclass(frozen=True, repr=False)
class TrainedRule(Trained):
    """Result of training a rule.

    Attributes:
        kept: the rule that was chosen.
        losses: mean of each term, and of their sum ``loss``, over every 20 iterations.
        loss_by_state: texture loss of the rule when its state is stored as rgba32f, rgba16f and
            rgba8; None where it blew up; empty if there is no output folder.
        restores: number of times that weights were restored after a blow-up.
    """

    kept: Candidate
    losses: dict[str, list[float]]
    loss_by_state: dict[str, float | None]
    restores: int

    @property
    def rule(self) -> Rule:
        """The chosen rule, on the CPU."""
        return self.kept.rule.cpu()

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        losses = ", ".join(
            f"{loss:.3f} with {state}" if loss is not None else f"blown up with {state}"
            for state, loss in self.loss_by_state.items()
        )
        said = f"Texture loss by storage format: {losses}" if losses else ""
        return "\n".join(filter(None, (super().__str__(), said, self.kept.warning)))


def train(
    settings: TrainSettings,
    *,
    callbacks: Sequence[Callback] = (),
    show: Callable[[Path], object] | None = None,
) -> TrainedRule:
    """Train, choose the final rule, and write all results.

    Under ``accelerate launch`` or ``torchrun`` the processes train one rule together: each works on
    ``batch_size`` states of the same pool.

    Args:
        settings: see :func:`nca.texture.settings.train_settings`.
        callbacks: additional callbacks.
        show: called before the first iteration with the path of the rule file, to show the rule as
            it learns. The file does not exist yet at that time. Not called if there is no output
            folder.
    """
    settings = with_maps(with_sizes_of_parent(settings))

    def prepare(state: Mapping[str, Any] | None) -> TextureTraining:
        target = task_of(settings.task).read(settings)
        engine = build_engine(settings.compute.precision, device_of(settings), state)
        return TextureTraining(settings, target, engine, callbacks=callbacks, show=show)

    return run(settings, prepare, one_thread=True)


class TextureTraining(Job[TrainedRule]):
    """Training of a rule: its learner with all callbacks, and its results.

    Args:
        settings: settings of the run.
        target: target as the task reads it; [3, S, S] in [0, 1] for a texture.
        engine: computes gradients and optimizer steps; default: float32 in one process.
        callbacks: additional callbacks.
        show: see :func:`train`.

    Raises:
        InputError: the pool has fewer states than all processes together draw per iteration.
    """

    files = FILES
    may_change = (*Job.may_change, "picture", "view")
    lower_if_out_of_memory = ("batch_size", "late_grid", "late_steps")

    def __init__(
        self,
        settings: TrainSettings,
        target: Tensor,
        engine: Engine | None = None,
        *,
        callbacks: Sequence[Callback] = (),
        show: Callable[[Path], object] | None = None,
    ) -> None:
        self.settings, self.show = settings, show
        self.picture_sha256 = _sha256(settings.picture)  # the file may change later
        engine = engine or Engine()
        pool, adam = settings.pool, settings.optimizer
        if pool.pool_size < engine.processes * pool.batch_size:
            raise InputError(
                f"`pool_size` {pool.pool_size}: {engine.processes} processes draw "
                f"{engine.processes * pool.batch_size} states per iteration"
            )
        generator = torch.Generator().manual_seed(settings.run.seed)
        task = self.task = task_of(settings.task)(settings, target, generator, engine)
        optimizer = Adam(task.rule.parameters(), adam.learning_rate, betas=(0.9, 0.99))
        schedule = Schedule(warm_up_then_cosine(adam.warm_up, adam.final_rate))
        objective = Grow(
            task,
            settings.penalty,
            cap=task.caps_gradients and adam.cap_gradients,
            backend=settings.compute.backend,
        )
        self.ema = EMA(adam.ema)
        self.stabilizer = Stabilizer(schedule)
        self.metrics = Metrics(settings.out)
        self.best = KeepBest(self.ema, task, settings.run.seed)
        own: list[Callback] = [
            Device(device_of(settings)),
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
            *self._watchers(),
        ]
        self.learner = Learner(
            task.rule,
            task.pool,
            objective,
            optimizer,
            engine=engine,
            callbacks=[*own, *callbacks],
        )

    def _watchers(self) -> list[Callback]:
        """Callbacks that show the states in a notebook or write to the output folder."""
        settings, folder = self.settings, self.settings.out
        shown = [] if settings.run.quiet else [NotebookPicture(self._newest)]
        if folder is None:
            return [*shown]
        return [
            *shown,
            WriteNewest(folder / RULE, self.ema),
            LivePage(
                folder / LIVE,
                {"target": self._targets, "states of the newest batch": self._newest},
                self.metrics,
                title=settings.picture.name,
            ),
            Checkpoint(folder / CHECKPOINT),
            *loggers(settings.run, folder, self.metrics),
        ]

    @override
    def begin(self) -> None:
        if self.show is not None and self.settings.out is not None:
            self.show(self.settings.out / RULE)

    def _targets(self, _: Learner) -> Image.Image:
        return contact_sheet(self.task.targets(), ground=None)

    def _newest(self, learner: Learner) -> Image.Image:
        colors = self.task.rule.to_image(learner.prediction.detach())
        return contact_sheet([to_image(one) for one in colors], ground=None)

    def finish(self) -> TrainedRule:
        """Choose the final rule; if there is an output folder, write the rule, images and plots.

        Raises:
            FailedError: some results could not be written; all others have been.
        """
        learner, folder = self.learner, self.settings.out
        kept = self.best.choose()
        by_state: dict[str, float | None] = {}
        if folder is not None:
            by_state = self.task.loss_by_state(kept.rule, self.settings.run.seed + FRESH_SEEDS)
            self._write(folder, kept, by_state)
        return TrainedRule(
            folder,
            learner.iteration,
            learner.seconds,
            self.task.pictures | {RULE: "the rule", "loss.png": LOSS_CURVES},
            kept,
            self.metrics.curves(),
            by_state,
            self.stabilizer.restores,
        )

    def _write(self, folder: Path, kept: Candidate, by_state: dict[str, float | None]) -> None:
        learner, warn_on_failure = self.learner, self.learner.write_failures.warn_on_failure
        shown = self.task.show(kept.rule)
        info = {"training": self._report(kept) | {"loss_by_state": by_state}}
        with warn_on_failure(folder / RULE):
            save_rule(folder / RULE, kept.rule, info | {"thumbnail": thumbnail(shown.portrait)})
        with warn_on_failure(folder / PREVIEW):
            write_image(folder / PREVIEW, shown.preview)
        with warn_on_failure(folder / FILM):
            write_film(folder / FILM, shown.film)
        with warn_on_failure(folder / "loss.png"):
            write_loss_plot(
                folder / "loss.png",
                self.metrics.rows,
                self.metrics.terms,
                self.settings.picture.name,
            )
        learner.write_failures.check()

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
            "speckle": _number(kept.speckle),
            "losses": {name: _number(value) for name, value in self.metrics.rows[-1].items()},
            "versions": {
                "nca": nca.__version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        }


def _sha256(path: Picture) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
