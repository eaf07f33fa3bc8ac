"""Files are written whole or not at all."""

import os
import tempfile
from pathlib import Path

from nca.errors import InputError


def write_atomically(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a file through a temporary one beside it, synced and renamed.

    A reader (or a crash at any moment) sees the old file or the new one, never a part.

    Args:
        path: the file.
        data: all of it.
        private: only this user can read and write it.

    Raises:
        InputError: the path is a folder, or its folder is missing or cannot be written.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file")
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; a result is as readable as any other new file.
        if not private:
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(f"cannot write {path}: {error.strerror or error}") from error
        raise
