"""Where the work is done."""

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
        device: such as ``cuda``; by default the GPU if there is one. An engine that has a device
            of its own decides.
    """

    order = -10
    essential = True

    def __init__(self, device: torch.device | str | None = None) -> None:
        self.device = torch.device(device or choose_device("auto"))

    def before_fit(self, learner: Learner) -> None:
        """Move what stays."""
        self.device = learner.engine.device or self.device
        learner.model.to(self.device)
        # Loading its own state, an optimizer moves it to where the weights are by now.
        learner.optimizer.load_state_dict(learner.optimizer.state_dict())

    def before_batch(self, learner: Learner) -> None:
        """Move what comes."""
        learner.batch = to_device(learner.batch, self.device)


def choose_device(name: str) -> torch.device:
    """A device by its name; ``auto`` is CUDA where there is one, else the CPU.

    Raises:
        InputError: it is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    missing = name == "cuda" and not torch.cuda.is_available()
    if missing or (name == "mps" and not torch.backends.mps.is_available()):
        raise InputError(f"`device` {name}: torch {torch.__version__} finds none; use cpu or auto")
    return torch.device(name)


def to_device(batch: Any, device: torch.device) -> Any:
    """Move every tensor of a batch: one, or any lists, tuples, dictionaries and dataclasses."""
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
