"""Prepare to record a CUDA graph."""

from collections.abc import Callable

import torch


def warm_up(run: Callable[[], object], times: int = 1) -> None:
    """Run work on a separate stream, as torch requires before the work is recorded.

    Kernels are compiled, selected and loaded on first use, which cannot happen during a recording.
    """
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(times):
            run()
    torch.cuda.current_stream().wait_stream(side)
