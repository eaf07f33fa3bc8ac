"""Measure whether bfloat16 is faster than float32 on this processor."""

import time
from functools import cache

import torch

FASTER = 0.9  # bfloat16 is used only if it takes less than this fraction of float32's time
SIDE, TRIES = 512, 10  # size and number of the timed matrix products: about 30 ms in all


@cache
def bfloat16_is_fast() -> bool:
    """Measure whether this CPU multiplies matrices faster in bfloat16 than in float32.

    A CPU with bfloat16 instructions may still execute them slowly: AMD's Zen 5 runs them at twice
    the speed of float32, but Intel Xeons that do not use the matrix unit run them at half the
    speed.
    """
    capable = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    if not (capable and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    return _product_seconds(torch.bfloat16) < FASTER * _product_seconds(torch.float32)


def _product_seconds(dtype: torch.dtype) -> float:
    matrix = torch.ones(SIDE, SIDE, dtype=dtype)
    times = []
    for _ in range(TRIES):
        start = time.perf_counter()
        torch.mm(matrix, matrix)
        times.append(time.perf_counter() - start)
    return min(times)
