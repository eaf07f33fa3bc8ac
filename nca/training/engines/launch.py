"""Choose the engine for a training run, in one process or several."""

import atexit
import os
import time
from collections.abc import Mapping
from typing import Any

import torch

from nca.errors import InputError
from nca.training.engines.engine import Autocast, Engine
from nca.training.engines.precision import bfloat16_is_fast


def build_engine(
    precision: str, device: torch.device, state: Mapping[str, Any] | None = None
) -> Engine:
    """Make the engine for the settings of a training run.

    Args:
        precision: ``float32``, ``bfloat16``, ``float16``, or ``auto``: bfloat16 where it is faster.
        device: device of the layers.
        state: state of a resumed learner; ``auto`` keeps the precision of that state.

    Raises:
        InputError: float16 is requested on a CPU, or :func:`make_accelerate_engine` fails.
    """
    if precision == "float16" and device.type == "cpu":
        raise InputError("`precision` float16: needs a GPU; use float32 or bfloat16")
    if precision == "auto" and state is not None:
        mixed = "scaler" in state["engine"]
    elif precision == "auto":
        cuda = device.type == "cuda"
        mixed = torch.cuda.is_bf16_supported() if cuda else bfloat16_is_fast()
    else:
        mixed = precision != "float32"
    if process_count() > 1:
        return make_accelerate_engine(bfloat16=mixed, cpu=device.type == "cpu")
    dtype = torch.float16 if precision == "float16" else torch.bfloat16
    return Autocast(device.type, dtype) if mixed else Engine()


SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")


def process_count() -> int:
    """Number of processes that a launcher has started for this training run; 1 without a launcher.

    Raises:
        InputError: this process was started by ``accelerate launch --cpu``, which without MPI
            starts only one process.
    """
    count = max(int(os.environ.get(name, "1")) for name in SIZES)
    if count == 1 and "MASTER_PORT" in os.environ and "ACCELERATE_USE_CPU" in os.environ:
        raise InputError(
            "accelerate launch --cpu starts only one process without MPI; on CPUs use torchrun "
            "--nproc_per_node, or accelerate launch --multi_gpu, to start several"
        )
    return count


def make_accelerate_engine(*, bfloat16: bool = False, cpu: bool = False) -> Engine:
    """Make the engine for one of several processes that a launcher has started.

    Args:
        bfloat16: compute layers in bfloat16; all processes use the first process's value.
        cpu: train on the CPU even if there is a GPU.

    Raises:
        InputError: accelerate is not installed, or it does not see the other processes.
    """
    try:
        from accelerate import Accelerator, PartialState  # noqa: PLC0415  (optional)
        from accelerate.utils import broadcast_object_list  # noqa: PLC0415

        from nca.training.engines.accelerate import Accelerate  # noqa: PLC0415
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
    """Give the process group's threads time to finish before Python exits.

    If a thread of Gloo, torch's communication library, releases its last tensors after Python has
    begun to exit, it cannot get the interpreter lock and aborts the process.
    """
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        time.sleep(PAUSE)
