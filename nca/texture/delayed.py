"""Values on their way between CPU and GPU: waiting for them would leave the GPU idle."""

from collections import deque

import torch
from torch import Tensor

DELAY = 8  # iterations; a GPU is fewer behind than this


class Delayed:
    """Gives back tensors on the CPU: at once from a CPU, a few calls later from a GPU."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[torch.cuda.Event, tuple[Tensor, ...]]] = deque()

    def read(self, *values: Tensor) -> tuple[Tensor, ...] | None:
        """Take in values; return those of :data:`DELAY` calls ago, or None if there are none."""
        if not values[0].is_cuda:
            return tuple(value.cpu() for value in values)
        copies = tuple(torch.empty_like(value, device="cpu", pin_memory=True) for value in values)
        for copy, value in zip(copies, values, strict=True):
            copy.copy_(value, non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record()
        self._waiting.append((arrived, copies))
        if len(self._waiting) <= DELAY:
            return None
        arrived, copies = self._waiting.popleft()
        arrived.synchronize()
        return copies


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on a device; the copy is not waited for."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
