"""Save and restore the global random number generators that a training run uses.

These are the generators of Python and of torch, on the CPU and on every GPU. A generator that
belongs to a loader or an objective is saved with that object.
"""

import random
from typing import Any

import torch


def generator_state() -> dict[str, Any]:
    """Return the states of all global generators."""
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "python": random.getstate(),
    }


def set_generator_state(state: dict[str, Any]) -> None:
    """Restore what :func:`generator_state` returned, for the GPUs that exist now."""
    torch.set_rng_state(state["torch"])
    for device, its_state in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(its_state, device)
    random.setstate(state["python"])


def seed_generators(seed: int) -> None:
    """Seed all global generators."""
    torch.manual_seed(seed)
    random.seed(seed)
