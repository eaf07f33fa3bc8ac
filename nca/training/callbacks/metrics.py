"""Losses by term, written to a file that a program can read."""

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nca.files import write_atomically
from nca.training.callback import Callback

if TYPE_CHECKING:
    from torch import Tensor

    from nca.training.learner import Learner


class Metrics(Callback):
    """Average every term of the loss over an interval and append it to ``metrics.jsonl``.

    The sums stay on the device; one transfer an interval brings them over. After the fit the whole
    table is written as ``metrics.csv`` too.

    Args:
        folder: where the files go.
        every: iterations an interval.

    Attributes:
        rows: one dictionary an interval: ``iteration``, ``seconds``, ``rate``, ``loss`` and every
            term by name.
    """

    order = 20

    def __init__(self, folder: Path, every: int = 20) -> None:
        self.path, self.every = folder / "metrics.jsonl", every
        self.rows: list[dict[str, float]] = []
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def before_fit(self, _: "Learner") -> None:
        """Begin the file with the rows from before a resume, of which there may be none."""
        write_atomically(self.path, "".join(_line(row) for row in self.rows).encode())

    def after_batch(self, learner: "Learner") -> None:
        """Add up the terms; write a row when the interval is full."""
        if not learner.training:
            return
        for name, value in ({"loss": learner.loss} | learner.losses).items():
            total = self._sums.get(name)
            self._sums[name] = value.detach().clone() if total is None else total + value.detach()
        self._count += 1
        if self._count >= self.every:
            self._write(learner)

    def cleanup_fit(self, learner: "Learner") -> None:
        """Write what is left, and the table."""
        if self._count:
            self._write(learner)
        table = io.StringIO()
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        writer = csv.DictWriter(table, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomically(self.path.with_suffix(".csv"), table.getvalue().encode())

    def _write(self, learner: "Learner") -> None:
        row: dict[str, float] = {
            "iteration": learner.iteration,
            "seconds": round(learner.seconds, 3),
            "rate": learner.optimizer.param_groups[0]["lr"],
        }
        row |= {name: float(total) / self._count for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        self.rows.append(row)
        with self.path.open("a") as file:
            file.write(_line(row))

    def state_dict(self) -> dict[str, Any]:
        """The rows so far, and the interval that is not full yet."""
        return {"rows": self.rows, "sums": self._sums, "count": self._count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :meth:`state_dict`."""
        self.rows, self._sums = list(state["rows"]), dict(state["sums"])
        self._count = state["count"]


def _line(row: dict[str, float]) -> str:
    return json.dumps(row) + "\n"
