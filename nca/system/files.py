"""Write files completely or not at all, and read only regular files."""

import errno
import glob
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from nca.errors import FailedError, InputError

# These mean that the disk is full or broken; any other error means that the path is not usable.
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
TRIES, PAUSE = 20, 0.05  # attempts to replace a file that is open elsewhere; seconds in between
RANDOM_PART = "?" * 8  # pattern for the random part of names made by mkstemp

# Open for reading only, without waiting for the other end of a pipe.
AT_ONCE = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def write_atomically(
    path: Path, data: bytes | Callable[[BinaryIO], object], *, private: bool = False
) -> None:
    """Write a temporary file in the same folder, sync it, and rename it to the final path.

    At any time, even after a crash, either the old file or the complete new file exists.

    Args:
        path: the file.
        data: the content, or a function that writes it.
        private: make the file readable and writable only by this user.

    Raises:
        InputError: the path is a folder, or its folder is missing or cannot be written.
        FailedError: the disk is full or broken.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file")
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            data(file) if callable(data) else file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp creates private files, but a result should be as readable as any new file.
        if not private:
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)
        replace(Path(temporary), path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise cannot_write(path, error) from error
        raise


def replace(source: Path, path: Path) -> None:
    """Rename ``source`` to ``path``; on Windows, wait briefly for programs that read ``path``.

    Raises:
        OSError: renaming failed.
    """
    for _ in range(TRIES - 1 if sys.platform == "win32" else 0):
        try:
            source.replace(path)
        except PermissionError:
            time.sleep(PAUSE)
        else:
            return
    source.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8 with :func:`write_atomically`.

    Characters that UTF-8 cannot encode, such as those of file names in another encoding, become
    question marks.
    """
    write_atomically(path, text.encode(errors="replace"))


def remove_temporary(path: Path) -> None:
    """Remove temporary files left by processes that were killed while writing a file."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.{RANDOM_PART}"):
        temporary.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> InputError:
    """Make the error for a path that cannot be written."""
    kind = FailedError if error.errno in DISK_ERRORS else InputError
    return kind(f"cannot write {path}: {error.strerror or error}")


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; other kinds of files could block the reader.

    Raises:
        InputError: the path is missing, cannot be read, or is a folder, a pipe or a device.
    """
    try:
        handle = os.open(path, AT_ONCE)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise InputError(f"{path} is a folder; give the name of a file")
    raise InputError(f"cannot read {path}: it is a pipe or a device; only files are read")


def read_regular(path: Path, limit: int) -> bytes:
    """Read a regular file of at most ``limit`` bytes, once.

    The file is not memory-mapped: if another program truncated a mapped file, SIGBUS would kill the
    process.

    Raises:
        InputError: the file is too large, or :func:`open_regular` fails.
    """
    try:
        with open_regular(path) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > limit:
        raise InputError(
            f"cannot read {path}: larger than {limit:,} bytes, the limit for this kind of file"
        )
    return data


def describe_placeholder(data: bytes) -> str:
    """Describe a known placeholder that was saved instead of the actual file; "" for other data.

    Args:
        data: the file, or its first 64 bytes.
    """
    if not data:
        return "it is empty"
    if data.startswith(b"version https://git-lfs."):
        return "it is a Git LFS pointer; run git lfs pull to get the file itself"
    start = data[:64]
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and b"\0" not in start:
        return "it is an HTML or XML page; download the file itself"
    return ""
