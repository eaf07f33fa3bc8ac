"""Training with several processes or devices, through Hugging Face Accelerate.

``accelerate launch --num_processes 2 ...`` starts the processes; this engine joins them into one
training run. Each process works on its part of the batches, gradients are averaged, and all
processes take the same step.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, gather_object
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader
from typing_extensions import override

from nca.training.batches import Repeated
from nca.training.engines.engine import Engine

DTYPES = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Accelerate(Engine):
    """Data parallelism and mixed precision with an ``accelerate.Accelerator``.

    This class averages the complete gradients itself. It does not use ``DistributedDataParallel``,
    because that works only through the model's ``forward``, which an unroll does not call.
    Buffers, such as the running statistics of batch normalization, stay separate in each process;
    checkpoints contain those of the first process. Accelerate's loaders fetch one batch ahead, so a
    resume is exact only if random values in batches come from a different generator than those in
    the model.

    Args:
        accelerator: determines devices, precision and processes; its gradient accumulation must be
            1.
        accumulate: see :class:`~nca.training.engines.engine.Engine`.

    Raises:
        ValueError: the accelerator accumulates gradients itself.
    """

    def __init__(self, accelerator: Accelerator | None = None, *, accumulate: int = 1) -> None:
        super().__init__(accumulate=accumulate)
        self.accelerator = accelerator or Accelerator()
        if self.accelerator.gradient_accumulation_steps != 1:
            raise ValueError("let the engine accumulate, not the accelerator: accumulate=...")
        self.rank, self.processes = (
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )
        self.dtype = DTYPES[self.accelerator.mixed_precision]
        self.device = self.accelerator.device
        self._unscaled = False

    @override
    def precision(self) -> AbstractContextManager[None]:
        context: AbstractContextManager[None] = self.accelerator.autocast()
        return context

    @override
    def add_gradients(self, loss: Tensor) -> None:
        self.accelerator.backward(loss)

    def finish_gradients(self, optimizer: Optimizer) -> None:
        """Average the gradients over all processes; undo loss scaling, if it is used."""
        if self.processes > 1:
            self._average(weight for group in optimizer.param_groups for weight in group["params"])
        self.accelerator.unscale_gradients(optimizer)
        self._unscaled = self.accelerator.scaler is not None

    @torch.no_grad()
    def _average(self, weights: Iterable[nn.Parameter]) -> None:
        trained = [weight for weight in weights if weight.requires_grad]
        gradients = [torch.zeros_like(w) if w.grad is None else w.grad for w in trained]
        mean = self.accelerator.reduce(torch.cat([g.flatten() for g in gradients]), "mean")
        parts = mean.split([gradient.numel() for gradient in gradients])
        for weight, part in zip(trained, parts, strict=True):
            weight.grad = part.view_as(weight)

    @override
    def step(self, optimizer: Optimizer) -> bool:
        optimizer.step()
        self._unscaled = False
        return not self.accelerator.optimizer_step_was_skipped

    @override
    def zero_grad(self, optimizer: Optimizer) -> None:
        if self._unscaled:  # the batch was cancelled before its step
            self.accelerator.scaler.update()
            self._unscaled = False
        super().zero_grad(optimizer)

    def prepare(self, model: nn.Module, optimizer: Optimizer) -> Optimizer:
        """Move the model to the device and copy the weights of the first process to all others."""
        model.to(self.accelerator.device)
        if self.processes > 1:
            with torch.no_grad():
                for tensor in model.state_dict().values():
                    tensor.copy_(broadcast(tensor))
        prepared: Optimizer = self.accelerator.prepare_optimizer(optimizer)
        return prepared

    def prepare_batches(self, batches: Iterable[Any]) -> Iterable[Any]:
        """Split a DataLoader: of n processes, process i gets every n-th batch, starting at batch i.

        Other sources must themselves select the part for ``rank`` and ``processes``.
        """
        if isinstance(batches, Repeated):
            return Repeated(self.prepare_batches(batches.batches), batches.times, batches.renew)
        if isinstance(batches, DataLoader):
            prepared: Iterable[Any] = self.accelerator.prepare_data_loader(batches)
            return prepared
        return batches

    @override
    def gather(self, tensor: Tensor) -> Tensor:
        gathered: Tensor = self.accelerator.gather(tensor)
        return gathered

    @override
    def gather_object(self, value: Any) -> list[Any]:
        values: list[Any] = gather_object([value])
        return values

    @override
    def highest(self, value: float) -> float:
        if self.processes == 1:
            return value
        mine = torch.tensor([value], dtype=torch.float64, device=self.accelerator.device)
        return float(self.accelerator.gather(mine).max())

    def state_dict(self) -> dict[str, Any]:
        """The loss scale, if any, and the position within an accumulated step."""
        scaler = self.accelerator.scaler
        return super().state_dict() | {"scaler": {} if scaler is None else scaler.state_dict()}

    @override
    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        if self.accelerator.scaler is not None and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])
