"""States on disk: ``.npz``, as the web page writes them too. Nothing in such a file can run.

Arrays: ``state`` [C, H, W] float32; ``step_seed`` [2] uint32, the number of the next step and the
seed; ``owner`` [H, W] uint8, the number of the rule that has each cell.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nca.errors import InputError
from nca.files import write_atomically
from nca.rule import MAX_CHANNELS
from nca.viewer.field import Bytes

MAX_BYTES = 2**30
MAX_SIDE = 8192


@dataclass(frozen=True)
class SavedState:
    """A simulation as it was."""

    state: Tensor
    owner: Bytes
    step_number: int
    seed: int


def save_state(path: Path, saved: SavedState) -> None:
    """Write a state.

    Raises:
        InputError: the path cannot be written.
    """
    data = io.BytesIO()
    np.savez_compressed(
        data,
        state=saved.state.numpy().astype(np.float32),
        step_seed=np.array([saved.step_number, saved.seed], np.uint32),
        owner=saved.owner,
    )
    write_atomically(path, data.getvalue())


def load_state(path: Path) -> SavedState:
    """Read and check a state; a file without ``owner`` or ``step_seed`` gets zeros.

    Raises:
        InputError: the file is missing, is no such file, too large, or its numbers are not as they
            must be.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_BYTES:
            raise ValueError(f"it holds {size} bytes, at most {MAX_BYTES} are read")
        with np.load(path, allow_pickle=False) as arrays:
            return _checked({name: arrays[name] for name in arrays.files})
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise InputError(f"{path}: not a usable state (.npz): {error}") from error


def _checked(arrays: dict[str, npt.NDArray[Any]]) -> SavedState:
    if "state" not in arrays:
        raise ValueError("it has no array 'state'")
    state = arrays["state"]
    if state.dtype != np.float32 or state.ndim != 3:
        raise ValueError(f"'state' must be [C, H, W] float32, not {state.shape} {state.dtype}")
    channels, height, width = state.shape
    if not (
        4 <= channels <= MAX_CHANNELS and 4 <= min(height, width) <= max(height, width) <= MAX_SIDE
    ):
        raise ValueError(f"'state' has a shape that no rule has: {state.shape}")
    if not np.isfinite(state).all():
        raise ValueError("'state' holds a number that is not finite")
    owner = arrays.get("owner", np.zeros((height, width), np.uint8))
    if owner.dtype != np.uint8 or owner.shape != (height, width):
        raise ValueError(f"'owner' must be [{height}, {width}] uint8")
    step_seed = arrays.get("step_seed", np.zeros(2, np.uint32))
    if step_seed.dtype != np.uint32 or step_seed.shape != (2,):
        raise ValueError("'step_seed' must be [2] uint32")
    return SavedState(torch.from_numpy(state.copy()), owner, int(step_seed[0]), int(step_seed[1]))
