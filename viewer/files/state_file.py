"""Read and write states as ``.npz`` files, which the web page also uses.

A file contains only data and cannot run code. Its arrays are ``state`` [C, H, W] float32;
``step_seed`` [2] uint32, the number of the next step and the seed; and ``owner`` [H, W] uint8, the
number of the rule that owns each cell. If there are fields, ``fields`` [H, W, 4] uint8 is their
texture, see :mod:`nca.fields.texels`.
"""

import io
import math
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nca.errors import InputError, one_line
from nca.rule_settings import MAX_CHANNELS
from nca.system.files import write_atomically
from nca.viewer.simulation.field import Bytes
from nca.viewer.simulation.fields import no_fields
from nca.viewer.simulation.simulation import Simulation

MAX_BYTES = 900_000_000
MAX_SIDE = 8192
ARRAYS = ("state", "step_seed", "owner", "fields")


@dataclass(frozen=True)
class SavedState:
    """A saved simulation: the arrays of a file."""

    state: Tensor
    owner: Bytes
    step_number: int
    seed: int
    fields: Bytes | None = None

    @classmethod
    def of(cls, simulation: Simulation) -> "SavedState":
        """The current state of a simulation, for saving."""
        return cls(
            simulation.read(),
            simulation.field.owner,
            simulation.step_number,
            simulation.seed,
            simulation.fields.texels if simulation.fields.used else None,
        )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in cells."""
        return self.state.shape[1], self.state.shape[2]

    def check_fits(self, simulation: Simulation) -> None:
        """Check the number of channels and rules; the size may differ.

        Raises:
            InputError: the state does not fit the rules of the simulation.
        """
        channels, loaded = len(self.state), len(simulation.rules)
        if channels != simulation.channels:
            raise InputError(
                f"the state has {channels} channels, but the rule has {simulation.channels}"
            )
        if self.owner.max() >= loaded:
            verb = "is" if loaded == 1 else "are"
            raise InputError(
                f"the saved state uses {self.owner.max() + 1} rules, but {loaded} {verb} loaded"
            )

    def write_to(self, simulation: Simulation) -> None:
        """Continue from this state in a simulation of the same size."""
        simulation.field.restore(self.owner)
        simulation.show_field()
        simulation.write(self.state)
        height, width = self.size
        simulation.write_fields(no_fields(width, height) if self.fields is None else self.fields)
        simulation.step_number, simulation.seed = self.step_number, self.seed


def save_state(path: Path, saved: SavedState) -> None:
    """Write a state.

    Raises:
        InputError: the path cannot be written.
    """
    arrays: dict[str, Any] = {
        "state": saved.state.numpy().astype(np.float32),
        "step_seed": np.array([saved.step_number, saved.seed], np.uint32),
        "owner": saved.owner,
    }
    if saved.fields is not None:
        arrays["fields"] = saved.fields
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)
    write_atomically(path, data.getvalue())


def load_state(path: Path) -> SavedState:
    """Read and check a state; a missing ``owner`` or ``step_seed`` is filled with zeros.

    Raises:
        InputError: the file is missing, is not a state, is too large, or has invalid values.
    """
    try:
        return _checked(_decoded(path))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"{path}: not a usable state (.npz): {one_line(error)}") from error


def _decoded(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of a file that belong to a state.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is too large, or not an ``.npz`` file.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("not a file")
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                size = sum(entry.file_size for entry in archive.infolist())
            if size <= MAX_BYTES:
                file.seek(0)
                with np.load(file, allow_pickle=False) as arrays:
                    return {name: np.asarray(arrays[name]) for name in ARRAYS if name in arrays}
        except (
            Exception
        ) as error:  # errors of zipfile, its decompressors and numpy have no common base class
            raise ValueError(one_line(error)) from error
    raise ValueError(f"it holds {size} bytes; the limit is {MAX_BYTES}")


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
    if not (math.isfinite(state.min()) and math.isfinite(state.max())):
        raise ValueError("'state' holds a number that is not finite")
    owner = arrays.get("owner", np.zeros((height, width), np.uint8))
    if owner.dtype != np.uint8 or owner.shape != (height, width):
        raise ValueError(f"'owner' must be [{height}, {width}] uint8")
    fields = arrays.get("fields")
    if fields is not None and (fields.dtype != np.uint8 or fields.shape != (height, width, 4)):
        raise ValueError(f"'fields' must be [{height}, {width}, 4] uint8")
    step_seed = arrays.get("step_seed", np.zeros(2, np.uint32))
    if step_seed.dtype != np.uint32 or step_seed.shape != (2,):
        raise ValueError("'step_seed' must be [2] uint32")
    rows = torch.from_numpy(np.ascontiguousarray(state))
    return SavedState(rows, owner, int(step_seed[0]), int(step_seed[1]), fields)
