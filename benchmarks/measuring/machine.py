"""Describe the machine of a benchmark, and measure its peak speed."""

import ctypes
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nca.backends.compiler import CompileError, find_compiler, load_library
from nca.backends.native import KERNELS

PEAK_SECONDS = 0.15
DISTURBED = 0.1  # relative change of the peak speed above which a run counts as disturbed


def describe_machine() -> dict[str, Any]:
    """Describe the processor, the versions of packages, and the environment."""
    return {
        "cpu": _cpu_name(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "compiler": _compiler_version(),
        "malloc": "memory kept" if "MALLOC_TOP_PAD_" in os.environ else "default",
    }


def load() -> str:
    """Return the average number of programs that needed a core in the last minute.

    On Windows, it is ``unknown``.
    """
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _compiler_version() -> str:
    try:
        command = find_compiler().command
    except CompileError as error:
        return str(error)
    shown = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    return shown.stdout.partition("\n")[0]


class Peak:
    """Measures the multiply-adds per second of one core, with operands in registers.

    Raises:
        CompileError: there is no compiler.
    """

    def __init__(self) -> None:
        source = Path(__file__).parent / "peak.cpp"
        self.library = load_library(
            source, {}, ("-I", str(KERNELS)), ("peak_operations", "peak_float32")
        )
        self.library.peak_operations.argtypes = [ctypes.c_int64] * 2
        self.library.peak_operations.restype = ctypes.c_int64

    def measure(self) -> dict[str, float]:
        """Measure billions of operations per CPU second, by precision.

        bfloat16 is included only if the processor supports it.
        """
        result = {}
        for bfloat16, name in enumerate(("float32", "bfloat16")):
            if not hasattr(self.library, f"peak_{name}"):
                continue
            run = getattr(self.library, f"peak_{name}")
            run.argtypes, run.restype = [ctypes.c_int64], ctypes.c_float
            rounds, seconds = 10_000, 0.0
            while seconds < PEAK_SECONDS:
                rounds *= 2
                start = time.process_time()
                run(rounds)
                seconds = time.process_time() - start
            operations: int = self.library.peak_operations(rounds, bfloat16)
            result[name] = operations / seconds / 1e9
        return result


def is_disturbed(before: dict[str, float], after: dict[str, float]) -> bool:
    """Whether the peak has changed so much that the run should be repeated."""
    return any(abs(after[name] / before[name] - 1) > DISTURBED for name in before)
