"""Run a measurement in a separate process, on one thread and one CPU.

The process runs ``python -m nca.benchmarks.peers.apart MODULE ROUNDS RESULT``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import torch

import nca
from nca.benchmarks.measuring.report import Report

# By default, glibc returns freed large blocks to the kernel, which must zero them again. This takes
# up to half the time of the lesson's step, and a peer should be measured at its best.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(4 * 2**30),
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**30),
    "MALLOC_TOP_PAD_": str(2**30),
}


def run_apart(module: str, rounds: int) -> Report:
    """Call ``measure(rounds)`` of a module of this package in a new process; return its report."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "report.json"
        command = [
            sys.executable,
            "-m",
            "nca.benchmarks.peers.apart",
            module,
            str(rounds),
            str(result),
        ]
        subprocess.run(command, env=environment(**ENVIRONMENT), check=True)
        return Report.from_dict(json.loads(result.read_text(encoding="utf-8")))


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment with the path of this package and ``more`` variables."""
    path = os.pathsep.join([str(Path(nca.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path} | more


def main() -> None:
    """Measure in the process that :func:`run_apart` started, and write the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("rounds", type=int)
    parser.add_argument("result", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    module = import_module(f"nca.benchmarks.{arguments.module}")
    module.measure(arguments.rounds).write(arguments.result)


if __name__ == "__main__":
    main()
