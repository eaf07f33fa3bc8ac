"""A measurement in a process of its own, on one thread and one CPU."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

import nca
from nca.benchmarks.report import Report

# Glibc gives large blocks back at once by default and the kernel then has to zero them again: that
# costs the lesson's step up to half its time. It is the peer's due to be measured at its best.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(4 * 2**30),
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**30),
    "MALLOC_TOP_PAD_": str(2**30),
}


def run_apart(module: str, rounds: int) -> Report:
    """Run a module of this package whose ``main`` is :func:`measure_here`; give its report."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "report.json"
        command = [sys.executable, "-m", f"nca.benchmarks.{module}", str(rounds), str(result)]
        subprocess.run(command, env=environment(**ENVIRONMENT), check=True)
        return Report.from_dict(json.loads(result.read_text()))


def environment(**more: str) -> dict[str, str]:
    """That of this process, in which a module of this package is found, and more."""
    path = os.pathsep.join([str(Path(nca.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path} | more


def measure_here(measure: Callable[[int], Report]) -> None:
    """Measure in this process, which :func:`run_apart` has started, and write the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", type=int)
    parser.add_argument("result", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    measure(arguments.rounds).write(arguments.result)
