"""The cache folder for compiled libraries and downloaded files."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_cache_dir

BASE = (
    "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
)  # environment variable that can name a different parent folder


def user_cache() -> Path:
    """Return this user's cache folder; create it if necessary.

    Raises:
        OSError: there is no usable folder; the message gives the reason.
    """
    # A relative path would be inside the current folder, which may be an untrusted archive.
    if not Path(os.environ.get(BASE, "")).is_absolute():
        _check_home()
    folder = Path(user_cache_dir("nca", appauthor=False))
    if not folder.is_absolute():
        raise OSError(f"{folder} is not an absolute path")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{folder} cannot be written")
    return folder


def _check_home() -> None:
    named = os.environ.get("HOME")
    if named is not None and not Path(named).is_absolute():
        raise OSError(f"HOME={named} is not an absolute path")
    try:
        Path.home()
    except RuntimeError as error:
        raise OSError("this user has no home folder") from error


@contextmanager
def cache_folder() -> Iterator[Path]:
    """Provide this user's cache folder, or a temporary folder that is deleted afterwards."""
    try:
        folder = user_cache()
    except OSError:
        with tempfile.TemporaryDirectory(prefix="nca-") as temporary:
            yield Path(temporary)
    else:
        yield folder
