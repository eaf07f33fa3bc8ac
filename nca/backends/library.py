"""Compiled libraries in the cache folder. What is loaded is run, so it is checked before.

The name of a library has the hash of its content: one that a power cut or a full disk has cut or
zeroed would end the process when it is mapped. It is removed, and made again.
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
    """Load the library that was kept under a name, if there is one to be trusted.

    Args:
        stem: of its name; what follows is the hash.
        symbols: that it must have.
    """
    try:
        candidates = sorted(private_cache().glob(f"{stem}-*{suffix()}"))
    except OSError:  # load_and_cache says why
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
    """Load a library that was made in a temporary folder, and keep a copy.

    Raises:
        OSError: it cannot be loaded, neither there nor where it is kept.
        AttributeError: it lacks a symbol.
    """
    try:
        library = load(made, symbols)
    except OSError:
        kept = _store(made, stem)  # perhaps nothing may be executed in the temporary folder
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
        OSError: it cannot be loaded.
        AttributeError: it lacks a symbol.
    """
    library = ctypes.CDLL(str(path))
    for symbol in symbols:
        getattr(library, symbol)
    return library


def private_cache() -> Path:
    """The cache folder of this user, which nobody else can write.

    Raises:
        OSError: there is none; the text says what would help.
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
    """How the name of a library ends."""
    return {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")


# Windows has neither numbers of users nor modes of files; a user's own folder has a list of who may
# write, and what is in it inherits that.
def _own(status: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or status.st_uid == os.getuid()


def _others_write(status: os.stat_result) -> bool:
    return hasattr(os, "getuid") and bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _is_sound(path: Path) -> bool:
    """Whether a file is this user's alone, and whole."""
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
    if _is_sound(path):  # another process was faster; Windows replaces no library that is loaded
        return path
    try:
        write_atomically(path, data, private=True)
    except InputError as error:
        raise OSError(str(error)) from error
    return path


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # a folder; _store names it where it is in the way
        path.unlink()


@cache
def warn_once(text: str) -> None:
    """Log a warning, the same one only once."""
    _log.warning("%s", text)
