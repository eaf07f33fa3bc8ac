"""The device that training runs on."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nca.errors import InputError
from nca.training.callback import Callback
from nca.training.learner import Learner


class Device(Callback):
    """Move the model, the optimizer's state and every batch to a device.

    Args:
        device: for example ``cuda``; default: the GPU if there is one. If the engine has a device
            of its own, the engine's device is used instead.
    """

    order = -10
    essential = True

    def __init__(self, device: torch.device | str | None = None) -> None:
        self.device = torch.device(device or choose_device("auto"))

    def before_fit(self, learner: Learner) -> None:
        """Move the model and the optimizer's state."""
        self.device = learner.engine.device or self.device
        learner.model.to(self.device)
        # When an optimizer loads a state, it moves that state to the device of the weights.
        learner.optimizer.load_state_dict(learner.optimizer.state_dict())

    def before_batch(self, learner: Learner) -> None:
        """Move the batch."""
        learner.batch = to_device(learner.batch, self.device)


def choose_device(name: str) -> torch.device:
    """Get a device by name; ``auto`` is CUDA if there is a GPU, and the CPU otherwise.

    Raises:
        InputError: the device does not exist.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    missing = name == "cuda" and not torch.cuda.is_available()
    if missing or (name == "mps" and not torch.backends.mps.is_available()):
        raise InputError(
            f"`device` {name}: torch {torch.__version__} does not support it; use cpu or auto"
        )
    return torch.device(name)


def to_device(batch: Any, device: torch.device) -> Any:
    """Move all tensors in a batch: a tensor, or nested lists, tuples, dicts and dataclasses."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, list | tuple):
        return type(batch)(to_device(value, device) for value in batch)
    if is_dataclass(batch) and not isinstance(batch, type):
        moved = {f.name: to_device(getattr(batch, f.name), device) for f in fields(batch) if f.init}
        return replace(batch, **moved)
    return batch
