"""Write losses, by term and by layer, to machine-readable files."""

import csv
import io
import json
import math
import time
from collections import defaultdict
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from nca.system.files import write_text
from nca.training.callback import Callback
from nca.training.engines import Engine
from nca.training.learner import Learner

SUM = "loss"  # key of the sum of all terms in a row
SECONDS = 0.5  # minimum between writes; opening the file takes longer than computing a row


class Metrics(Callback):
    """Average every loss term and every measure over an interval; write the averages as a row.

    The values stay on the device until a single transfer per interval fetches them. New rows are
    appended to ``metrics.jsonl`` at most twice a second. At the end of a fit, all rows are also
    written to ``metrics.csv``. With several processes, rows contain averages over all processes.

    Args:
        folder: folder for the files; None: rows are kept in memory only.
        every: number of iterations per interval.

    Attributes:
        rows: one dictionary per interval: ``iteration``, ``seconds``, ``rate`` (the learning rate),
            ``loss``, every term by name (``term/layer`` if a term has layers) and every measure. A
            validation adds its own row: ``iteration``, ``seconds``, and the losses and measures,
            whose names get the prefix ``valid/``.
        terms: names of the loss terms.
    """

    order = 20

    def __init__(self, folder: Path | None = None, every: int = 20) -> None:
        self.path = None if folder is None else folder / "metrics.jsonl"
        self.every = every
        self.rows: list[dict[str, float]] = []
        self.terms: list[str] = []
        self._training: dict[str, list[Tensor]] = defaultdict(list)
        self._validation: dict[str, list[Tensor]] = defaultdict(list)
        self._writes = False
        self._written = 0  # number of rows in the file; 0: write the whole file
        self._due = 0.0

    def curves(self) -> dict[str, list[float]]:
        """The loss and each of its terms, with one number per recorded row."""
        rows = [row for row in self.rows if SUM in row]
        names = dict.fromkeys([SUM, *self.terms])
        return {name: [row.get(name, math.nan) for row in rows] for name in names}

    def before_fit(self, learner: Learner) -> None:
        """Start the file with the rows recorded before a resume, if there are any."""
        self._writes = self.path is not None and learner.engine.rank == 0
        if self._writes:
            self._rewrite()

    def before_epoch(self, _: Learner) -> None:
        """Clear the values of the last validation."""
        self._validation = defaultdict(list)

    def after_batch(self, learner: Learner) -> None:
        """Keep the values; add a row at the end of the interval."""
        held = self._training if learner.training else self._validation
        held[SUM].append(learner.loss.detach())
        for name, value in learner.losses.items():
            if name != SUM:  # a term may itself be called "loss" if it is the only one
                held[name].append(value.detach())
        for name, value in learner.measures.items():
            held[name].append(value.detach())
        if learner.training and len(held[SUM]) >= self.every:
            self._add_row(learner)

    def after_epoch(self, learner: Learner) -> None:
        """Add the row of a validation."""
        if not learner.training and self._validation:
            row = {"iteration": learner.iteration, "seconds": round(learner.seconds, 3)}
            means = averages(self._validation, learner.engine)
            self._keep(learner, row | {f"valid/{name}": mean for name, mean in means.items()})

    def after_fit(self, learner: Learner) -> None:
        """Add a row for the remaining values."""
        if self._training:
            self._add_row(learner)

    def cleanup_fit(self, learner: Learner) -> None:
        """Write the table as CSV."""
        if self.path is None or not self._writes:
            return
        table = io.StringIO()
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        writer = csv.DictWriter(table, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        csv_path = self.path.with_suffix(".csv")
        with learner.write_failures.warn_on_failure(csv_path):
            write_text(csv_path, table.getvalue())
        with learner.write_failures.warn_on_failure(self.path):
            self._rewrite()

    def _add_row(self, learner: Learner) -> None:
        self.terms = list(learner.losses)
        row: dict[str, float] = {
            "iteration": learner.iteration,
            "seconds": round(learner.seconds, 3),
            "rate": learner.optimizer.param_groups[0]["lr"],
        }
        held, self._training = self._training, defaultdict(list)
        self._keep(learner, row | averages(held, learner.engine))

    def _keep(self, learner: Learner, row: dict[str, float]) -> None:
        self.rows.append(row)
        if self.path is not None and self._writes and time.monotonic() >= self._due:
            self._due = time.monotonic() + SECONDS
            with learner.write_failures.warn_on_failure(self.path):
                self._append() if self._written else self._rewrite()

    def _append(self) -> None:
        assert self.path is not None
        new = self.rows[self._written :]
        self._written = 0  # if this fails, the file may end with part of a line
        with self.path.open("a", encoding="utf-8", newline="\n") as file:
            file.writelines(map(_line, new))
        self._written = len(self.rows)

    def _rewrite(self) -> None:
        assert self.path is not None
        write_text(self.path, "".join(map(_line, self.rows)))
        self._written = len(self.rows)

    def state_dict(self) -> dict[str, Any]:
        """The rows so far, and the values of the current interval."""
        return {"rows": list(self.rows), "terms": self.terms, "interval": dict(self._training)}

    @override
    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows, self.terms = list(state["rows"]), list(state["terms"])
        interval = {name: list(values) for name, values in state["interval"].items()}
        self._training = defaultdict(list, interval)


class RowReader(Callback):
    """Base class of callbacks that show the rows of :class:`Metrics` somewhere.

    Args:
        metrics: source of the rows; must itself be among the learner's callbacks.
    """

    order = 25  # after the rows have been added
    main_process_only = True

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self._read = 0

    def before_fit(self, _: Learner) -> None:
        """Skip the rows recorded before a resume, which have already been shown."""
        self._read = len(self.metrics.rows)

    def after_batch(self, learner: Learner) -> None:
        """Show the new rows."""
        for row in self.metrics.rows[self._read :]:
            self._read += 1
            self.show(row, learner)

    def after_epoch(self, learner: Learner) -> None:
        """Show the new rows."""
        RowReader.after_batch(self, learner)

    def after_fit(self, learner: Learner) -> None:
        """Show the new rows."""
        RowReader.after_batch(self, learner)

    def show(self, row: dict[str, float], learner: Learner) -> None:
        """Show one row; subclasses define this."""
        raise NotImplementedError


@torch.no_grad()
def averages(held: dict[str, list[Tensor]], engine: Engine) -> dict[str, float]:
    """Average every list, over all processes, with a single transfer from the device."""
    everything = torch.stack([value for values in held.values() for value in values])
    numbers = iter(engine.gather(everything[None]).float().mean(0).tolist())
    return {name: fmean(islice(numbers, len(values))) for name, values in held.items()}


def _line(row: dict[str, float]) -> str:
    # JSON has neither NaN nor infinity.
    finite = {name: value if math.isfinite(value) else None for name, value in row.items()}
    return json.dumps(finite) + "\n"
