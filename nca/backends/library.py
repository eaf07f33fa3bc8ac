"""Compiled libraries in the cache folder, checked before they are loaded.

The name of a library contains a hash of its content. Loading a file that was truncated or zeroed by
a power cut or a full disk would crash the process, so such a file is removed and compiled again.
"""

import contextlib
import ctypes
import hashlib
import logging
import os
import stat
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from nca.errors import InputError
from nca.system.cache import BASE, user_cache
from nca.system.files import write_atomically

_log = logging.getLogger(__name__)


def cached_library(stem: str, symbols: Sequence[str]) -> ctypes.CDLL | None:
    """Load a library from the cache; None if it is missing or incomplete.

    Args:
        stem: beginning of the library's name, before the hash.
        symbols: symbols that the library must have.
    """
    try:
        candidates = sorted(private_cache().glob(f"{stem}-*{suffix()}"))
    except OSError:  # load_and_cache reports the reason
        return None
    for path in candidates:
        if not _is_sound(path):
            _remove(path)
            continue
        try:
            return load(path, symbols)
        except AttributeError:
            _remove(path)
        except OSError as error:
            warn_once(f"every start compiles again: {error}; {EXECUTABLE}")
    return None


EXECUTABLE = f"set {BASE} to a folder whose files may be executed"


def load_and_cache(made: Path, stem: str, symbols: Sequence[str]) -> ctypes.CDLL:
    """Load a library that was made in a temporary folder, and copy it to the cache.

    Raises:
        OSError: the library can be loaded neither from the temporary folder nor from the cache.
        AttributeError: a symbol is missing.
    """
    try:
        library = load(made, symbols)
    except OSError:
        kept = _store(made, stem)  # the temporary folder may forbid execution
        try:
            return load(kept, symbols)
        except (OSError, AttributeError):
            _remove(kept)
            raise
    try:
        _store(made, stem)
    except OSError as error:
        warn_once(f"every start compiles again: {error}")
    return library


def load(path: Path, symbols: Sequence[str]) -> ctypes.CDLL:
    """Load a library.

    Raises:
        OSError: the file cannot be loaded.
        AttributeError: a symbol is missing.
    """
    library = ctypes.CDLL(str(path))
    for symbol in symbols:
        getattr(library, symbol)
    return library


def private_cache() -> Path:
    """Return this user's cache folder, which nobody else can write to.

    Raises:
        OSError: the folder cannot be made, or is not private; the message suggests a remedy.
    """
    try:
        folder = user_cache()
    except OSError as error:
        raise OSError(f"{error}; set {BASE} to a folder that you can write") from error
    status = folder.stat()
    if not _own(status):
        raise PermissionError(f"{folder} belongs to another user; set {BASE} to your own")
    if _others_write(status):
        raise PermissionError(f"{folder} can be written by other users; chmod go-w {folder}")
    return folder


def suffix() -> str:
    """File extension of a library."""
    return {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")


# Windows has neither user IDs nor file modes. Instead, a user's folder has an access control list,
# which the files in the folder inherit.
def _own(status: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or status.st_uid == os.getuid()


def _others_write(status: os.stat_result) -> bool:
    return hasattr(os, "getuid") and bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _is_sound(path: Path) -> bool:
    """Whether a file is complete, belongs to this user, and is writable by nobody else."""
    try:
        status = path.lstat()
        own = _own(status) and not _others_write(status)
        regular = stat.S_ISREG(status.st_mode)
        return own and regular and path.stem.endswith(f"-{_hash(path.read_bytes())}")
    except OSError:
        return False


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _store(made: Path, stem: str) -> Path:
    data = made.read_bytes()
    path = private_cache() / f"{stem}-{_hash(data)}{suffix()}"
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; delete it")
    if _is_sound(path):  # another process was faster; Windows cannot replace a loaded library
        return path
    try:
        write_atomically(path, data, private=True)
    except InputError as error:
        raise OSError(str(error)) from error
    return path


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # the path may be a folder; _store reports that if necessary
        path.unlink()


@cache
def warn_once(text: str) -> None:
    """Log a warning; log each text only once."""
    _log.warning("%s", text)
