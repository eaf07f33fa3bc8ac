"""The engine computes gradients and takes optimizer steps. A learner has exactly one engine.

Engines handle precision, loss scaling, gradient accumulation and multiple processes, so neither the
loop nor callbacks depend on these. :mod:`nca.training.engines.accelerate` is for several processes.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

AS_IT_IS = nullcontext()


class Engine:
    """Trains in float32, in one process.

    Args:
        accumulate: number of batches whose gradients are averaged for each step.

    Attributes:
        added: number of batches added so far to the current, incomplete step.
        dtype: number format in which layers are computed.
        device: device for model and batches; None: any device.
        rank, processes: index of this process, and number of processes.

    Raises:
        ValueError: ``accumulate`` is below 1.
    """

    dtype = torch.float32
    device: torch.device | None = None
    rank, processes = 0, 1

    def __init__(self, *, accumulate: int = 1) -> None:
        if accumulate < 1:
            raise ValueError(f"accumulate must be 1 or more, not {accumulate}")
        self.accumulate, self.added = accumulate, 0

    def precision(self) -> AbstractContextManager[None]:
        """Return the context manager in which prediction and loss are computed."""
        return AS_IT_IS

    def backward(self, loss: Tensor, optimizer: Optimizer) -> bool:
        """Add the gradients of a batch; return whether the gradients for a step are complete."""
        self.add_gradients(loss / self.accumulate if self.accumulate > 1 else loss)
        self.added = (self.added + 1) % self.accumulate
        if self.added:
            return False
        self.finish_gradients(optimizer)
        return True

    def add_gradients(self, loss: Tensor) -> None:
        """Add the gradients of the loss to ``.grad`` of every weight."""
        loss.backward()  # type: ignore[no-untyped-call]

    def finish_gradients(self, optimizer: Optimizer) -> None:
        """Turn the sums in ``.grad`` into true gradients, before any callback uses them."""

    def step(self, optimizer: Optimizer) -> bool:
        """Update the weights; return whether they changed."""
        optimizer.step()
        return True

    def zero_grad(self, optimizer: Optimizer) -> None:
        """Clear the gradients, whether or not they were used for a step."""
        optimizer.zero_grad()

    def prepare(self, model: nn.Module, optimizer: Optimizer) -> Optimizer:
        """Prepare model and optimizer; return the optimizer to use."""
        del model
        return optimizer

    def prepare_batches(self, batches: Iterable[Any]) -> Iterable[Any]:
        """Return the batches for this process."""
        return batches

    def gather(self, tensor: Tensor) -> Tensor:
        """Concatenate the tensors of all processes along their first dimension."""
        return tensor

    def gather_object(self, value: Any) -> list[Any]:
        """Collect the values of all processes, in order of rank."""
        return [value]

    def highest(self, value: float) -> float:
        """Return the highest value of all processes, so that all make the same decision."""
        return value

    def state_dict(self) -> dict[str, Any]:
        """The position within an accumulated step."""
        return {"added": self.added}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.added = state["added"]


class Autocast(Engine):
    """Mixed precision: layers in 16 bits where that is safe; weights and sums in float32.

    Bfloat16 has the same range as float32. The range of float16 is smaller, so small gradients
    would become zero. With float16, the loss is therefore multiplied by a scale that grows until
    gradients overflow, and a step with overflowing gradients is skipped (Micikevicius et al.,
    "Mixed Precision Training", ICLR 2018).

    Args:
        device_type: ``cpu`` or ``cuda``.
        dtype: ``torch.bfloat16`` or ``torch.float16``.
        accumulate: see :class:`Engine`.

    Raises:
        ValueError: ``dtype`` is neither of these, or ``accumulate`` is below 1.
    """

    def __init__(
        self,
        device_type: str = "cpu",
        dtype: torch.dtype = torch.bfloat16,
        *,
        accumulate: int = 1,
    ) -> None:
        super().__init__(accumulate=accumulate)
        if dtype not in (torch.bfloat16, torch.float16):
            raise ValueError(f"dtype must be torch.bfloat16 or torch.float16, not {dtype}")
        self.device_type, self.dtype = device_type, dtype
        # With bfloat16, the scaler is disabled and does nothing, so both dtypes share this code.
        self.scaler = torch.amp.GradScaler(device_type, enabled=dtype == torch.float16)
        self._unscaled = False

    @override
    def precision(self) -> AbstractContextManager[None]:
        return torch.autocast(self.device_type, self.dtype)

    @override
    def add_gradients(self, loss: Tensor) -> None:
        # These are gradients of the scaled loss.
        super().add_gradients(self.scaler.scale(loss))

    def finish_gradients(self, optimizer: Optimizer) -> None:
        """Divide the gradients by the loss scale."""
        self.scaler.unscale_(optimizer)
        self._unscaled = True

    def step(self, optimizer: Optimizer) -> bool:
        """Take the step; if a gradient has overflowed, skip it and lower the loss scale."""
        before = self.scaler.get_scale()
        self.scaler.step(optimizer)
        self._update_scale()
        return self.scaler.get_scale() >= before

    @override
    def zero_grad(self, optimizer: Optimizer) -> None:
        if self._unscaled:  # the batch was cancelled before its step
            self._update_scale()
        super().zero_grad(optimizer)

    def _update_scale(self) -> None:
        self.scaler.update()
        self._unscaled = False

    def state_dict(self) -> dict[str, Any]:
        """The loss scale, and the position within an accumulated step."""
        return super().state_dict() | {"scaler": self.scaler.state_dict()}

    @override
    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
