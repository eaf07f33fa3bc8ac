"""Peak memory of one unroll, forward and backward, in a process of its own."""

import argparse
import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

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
        status = STATUS.read_text(encoding="utf-8")
        line = next(x for x in status.splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    if sys.platform == "win32":
        return _peak_of_windows()
    import resource  # noqa: PLC0415  (Windows does not have it)

    units = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units


class _Counters(ctypes.Structure):
    """``PROCESS_MEMORY_COUNTERS``."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("faults", ctypes.c_uint32),
        ("peak", ctypes.c_size_t),
        *((f"other{i}", ctypes.c_size_t) for i in range(7)),
    )


def _peak_of_windows() -> float:
    counters = _Counters(size=ctypes.sizeof(_Counters))
    kernel: Any = ctypes.windll.kernel32  # type: ignore[attr-defined]
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    process = ctypes.c_void_p(kernel.GetCurrentProcess())
    if not kernel.K32GetProcessMemoryInfo(process, ctypes.byref(counters), counters.size):
        raise OSError("Windows does not say how much memory the process has used")
    return float(counters.peak) / 2**20


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
