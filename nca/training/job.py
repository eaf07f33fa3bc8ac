"""A training from settings to results: what rules, images and diffusion models have in common.

Every training is a job: a learner, and what is written at the end. :func:`run` does the rest: the
output folder, resuming, threads, the limits of the fit, and the other processes of a group.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch

from nca.errors import FailedError, InputError
from nca.system.threads import torch_threads
from nca.training.callback import Callback
from nca.training.callbacks import Metrics, TensorBoard, WandB
from nca.training.folder import CHECKPOINT, SETTINGS, open_folder, saved_state, write_settings
from nca.training.learner import Learner
from nca.training.settings import Limits, RunSettings

LOSS_CURVES = "loss curves (raw values in metrics.jsonl)"


@dataclass(frozen=True)
class Trained:
    """Result of a training.

    Attributes:
        folder: the output folder; None: nothing was written.
        iterations, seconds: of training.
        results: what the files in the folder show, by name.
    """

    folder: Path | None
    iterations: int
    seconds: float
    results: dict[str, str]

    def __str__(self) -> str:
        line = f"{self.iterations} iterations in {self.seconds:.0f} s"
        if self.folder is None:
            return line
        files = [f"  {self.folder / name}  {what}" for name, what in self.results.items()]
        return "\n".join([f"{line}: {self.folder}", *files])


Result = TypeVar("Result", bound=Trained)


class Job(ABC, Generic[Result]):
    """A learner with everything around it.

    Attributes:
        files: names of the files that it writes, beside checkpoint and settings.
        may_change: settings that may differ on a resume.
        memory: settings on which the memory that is needed depends most.
        settings: with ``out`` and ``run``.
        learner: trains.
    """

    files: ClassVar[Sequence[str]]
    may_change: ClassVar[Sequence[str]] = ("minutes", "iterations", "out", "resume", "overwrite",
                                           "quiet", "log")  # fmt: skip
    memory: ClassVar[Sequence[str]]
    settings: Any
    learner: Learner

    @property
    def limits(self) -> Limits | None:
        """How long to train; None: until the batches end."""
        limits: Limits | None = getattr(self.settings, "limits", None)
        return limits

    def begin(self) -> None:
        """Called when the folder is ready, before the first iteration."""

    def fit(self) -> None:
        """Train to the limits."""
        limits = self.limits
        if limits is None:
            self.learner.fit()
        elif limits.iterations is None:
            self.learner.fit(minutes=limits.minutes)
        else:
            self.learner.fit(iterations=limits.iterations)

    @abstractmethod
    def finish(self) -> Result:
        """Write the results.

        Raises:
            FailedError: naming what could not be written, after everything else has been.
        """


def run(
    settings: Any,
    prepare: Callable[[Mapping[str, Any] | None], Job[Result]],
    *,
    one_thread: bool = False,
) -> Result:
    """Prepare a job, train, and write all results.

    Args:
        settings: with ``out``, ``run`` and perhaps ``limits``. Without ``out`` nothing is written.
        prepare: makes the job; gets the state of the learner that is resumed, if there is one.
        one_thread: whether a run by iterations uses one thread: its bits depend on the number.

    Returns:
        The result. Of several processes only the first returns; the others exit.

    Raises:
        InputError: a setting, an input or the folder is not usable.
        FailedError: a result could not be written; the others have been.
        KeyboardInterrupt: Ctrl-C; a checkpoint has been written.
    """
    if settings.out is None:
        _refuse_files(settings.run)
    limits: Limits | None = getattr(settings, "limits", None)
    fixed: AbstractContextManager[None] | None = None
    if limits is not None and limits.iterations is not None:
        fixed = torch_threads(None) if one_thread else nullcontext()
    state = saved_state(settings.out) if settings.run.resume else None
    # By time, the callback Threads takes over in the fit.
    with fixed or torch_threads():
        job = prepare(state)
    rank = job.learner.engine.rank
    if settings.out is not None:
        # Only now: nothing is cleared for settings that turn out to be unusable.
        open_folder(settings, (*job.files, CHECKPOINT, SETTINGS), job.may_change, rank)
        if state is not None:
            job.learner.load_state_dict(state)
        if rank == 0:
            job.begin()
            write_settings(settings)
    with torch_threads(None) if one_thread and fixed else nullcontext():
        try:
            job.fit()
        except torch.OutOfMemoryError as error:
            names = " or ".join(f"`{name}`" for name in job.memory)
            raise FailedError(f"the GPU has no memory left; lower {names}") from error
    if rank > 0:
        sys.exit()
    with torch_threads():
        return job.finish()


def _refuse_files(settings: RunSettings) -> None:
    for name in ("resume", "log"):
        if getattr(settings, name):
            raise InputError(f"`{name}`: needs `out`, the folder where its files are")


def loggers(settings: RunSettings, folder: Path, metrics: Metrics) -> list[Callback]:
    """Callbacks for what ``log`` names."""
    made: dict[str, Callable[[], Callback]] = {
        "tensorboard": lambda: TensorBoard(metrics, folder / "tensorboard"),
        "wandb": lambda: WandB(metrics, project="nca", name=folder.name, dir=str(folder)),
    }
    return [made[name]() for name in settings.log]
