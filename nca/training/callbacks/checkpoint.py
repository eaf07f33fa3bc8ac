"""Checkpoints that survive whatever happens while they are written."""

import io
import pickle
import re
import signal
import threading
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from nca.errors import InputError
from nca.files import write_atomically
from nca.training.callback import Callback
from nca.training.callbacks.progress import going_on

if TYPE_CHECKING:
    from nca.training.learner import Learner

VERSION = 2
MAGIC = b"nca-checkpoint %d\n"


class Checkpoint(Callback):
    """Write the state of the learner now and then, when the fit ends, and when it is interrupted.

    A checkpoint that cannot be written in the middle of a fit is a warning, as the one before is
    still there; at the end it is an error. Ctrl-C takes effect between two batches, where all parts
    of the state belong together; a second one takes effect at once.

    Args:
        path: the file; the one before is replaced only when the new one is whole.
        every_seconds: between two writes; the first is after the first batch.

    Raises:
        KeyboardInterrupt: (in the fit) after Ctrl-C, when the state is written.
        InputError: (in the fit) the last state cannot be written.
    """

    order = 100  # after every callback whose state it takes

    def __init__(self, path: Path, every_seconds: float = 30.0) -> None:
        self.path, self.every_seconds = path, every_seconds
        self._due = 0.0
        self._interrupted = False
        self._handler: Any = None

    def before_fit(self, learner: "Learner") -> None:
        """Catch Ctrl-C; sweep up what a process that was killed while writing has left."""
        self._due, self._interrupted = 0.0, False
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._interrupt)
        if learner.engine.rank == 0:
            for temporary in self.path.parent.glob(f".{self.path.name}.*"):
                temporary.unlink(missing_ok=True)

    def after_batch(self, learner: "Learner") -> None:
        """Write, if it is time."""
        if learner.engine.highest(self._interrupted):
            self._save(learner)
            raise KeyboardInterrupt
        if learner.seconds >= self._due and learner.training:
            self._due = learner.seconds + self.every_seconds
            with going_on():
                self._save(learner)

    def after_fit(self, learner: "Learner") -> None:
        """Write the last state."""
        self._save(learner)

    def cleanup_fit(self, _: "Learner") -> None:
        """Give Ctrl-C back."""
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
            self._handler = None

    def _save(self, learner: "Learner") -> None:
        state = learner.state_dict()  # of several processes, by all together
        if learner.engine.rank == 0:
            save_checkpoint(self.path, state)

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
    write_atomically(path, MAGIC % VERSION + zlib.crc32(data).to_bytes(4, "big") + data)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a state; only tensors and plain data are accepted, nothing in the file can run.

    Raises:
        InputError: there is no such file, or it is damaged or of another version.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    header = re.match(rb"nca-checkpoint (\d{1,9})\n(.{4})", raw, re.DOTALL)
    if header is None:
        raise InputError(f"{path} is not a checkpoint of nca, or its beginning is damaged")
    version, checksum, data = int(header[1]), header[2], raw[header.end() :]
    if version != VERSION:
        raise InputError(
            f"{path} is of version {version}, this program reads version {VERSION}; "
            f"{'update nca' if version > VERSION else 'train anew'}"
        )
    if zlib.crc32(data).to_bytes(4, "big") != checksum:
        raise InputError(f"{path} is damaged: its checksum does not match")
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise InputError(f"{path} cannot be loaded: {' '.join(str(error).split())}") from error
    return state
