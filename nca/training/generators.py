"""The random generators that a training draws from: kept, restored, and left alone.

Torch's own, on the CPU and on every GPU, and Python's. A generator that a loader or an objective
has for itself belongs to the state of its owner.
"""

import random
from typing import Any

import torch


def generator_state() -> dict[str, Any]:
    """States of all generators."""
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "python": random.getstate(),
    }


def set_generator_state(state: dict[str, Any]) -> None:
    """Take up what :func:`generator_state` gave; of GPUs, as many as there are."""
    torch.set_rng_state(state["torch"])
    for device, its_state in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(its_state, device)
    random.setstate(state["python"])


def seed_generators(seed: int) -> None:
    """Let all generators begin anew."""
    torch.manual_seed(seed)
    random.seed(seed)
