"""Results of a benchmark, as data, as JSON and as a table."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nca.benchmarks.measuring.timing import Spread
from nca.system.files import write_text


@dataclass(frozen=True)
class Row:
    """One figure: the median, the quartiles, and what the figure is compared with."""

    name: str
    ratio: float
    low: float
    high: float
    against: str
    unit: str = "x"

    @classmethod
    def of(cls, name: str, values: Spread, against: str, unit: str = "x") -> "Row":
        """Make a row from a median and quartiles."""
        return cls(name, values.median, values.low, values.high, against, unit)


@dataclass(frozen=True)
class Parity:
    """How far a variant's results are from those computed in float64.

    Variants beyond the limit are not timed.
    """

    name: str
    measure: str
    value: float
    limit: float
    met: bool


@dataclass(frozen=True)
class Gate:
    """A limit for the median of a row: a lower limit, or an upper limit if ``most`` is set."""

    row: str
    limit: float
    most: bool = False

    def met_by(self, row: Row) -> bool:
        """Whether the row's median is within the limit."""
        return row.ratio <= self.limit if self.most else row.ratio >= self.limit


@dataclass(frozen=True)
class Report:
    """All figures of one run; ``absent``: reasons for rows that are missing."""

    machine: dict[str, Any]
    parity: list[Parity]
    rows: list[Row]
    growth: list[Row] = field(default_factory=list)
    gates: list[Gate] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, in which each gate also has ``met``: whether the gate is met."""
        by_name = {row.name: row for row in self.rows}
        gates = [
            {**asdict(gate), "met": gate.row in by_name and gate.met_by(by_name[gate.row])}
            for gate in self.gates
        ]
        return {**asdict(self), "gates": gates}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Report":
        """Read the result of :meth:`to_dict`."""
        return cls(
            data["machine"],
            [Parity(**entry) for entry in data["parity"]],
            [Row(**entry) for entry in data["rows"]],
            [Row(**entry) for entry in data["growth"]],
            [Gate(gate["row"], gate["limit"], gate["most"]) for gate in data["gates"]],
            data["absent"],
        )

    def write(self, path: Path) -> None:
        """Write JSON.

        Raises:
            InputError: the path cannot be written.
        """
        write_text(path, json.dumps(self.to_dict(), indent=2) + "\n")

    def table(self) -> str:
        """Format all figures as text."""
        lines = [f"{key}: {value}" for key, value in self.machine.items()]
        if self.parity:
            lines += ["", "Against float64, before anything is timed:"]
        lines += [
            f"  {p.name:24} {p.measure:32} {p.value:.2e}  (limit {p.limit:g}) "
            f"{'ok' if p.met else 'FAILED: not timed'}"
            for p in self.parity
        ]
        lines += ["", "Median of all rounds [quartiles]:"]
        gates = {gate.row: gate for gate in self.gates}
        lines += [_line(row, gates.get(row.name)) for row in self.rows]
        missing = sorted(set(gates) - {row.name for row in self.rows})
        lines += [f"  {name:24} not measured: gate NOT MET" for name in missing]
        lines += [f"  {name:24} not measured: {why}" for name, why in self.absent.items()]
        if self.growth:
            lines += ["", "How the cost of training grows:"]
            lines += [_line(row) for row in self.growth]
        return "\n".join(lines)


def _line(row: Row, gate: Gate | None = None) -> str:
    figures = f"{row.ratio:7.2f} {row.unit:2} [{row.low:.2f} .. {row.high:.2f}]"
    line = f"  {row.name:24} {figures:32} {row.against}"
    if gate is None:
        return line
    bound = f"at {'most' if gate.most else 'least'} {gate.limit:g}"
    return f"{line}; gate: {bound}, {'met' if gate.met_by(row) else 'NOT MET'}"
