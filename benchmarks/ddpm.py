"""`nca bench ddpm`: DPM-Solver++ with 20 steps, compared with the lesson's DDPM with 1,000 steps.

Both samplers draw the same number of samples with the same model, and take turns. The ratio
compares CPU times, batch by batch. FID and KID are measured on the timed samples and on real
images.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nca.benchmarks.measuring.machine import describe_machine, load
from nca.benchmarks.measuring.report import Row
from nca.benchmarks.measuring.timing import ratios
from nca.benchmarks.settings import BenchDDPMSettings
from nca.ddpm.checkpoint import load_run
from nca.ddpm.fid.evaluator import FidEvaluator, Figures, figure_lines
from nca.ddpm.settings import FidSettings, SamplerName
from nca.system.files import write_text
from nca.system.threads import torch_threads

FAST, SLOW = "dpmpp, 20 steps", "ddpm, 1,000 steps"
SAMPLERS: dict[str, tuple[SamplerName, int]] = {FAST: ("dpmpp", 20), SLOW: ("ddpm", 1000)}


@dataclass(frozen=True)
class Report:
    """All figures of one run."""

    machine: dict[str, Any]
    protocol: dict[str, Any]
    rows: list[Row]
    distances: list[Figures]

    def write(self, path: Path) -> None:
        """Write JSON.

        Raises:
            InputError: the path cannot be written.
        """
        write_text(path, json.dumps(asdict(self), indent=2) + "\n")

    def table(self) -> str:
        """Format all figures as text."""
        lines = [f"{key}: {value}" for key, value in (self.machine | self.protocol).items()]
        lines.append("")
        for row in self.rows:
            lines.append(
                f"{row.name}: {row.ratio:.1f} {row.unit} [{row.low:.1f} .. {row.high:.1f}]"
            )
        return "\n".join([*lines, "", *figure_lines(self.distances)])


def run(settings: BenchDDPMSettings) -> Report:
    """Run the benchmark.

    Raises:
        InputError: the checkpoint is not usable.
    """
    chosen = FidSettings(settings.run, n=settings.n, repeats=settings.repeats)
    run = load_run(settings.run)
    times: dict[str, list[float]] = {}
    with torch_threads(None):
        evaluator = FidEvaluator(run, chosen)
        distances = [*evaluator.samples(SAMPLERS, times), evaluator.real_images()]
    ratio = Row.of("time", ratios(times[SLOW], times[FAST]), f"{SLOW}, against {FAST}")
    protocol = evaluator.protocol() | {"cpu seconds": times, "load": load()}
    return Report(describe_machine(), protocol, [ratio], distances)
