"""The kernels on other processors: compiled for each, then run or emulated.

AddressSanitizer and all cases: test_unroll_native.py and test_unroll.py.
"""

import math
import platform
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from nca.backends.compiler import common_flags, find_compiler
from nca.backends.native import KERNELS, PADDINGS
from tests.backends.unroll_oracle import Case, largest_error, make_case, oracle

X86 = platform.machine() == "x86_64"


class Processor(NamedTuple):
    """A compiler's flag, the program that runs the result, and the macro that the kernels see."""

    flags: tuple[str, ...]
    compiler: str = ""
    emulator: str = ""
    needs: str = ""  # of /proc/cpuinfo


PROCESSORS = {
    "x86 of 2003": Processor(("-march=x86-64",)),
    "avx2": Processor(("-march=haswell",), needs="avx2"),
    "avx512": Processor(("-march=skylake-avx512",), needs="avx512bw"),
    "avx512 with bfloat16": Processor(("-march=cooperlake",), needs="avx512_bf16"),
    "arm": Processor(("-march=armv8-a",), "aarch64-linux-gnu-g++", "qemu-aarch64-static"),
}

CASES = {
    "cells": {"channels": 12, "hidden": 33, "size": (7, 19), "steps": 4, "bias": True},
    "dilated": {"channels": 5, "hidden": 7, "size": (6, 11), "steps": 4, "padding": "reflect",
                "dilations": (1, 1, 1, 1, 3, 3, 3)},
    "planes": {"channels": 5, "hidden": 7, "size": (6, 21), "steps": 4, "padding": "replicate",
               "hidden_clip": 0.3},
}  # fmt: skip


def build(processor: Processor, case: Case, folder: Path) -> Path:
    """Compile the program; skip if there is no compiler for the processor."""
    own = find_compiler().command[0]
    compiler = shutil.which(processor.compiler) if processor.compiler else own
    if compiler is None:
        pytest.skip(f"no {processor.compiler} here")
    rule = case.rule
    values = ",".join(f"{value.hex()}f" for value in rule.filters.flatten().tolist())
    sizes = {
        "NCA_CHANNELS": rule.settings.channels,
        "NCA_HIDDEN": rule.settings.hidden,
        "NCA_FILTER_COUNT": len(rule.filters),
        "NCA_DILATIONS": ",".join(map(str, rule.dilations)),
        "NCA_FILTERS": values,
    }
    program = folder / "unroll"
    command = [compiler, *(flag for flag in common_flags() if flag != "-shared"), *processor.flags]
    command += [f"-D{name}={value}" for name, value in sizes.items()]
    command += [
        "-static",
        "-I",
        str(KERNELS),
        str(Path(__file__).parent / "foreign_unroll.cpp"),
    ]
    subprocess.run([*command, "-o", str(program)], check=True, capture_output=True, text=True)
    return program


def run(program: list[str], case: Case, *, bfloat16: bool) -> dict[str, Tensor]:
    """Results of the program, named as in the oracle."""
    rule, state, masks, d_last = case
    settings = rule.settings
    padding = PADDINGS.index(settings.padding)
    sizes = [len(masks), len(state), *state.shape[2:], padding, int(bfloat16)]
    clip = math.inf if settings.hidden_clip is None else settings.hidden_clip
    b2 = torch.zeros(settings.channels) if rule.b2 is None else rule.b2
    floats = [torch.tensor([clip]), rule.w1, rule.b1, rule.w2, b2, state, d_last]
    given = [np.array(sizes, np.int64), *(t.detach().numpy() for t in floats), masks.numpy()]
    done = subprocess.run(
        program, input=b"".join(part.tobytes() for part in given), capture_output=True, check=True
    )
    numbers = torch.from_numpy(np.frombuffer(done.stdout, np.float32).copy())
    like = {"last": state, "d_state": state, "d_w1": rule.w1, "d_b1": rule.b1, "d_w2": rule.w2}
    parts = numbers.split([*(value.numel() for value in like.values()), settings.channels])
    results = {n: p.view(v.shape) for (n, v), p in zip(like.items(), parts, strict=False)}
    return results if rule.b2 is None else results | {"d_b2": parts[-1]}


@pytest.mark.parametrize("kernel", CASES)
@pytest.mark.parametrize("name", PROCESSORS)
def test_every_processor_computes_the_same(name: str, kernel: str, tmp_path: Path) -> None:
    processor, case = PROCESSORS[name], make_case(**CASES[kernel])
    if not processor.compiler and not X86:
        pytest.skip("no x86 here")
    program = build(processor, case, tmp_path)
    emulator = shutil.which(processor.emulator) if processor.emulator else ""
    if emulator is None:
        pytest.skip(f"compiled, not run: no {processor.emulator} here")
    if processor.needs and processor.needs not in Path("/proc/cpuinfo").read_text():
        pytest.skip(f"compiled, not run: no {processor.needs} here")
    bfloat16 = processor.needs == "avx512_bf16"
    got = run([*([emulator] if emulator else []), str(program)], case, bfloat16=bfloat16)
    right = oracle(case)
    limit = 5e-2 if bfloat16 else 1e-5
    for key, value in right.items():
        assert largest_error(got[key], value) < limit, key
