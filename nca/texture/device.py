"""The device that a rule is trained on."""

import torch

from nca.errors import InputError
from nca.texture.settings import TrainSettings
from nca.training.callbacks.device import choose_device


def device_of(settings: TrainSettings) -> torch.device:
    """Return the device that the rule is trained on.

    Raises:
        InputError: the device does not exist, or the backend cannot use it.
    """
    compute = settings.compute
    wanted = "cpu" if compute.backend == "native" and compute.device == "auto" else compute.device
    device = choose_device(wanted)
    if compute.backend == "native" and device.type != "cpu":
        raise InputError(f"`backend` native: runs on the CPU only, not on `device` {device.type}")
    if compute.backend == "triton" and device.type != "cuda":
        raise InputError("`backend` triton: needs a GPU that torch can use; use native or torch")
    return device
