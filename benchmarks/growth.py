"""How the cost of a training unroll grows with grid, channels, hidden units and steps."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from nca.backends import unroll
from nca.benchmarks.measuring.report import Row
from nca.benchmarks.measuring.timing import interleave, ratios
from nca.benchmarks.peers.ours import precision
from nca.benchmarks.settings import SMALL
from nca.rng import random_masks
from nca.rule import Rule
from nca.rule_settings import RuleSettings


@dataclass(frozen=True)
class Size:
    """Size of an unroll of one state."""

    grid: int = 96
    channels: int = 12
    hidden: int = 96
    steps: int = 16


VALUES: dict[str, tuple[int, ...]] = {
    "grid": (48, 192, 384),
    "channels": (4, 8, 16, 32),
    "hidden": (16, 32, 48, 192, 384),
    "steps": (8, 32, 64),
}
if SMALL:  # a C++ library is compiled for each number of channels and hidden units: use only one
    VALUES = {"grid": (48,), "steps": (8,)}


def measure_growth(rounds: int, *, bfloat16: bool) -> list[Row]:
    """Measure the relative cost of sizes that differ from the base size in one dimension only."""
    base = Size()
    sizes = {"base": base}
    for name, values in VALUES.items():
        sizes |= {f"{name} {value}": replace(base, **{name: value}) for value in values}
    times = interleave({name: _runner(size, bfloat16) for name, size in sizes.items()}, rounds)
    against = f"{base.grid}x{base.grid} cells, {base.channels} channels, {base.hidden} hidden"
    return [
        Row.of(name, ratios(times[name], times["base"]), f"{against}, {base.steps} steps")
        for name in sizes
        if name != "base"
    ]


def _runner(size: Size, bfloat16: bool) -> Callable[[], None]:
    rule = Rule(RuleSettings(channels=size.channels, hidden=size.hidden))
    state = torch.rand(1, size.channels, size.grid, size.grid) - 0.5
    generator = torch.Generator().manual_seed(0)
    masks = random_masks(size.steps, 1, size.grid, size.grid, 0.5, generator)

    def run() -> None:
        with precision(bfloat16):
            last = unroll(state, rule, masks)
        last.sum().backward()  # type: ignore[no-untyped-call]

    return run
