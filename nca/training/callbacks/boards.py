"""Write metrics to TensorBoard and to Weights & Biases."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nca.errors import InputError
from nca.training.callbacks.metrics import Metrics, RowReader
from nca.training.learner import Learner

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard(RowReader):
    """Write every metrics row as TensorBoard scalars.

    Args:
        metrics: source of the rows.
        folder: folder for the event files.

    Raises:
        InputError: (during the fit) tensorboard is not installed.
    """

    def __init__(self, metrics: Metrics, folder: Path) -> None:
        super().__init__(metrics)
        self.folder = folder
        self._writer: SummaryWriter | None = None

    def before_fit(self, learner: Learner) -> None:
        """Open the event file."""
        super().before_fit(learner)
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  (optional)
        except ImportError as error:
            raise InputError("tensorboard is not installed; pip install tensorboard") from error
        # After a resume, new values replace those that a killed process wrote after its last
        # checkpoint.
        self._writer = SummaryWriter(str(self.folder), purge_step=learner.iteration + 1)

    def show(self, row: dict[str, float], learner: Learner) -> None:
        """Write a row."""
        assert self._writer is not None
        for name, value in row.items():
            if name != "iteration":
                self._writer.add_scalar(name, value, learner.iteration)

    def cleanup_fit(self, _: Learner) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class WandB(RowReader):
    """Log every metrics row to Weights & Biases.

    Args:
        metrics: source of the rows.
        options: arguments for ``wandb.init``, such as ``project``, ``config``, or
            ``mode="offline"``.

    Raises:
        InputError: (during the fit) wandb is not installed.
    """

    kept = ("_id",)

    def __init__(self, metrics: Metrics, **options: Any) -> None:
        super().__init__(metrics)
        self.options = options
        self._run: Any = None
        self._id: str | None = None

    def before_fit(self, learner: Learner) -> None:
        """Start a run, or continue the run named in the checkpoint."""
        super().before_fit(learner)
        try:
            import wandb  # noqa: PLC0415  (optional)
        except ImportError as error:
            raise InputError("wandb is not installed; pip install wandb") from error
        again: dict[str, Any] = {} if self._id is None else {"id": self._id, "resume": "allow"}
        self._run = wandb.init(**self.options, **again)
        self._id = self._run.id

    def show(self, row: dict[str, float], learner: Learner) -> None:
        """Log a row."""
        self._run.log(row, step=learner.iteration)

    def cleanup_fit(self, _: Learner) -> None:
        """End the run."""
        if self._run is not None:
            self._run.finish()
            self._run = None
