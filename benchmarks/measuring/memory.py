"""Peak memory of an unroll, forward and backward, or of a training run, in a separate process."""

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch

from nca.backends import unroll
from nca.benchmarks.peers.lesson import SimpleCA
from nca.benchmarks.peers.ours import to_rule
from nca.pictures import picture_path
from nca.rng import random_masks
from nca.texture.settings import train_settings
from nca.texture.tasks import task_of
from nca.texture.train import TextureTraining
from nca.training.engines.launch import build_engine

STATUS = Path("/proc/self/status")
ITERATIONS = 5  # number of iterations of a measured training run


def unroll_megabytes(variant: str, channels: int, hidden: int, size: int, steps: int) -> float:
    """Measure the peak resident memory in MB, without the memory that the process used before.

    Args:
        variant: ``native``, ``torch``, or ``lesson``.
        channels, hidden: sizes of the rule.
        size: side of the grid; the batch is 4.
        steps: steps of the unroll.
    """
    return _megabytes(variant, channels, hidden, size, steps)


def training_megabytes(precision: str, size: int, steps: int) -> float:
    """Measure the peak resident memory in MB of iterations of the preset ``full``, without imports.

    Args:
        precision: ``float32`` or ``bfloat16``.
        size: side of the grid; the batch is 4.
        steps: steps of an iteration.
    """
    return _megabytes(precision, size, steps)


def _megabytes(variant: str, *sizes: int) -> float:
    command = [sys.executable, "-m", "nca.benchmarks.measuring.memory", variant, *map(str, sizes)]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=plain)
    if done.returncode != 0:
        raise RuntimeError(f"measuring memory failed: {done.stderr.strip().splitlines()[-1]}")
    return float(done.stdout)


def _peak() -> float:
    # Avoid ru_maxrss if possible: on Linux, a new process inherits its parent's value.
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
        raise OSError("Windows did not return the memory of the process")
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


def _train(precision: str, size: int, steps: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = train_settings(
            picture_path("scales"), folder, "full", grid=size, late_grid=size,
            steps=(steps, steps), late_steps=(steps, steps), batch_size=4, precision=precision,
            device="cpu", iterations=ITERATIONS, quiet=True,
        )  # fmt: skip
        engine = build_engine(settings.compute.precision, torch.device("cpu"), None)
        training = TextureTraining(settings, task_of(settings.task).read(settings), engine)
        learner = training.learner
        # Skip the long runs, which take minutes.
        learner.use_callbacks([each for each in learner.callbacks if each is not training.best])
        with redirect_stdout(sys.stderr):
            learner.fit(iterations=ITERATIONS)


def main() -> None:
    """Measure once and print MB."""
    parser = argparse.ArgumentParser()
    parser.add_argument("variant")
    parser.add_argument("sizes", type=int, nargs="+")
    arguments = parser.parse_args()
    *rule, size, steps = arguments.sizes
    torch.set_num_threads(1)
    if rule:
        model = SimpleCA(*rule)
        _run(arguments.variant, model, 16, 1)  # loads libraries and compiles kernels
        before = _peak()
        _run(arguments.variant, model, size, steps)
    else:
        before = _peak()
        _train(arguments.variant, size, steps)
    print(_peak() - before)


if __name__ == "__main__":
    main()
