"""Read small GPU results a few iterations late, because waiting for them would idle the GPU."""

from collections import deque

import torch
from torch import Tensor

DELAY = 8  # calls until a copy is read


class Delayed(deque[tuple[torch.cuda.Event, tuple[Tensor, ...]]]):
    """Copies tensors to the CPU; returns CPU tensors at once, and GPU tensors a few calls later."""

    def read(self, *values: Tensor) -> tuple[Tensor, ...] | None:
        """Add values; return the values from :data:`DELAY` calls ago, or None before that."""
        if not values[0].is_cuda:
            return tuple(value.cpu() for value in values)
        copies = tuple(torch.empty_like(value, device="cpu", pin_memory=True) for value in values)
        for copy, value in zip(copies, values, strict=True):
            copy.copy_(value, non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record()
        self.append((arrived, copies))
        if len(self) <= DELAY:
            return None
        arrived, copies = self.popleft()
        arrived.synchronize()
        return copies
