"""Which precision is fast on this processor: tried, not assumed."""

import time
from functools import cache

import torch

FASTER = 0.9  # the part of float32's time that bfloat16 may take at most to be worth it
SIDE, TRIES = 512, 10  # of the matrices that are multiplied to find out: some 30 ms in all


@cache
def bfloat16_is_fast() -> bool:
    """Return whether this CPU multiplies matrices faster in bfloat16 than in float32, by trying.

    To have the instructions is not enough: AMD's Zen 5 carries them out at twice the rate of
    float32, Intel's Xeons outside their matrix unit at half of it.
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
