"""The engine: how a gradient and a step are computed. A learner has exactly one.

Precision, scaling, accumulation and the number of processes are its business, so that neither the
loop nor a callback ever asks. Several processes: :mod:`nca.training.accelerate_engine`.
"""

import atexit
import os
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from nca.errors import InputError

AS_IT_IS = nullcontext()


class Engine:
    """Float32, one process: the plain way.

    Args:
        accumulate: batches whose gradients are averaged into one step.

    Attributes:
        added: batches whose gradients wait for the rest of their step.
        dtype: of the layers.
        rank, processes: which process this is, of how many.

    Raises:
        ValueError: ``accumulate`` is below 1.
    """

    dtype = torch.float32
    rank, processes = 0, 1

    def __init__(self, *, accumulate: int = 1) -> None:
        if accumulate < 1:
            raise ValueError(f"accumulate must be 1 or more, not {accumulate}")
        self.accumulate, self.added = accumulate, 0

    def precision(self) -> AbstractContextManager[None]:
        """Context in which prediction and loss are computed."""
        return AS_IT_IS

    def backward(self, loss: Tensor, optimizer: Optimizer) -> bool:
        """Add the gradients of a batch. Tells whether those of a whole step are there."""
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
        """Make the sums in ``.grad`` the true gradients, before any callback looks at them."""

    def step(self, optimizer: Optimizer) -> bool:
        """Change the weights. Tells whether it was done."""
        optimizer.step()
        return True

    def zero_grad(self, optimizer: Optimizer) -> None:
        """Forget the gradients, whether or not a step was made of them."""
        optimizer.zero_grad()

    def prepare(self, model: nn.Module, optimizer: Optimizer) -> Optimizer:
        """Get model and optimizer ready; returns the optimizer that is to be used."""
        del model
        return optimizer

    def prepare_batches(self, batches: Iterable[Any]) -> Iterable[Any]:
        """Batches of this process."""
        return batches

    def gather(self, tensor: Tensor) -> Tensor:
        """Concatenate the tensors of all processes along their first dimension."""
        return tensor

    def gather_object(self, value: Any) -> list[Any]:
        """The values of all processes, by rank."""
        return [value]

    def highest(self, value: float) -> float:
        """The highest value of all processes: what they agree on before they branch."""
        return value

    def state_dict(self) -> dict[str, Any]:
        """How far the accumulation is."""
        return {"added": self.added}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :meth:`state_dict`."""
        self.added = state["added"]


class Autocast(Engine):
    """Mixed precision: layers in 16 bits where that is safe, weights and sums in float32.

    Bfloat16 has the range of float32. Float16 has not: small gradients become zero. The loss is
    multiplied by a scale that grows until gradients overflow, and a step that overflows is skipped
    (Micikevicius et al., "Mixed Precision Training", ICLR 2018).

    Args:
        device_type: ``cpu`` or ``cuda``.
        dtype: ``torch.bfloat16`` or ``torch.float16``.
        accumulate: see :class:`Engine`.

    Raises:
        ValueError: another dtype.
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
        # A disabled scaler passes everything through, so that both dtypes take the same way.
        self.scaler = torch.amp.GradScaler(device_type, enabled=dtype == torch.float16)
        self._unscaled = False

    def precision(self) -> AbstractContextManager[None]:
        """See :meth:`Engine.precision`."""
        return torch.autocast(self.device_type, self.dtype)

    def add_gradients(self, loss: Tensor) -> None:
        """See :meth:`Engine.add_gradients`; of the scaled loss."""
        super().add_gradients(self.scaler.scale(loss))

    def finish_gradients(self, optimizer: Optimizer) -> None:
        """Divide the scale out."""
        self.scaler.unscale_(optimizer)
        self._unscaled = True

    def step(self, optimizer: Optimizer) -> bool:
        """Step, unless a gradient overflowed; the scale then shrinks."""
        before = self.scaler.get_scale()
        self.scaler.step(optimizer)
        self._update_scale()
        return self.scaler.get_scale() >= before

    def zero_grad(self, optimizer: Optimizer) -> None:
        """See :meth:`Engine.zero_grad`."""
        if self._unscaled:  # the batch was cancelled before its step
            self._update_scale()
        super().zero_grad(optimizer)

    def _update_scale(self) -> None:
        self.scaler.update()
        self._unscaled = False

    def state_dict(self) -> dict[str, Any]:
        """The scale, and how far the accumulation is."""
        return super().state_dict() | {"scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :meth:`state_dict`."""
        super().load_state_dict(state)
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])


SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")


def process_count() -> int:
    """How many processes a launcher has started for this training; 1 without one.

    Raises:
        InputError: ``accelerate launch --cpu`` was asked for several and has started one, which is
            what it does without MPI.
    """
    count = max(int(os.environ.get(name, "1")) for name in SIZES)
    if count == 1 and "MASTER_PORT" in os.environ and "ACCELERATE_USE_CPU" in os.environ:
        raise InputError(
            "accelerate launch --cpu starts one process only without MPI; on CPUs start several "
            "with torchrun --nproc_per_node, or with accelerate launch --multi_gpu in its place"
        )
    return count


def launched(*, bfloat16: bool = False, cpu: bool = False) -> Engine:
    """The engine of one of several processes that a launcher has started.

    Args:
        bfloat16: the precision of the layers; what the first process says holds for all.
        cpu: train there even where there is a GPU.

    Raises:
        InputError: accelerate is not installed, or it does not see the other processes.
    """
    try:
        from accelerate import Accelerator, PartialState  # noqa: PLC0415  (optional)
        from accelerate.utils import broadcast_object_list  # noqa: PLC0415

        from nca.training.accelerate_engine import Accelerate  # noqa: PLC0415
    except ImportError as error:
        raise InputError("several processes need accelerate; pip install accelerate") from error
    cpu = cpu or not torch.accelerator.is_available()
    PartialState(cpu=cpu)
    (agreed,) = broadcast_object_list([bfloat16])
    accelerator = Accelerator(mixed_precision="bf16" if agreed else "no", cpu=cpu)
    if accelerator.num_processes != process_count():
        raise InputError(
            f"{process_count()} processes were started, and accelerate sees "
            f"{accelerator.num_processes}; start them with torchrun or accelerate launch"
        )
    atexit.register(_leave_group)
    return Accelerate(accelerator)


PAUSE = 1.0  # seconds


def _leave_group() -> None:
    """Give the threads of the group time to end their work while Python is still there.

    A thread of Gloo that lets go of the last tensors when Python's end has begun cannot have the
    interpreter any more, and aborts the process.
    """
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        time.sleep(PAUSE)


FASTER = 0.9  # the part of float32's time that bfloat16 may take at most to be worth it
SIDE, TRIES = 512, 10  # of the matrices that are multiplied to find out: some 30 ms in all


@cache
def bfloat16_is_fast() -> bool:
    """Tell whether this CPU multiplies matrices faster in bfloat16 than in float32, by trying.

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
