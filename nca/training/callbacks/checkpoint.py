"""Checkpoints that survive whatever happens while they are written."""

import io
import pickle
import signal
import threading
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from nca.errors import InputError
from nca.files import write_atomically
from nca.training.callback import Callback

if TYPE_CHECKING:
    from nca.training.learner import Learner

MAGIC = b"nca-checkpoint 1\n"


class Checkpoint(Callback):
    """Write the state of the learner now and then, when the fit ends, and when it is interrupted.

    Args:
        path: the file; the one before is replaced only when the new one is whole.
        every_seconds: between two writes.
    """

    order = 100  # after every callback whose state it takes

    def __init__(self, path: Path, every_seconds: float = 30.0) -> None:
        self.path, self.every_seconds = path, every_seconds

    def before_fit(self, _: "Learner") -> None:
        """Start the clock, and catch Ctrl-C: it must not tear a batch apart."""
        self._last = time.monotonic()
        self._interrupted = False
        self._handler: Any = None
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._interrupt)

    def after_batch(self, learner: "Learner") -> None:
        """Write, if it is time: between two batches all parts of the state belong together."""
        if self._interrupted or time.monotonic() - self._last >= self.every_seconds:
            save_checkpoint(self.path, learner.state_dict())
            self._last = time.monotonic()
        if self._interrupted:
            raise KeyboardInterrupt

    def after_fit(self, learner: "Learner") -> None:
        """Write the last state."""
        save_checkpoint(self.path, learner.state_dict())

    def cleanup_fit(self, _: "Learner") -> None:
        """Give Ctrl-C back."""
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)

    def _interrupt(self, *_: object) -> None:
        if self._interrupted:  # the second time it is meant
            raise KeyboardInterrupt
        self._interrupted = True


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a state with its checksum.

    Raises:
        InputError: the file cannot be written; the one before is still there.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    write_atomically(path, MAGIC + zlib.crc32(data).to_bytes(4, "big") + data)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a state; only tensors and plain data are accepted, nothing in the file can run.

    Raises:
        InputError: there is no such file, or it is damaged or of a newer version.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if not raw.startswith(MAGIC):
        raise InputError(f"{path} is not a checkpoint of this version of nca")
    data = raw[len(MAGIC) + 4 :]
    if zlib.crc32(data).to_bytes(4, "big") != raw[len(MAGIC) : len(MAGIC) + 4]:
        raise InputError(f"{path} is damaged: its checksum does not match")
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise InputError(f"{path} cannot be loaded: {error}") from error
    return state
