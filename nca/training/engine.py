"""The engine: in which precision a step is computed, and how. A learner has exactly one."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.optim import Optimizer


class Engine:
    """Float32, one process: the plain way."""

    def precision(self) -> AbstractContextManager[None]:
        """Context in which prediction and loss are computed."""
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of the loss to ``.grad`` of every weight."""
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self, optimizer: Optimizer) -> bool:
        """Change the weights. Tells whether it was done."""
        optimizer.step()
        return True


class Autocast(Engine):
    """Mixed precision: layers in bfloat16 where that is safe, weights and sums in float32.

    Bfloat16 has the range of float32, so no gradient needs scaling.

    Args:
        device_type: ``cpu`` or ``cuda``.
    """

    def __init__(self, device_type: str = "cpu") -> None:
        self.device_type = device_type

    def precision(self) -> AbstractContextManager[None]:
        """See :meth:`Engine.precision`."""
        return torch.autocast(self.device_type, torch.bfloat16)


def bfloat16_is_fast() -> bool:
    """Tell whether this CPU multiplies bfloat16 in hardware; without, it is slower than float32."""
    features = torch.backends.cpu.get_cpu_capability()
    return features.startswith("AVX512") and torch.ops.mkldnn._is_mkldnn_bf16_supported()
