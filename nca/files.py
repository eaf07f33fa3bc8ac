"""Files are written whole or not at all."""

import errno
import glob
import os
import tempfile
from pathlib import Path

from nca.errors import FailedError, InputError

# The disk is full or broken; with any other error the path is not usable.
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
RANDOM_PART = "?" * 8  # of the names that mkstemp makes


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file through a temporary one beside it, synced and renamed.

    A reader (or a crash at any moment) sees the old file or the new one, never a part.

    Raises:
        InputError: the path is a folder, or its folder is missing or cannot be written.
        FailedError: the disk is full or broken.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file")
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; a result is as readable as any other new file.
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _cannot_write(path, error) from error
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 as :func:`write_atomically` does.

    What UTF-8 cannot hold, as in file names of another encoding, becomes a question mark.
    """
    write_atomically(path, text.encode(errors="replace"))


def remove_temporary(path: Path) -> None:
    """Remove the temporary files that a killed process has left while writing a file."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.{RANDOM_PART}"):
        temporary.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> InputError:
    kind = FailedError if error.errno in DISK_ERRORS else InputError
    return kind(f"cannot write {path}: {error.strerror or error}")
