"""What recording a CUDA graph takes."""

from collections.abc import Callable

import torch


def warm_up(run: Callable[[], object], times: int = 1) -> None:
    """Run on a stream of its own, as torch asks for before a recording.

    Kernels are compiled, chosen and loaded at first use, which a recording cannot do.
    """
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(times):
            run()
    torch.cuda.current_stream().wait_stream(side)
