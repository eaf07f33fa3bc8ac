"""What all kinds of training share, from the settings to the results.

Every training run is a :class:`Job`, which has a learner and writes the results. :func:`run`
handles the output folder, resuming, threads, the limits of the fit, and multiple processes.
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
    """Result of a training run.

    Attributes:
        folder: the output folder; None: nothing was written.
        iterations, seconds: number of iterations, and how long they took.
        results: captions of the result files in the folder, by file name.
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
    """A training run: a learner with its settings and results.

    Attributes:
        files: names of the files that the job writes, except the checkpoint and the settings.
        may_change: names of settings that may differ on a resume.
        lower_if_out_of_memory: names of the settings that affect memory use most; if the GPU runs
            out of memory, the error message suggests lowering them.
        settings: settings with ``out`` and ``run``.
        learner: the learner.
    """

    files: ClassVar[Sequence[str]]
    may_change: ClassVar[Sequence[str]] = ("minutes", "iterations", "out", "resume", "overwrite",
                                           "quiet", "log")  # fmt: skip
    lower_if_out_of_memory: ClassVar[Sequence[str]]
    settings: Any
    learner: Learner

    @property
    def limits(self) -> Limits | None:
        """Limits of the run; None: the fit ends when the batches end."""
        limits: Limits | None = getattr(self.settings, "limits", None)
        return limits

    def begin(self) -> None:
        """Do what must be done once the folder is ready, before the first iteration."""

    def fit(self) -> None:
        """Train until a limit is reached."""
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
            FailedError: some results could not be written; all others have been written.
        """


def run(
    settings: Any,
    prepare: Callable[[Mapping[str, Any] | None], Job[Result]],
    *,
    one_thread: bool = False,
) -> Result:
    """Prepare a job, train, and write all results.

    Args:
        settings: settings with ``out``, ``run`` and possibly ``limits``. If ``out`` is None,
            nothing is written.
        prepare: makes the job; its argument is the state to resume from, or None.
        one_thread: use one thread if the run is limited by iterations, so that it is reproducible.

    Returns:
        The result. With several processes, only the first one returns; the others exit.

    Raises:
        InputError: a setting, an input or the folder cannot be used.
        FailedError: a result could not be written; all others have been written.
        KeyboardInterrupt: Ctrl-C was pressed; a checkpoint has been written.
    """
    if settings.out is None:
        _refuse_files(settings.run)
    limits: Limits | None = getattr(settings, "limits", None)
    fixed: AbstractContextManager[None] | None = None
    if limits is not None and limits.iterations is not None:
        fixed = torch_threads(None) if one_thread else nullcontext()
    state = saved_state(settings.out) if settings.run.resume else None
    # If the run is limited by time, the Threads callback chooses the number of threads later.
    with fixed or torch_threads():
        job = prepare(state)
    rank = job.learner.engine.rank
    if settings.out is not None:
        # Clear the folder only now, when it is certain that all settings are usable.
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
            names = " or ".join(f"`{name}`" for name in job.lower_if_out_of_memory)
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
    """Make the callbacks for the services listed in ``log``."""
    made: dict[str, Callable[[], Callback]] = {
        "tensorboard": lambda: TensorBoard(metrics, folder / "tensorboard"),
        "wandb": lambda: WandB(metrics, project="nca", name=folder.name, dir=str(folder)),
    }
    return [made[name]() for name in settings.log]
