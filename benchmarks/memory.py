"""Peak memory of one unroll, forward and backward, in a process of its own."""

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

import torch

from nca.benchmarks.peers.lesson import SimpleCA
from nca.benchmarks.peers.ours import to_rule
from nca.rng import random_masks
from nca.unroll import unroll

STATUS = Path("/proc/self/status")


def unroll_megabytes(variant: str, channels: int, hidden: int, size: int, steps: int) -> float:
    """Peak resident memory over what the process held before, in MB.

    Args:
        variant: ``native``, ``torch``, or ``lesson``.
        channels, hidden: of the rule.
        size: side of the grid; the batch is 4.
        steps: of the unroll.
    """
    sizes = map(str, (channels, hidden, size, steps))
    command = [sys.executable, "-m", "nca.benchmarks.memory", variant, *sizes]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=plain)
    if done.returncode != 0:
        raise RuntimeError(f"measuring memory failed: {done.stderr.strip().splitlines()[-1]}")
    return float(done.stdout)


def _peak() -> float:
    # Not ru_maxrss where it can be helped: on Linux a new process inherits its parent's.
    if STATUS.exists():
        line = next(x for x in STATUS.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    units = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units


def _run(variant: str, model: SimpleCA, size: int, steps: int) -> None:
    state = torch.rand(4, model.w2.out_channels, size, size) - 0.5
    masks = random_masks(steps, 4, size, size, 0.5, torch.Generator().manual_seed(0))
    if variant == "lesson":
        for _ in masks:
            state = model(state)
    else:
        state = unroll(state, to_rule(model), masks, "native" if variant == "native" else "torch")
    state.sum().backward()  # type: ignore[no-untyped-call]


def main() -> None:
    """Measure once and print MB."""
    parser = argparse.ArgumentParser()
    parser.add_argument("variant")
    parser.add_argument("sizes", type=int, nargs=4)
    arguments = parser.parse_args()
    channels, hidden, size, steps = arguments.sizes
    torch.set_num_threads(1)
    model = SimpleCA(channels, hidden)
    _run(arguments.variant, model, 16, 1)  # libraries loaded, kernels compiled
    before = _peak()
    _run(arguments.variant, model, size, steps)
    print(_peak() - before)


if __name__ == "__main__":
    main()
