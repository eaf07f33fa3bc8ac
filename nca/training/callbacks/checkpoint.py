"""Write and read checkpoints; if a new one cannot be written, the previous one still exists."""

import io
import re
import zlib
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import torch

from nca.errors import InputError
from nca.system.files import remove_temporary, write_atomically
from nca.system.signals import HeldSignals, interruption
from nca.training.callback import Callback
from nca.training.learner import Learner

VERSION = 2
MAGIC = b"nca-checkpoint %d\n"


class Checkpoint(Callback):
    """Write the learner's state at intervals, at the end of the fit, and on an interrupt.

    If a checkpoint cannot be written, training continues with a warning and an entry in
    ``learner.write_failures``: the previous checkpoint still exists, and the final results may
    still fit on the disk. Ctrl-C takes effect between two batches, when all parts of the state are
    consistent; a second Ctrl-C takes effect immediately. After ``raise_on_termination()``, SIGTERM
    and SIGHUP act like Ctrl-C.

    Args:
        path: path of the file; only a complete new file replaces the old one.
        every_seconds: seconds between two writes; the first write follows the first batch.

    Raises:
        KeyboardInterrupt: (during the fit) after Ctrl-C, once the state has been written.
        InputError: (during the fit) after Ctrl-C, if the state cannot be written.
    """

    order = 100  # after all callbacks whose state it saves

    def __init__(self, path: Path, every_seconds: float = 30.0) -> None:
        self.path, self.every_seconds = path, every_seconds
        self._due = 0.0
        self._signals = HeldSignals()

    def before_fit(self, learner: Learner) -> None:
        """Catch Ctrl-C; remove temporary files left by a process that was killed while writing."""
        self._due = 0.0
        self._signals.hold()
        if learner.engine.rank == 0:
            remove_temporary(self.path)

    def after_batch(self, learner: Learner) -> None:
        """Write the state if the interval has passed."""
        signum = int(learner.engine.highest(self._signals.signum))
        if signum:
            self._save(learner)
            raise interruption(signum)
        if learner.seconds >= self._due and learner.training:
            self._due = learner.seconds + self.every_seconds
            with learner.write_failures.warn_on_failure(self.path):
                self._save(learner)

    def after_fit(self, learner: Learner) -> None:
        """Write the final state."""
        with learner.write_failures.warn_on_failure(self.path):
            self._save(learner)

    def cleanup_fit(self, _: Learner) -> None:
        """Restore the Ctrl-C handler; raise if Ctrl-C was pressed after the last batch."""
        self._signals.release()
        if self._signals.signum:
            raise interruption(self._signals.signum)

    def _save(self, learner: Learner) -> None:
        state = learner.state_dict()  # all processes must call this together
        if learner.engine.rank == 0:
            save_checkpoint(self.path, state)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a state with its checksum.

    Raises:
        InputError: the file cannot be written; the previous file is still there.
    """

    def write(file: BinaryIO) -> None:
        file.write(MAGIC % VERSION + bytes(4))
        summed = _ChecksummedFile(file)
        torch.save(state, cast(IO[bytes], summed))
        if summed.failure is not None:
            raise summed.failure
        file.seek(len(MAGIC % VERSION))
        file.write(summed.checksum.to_bytes(4, "big"))

    write_atomically(path, write)


class _ChecksummedFile(io.RawIOBase):
    """Passes data on to a file without copying it in memory, and computes the data's checksum.

    Torch replaces the errors that a file raises with its own. This class therefore keeps the first
    error, and stops writing.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.checksum = 0
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        self.checksum = zlib.crc32(data, self.checksum)
        if self.failure is None:
            try:
                self.file.write(data)
            except OSError as error:
                self.failure = error
        return len(data)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a state; only tensors and plain data are accepted, so that no code in the file can run.

    Raises:
        InputError: the file does not exist, is damaged, or has an unsupported version.
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
            f"{'update nca' if version > VERSION else 'train again'}"
        )
    if zlib.crc32(data).to_bytes(4, "big") != checksum:
        raise InputError(f"{path} is damaged: its checksum does not match")
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # damaged data can fail anywhere in torch and pickle
        text = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} cannot be loaded: {text}") from error
    if not isinstance(state, dict):
        raise InputError(f"{path} cannot be loaded: it holds {type(state).__name__}, not a state")
    return state
