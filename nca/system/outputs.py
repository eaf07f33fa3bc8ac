"""Check output paths: existing results are replaced only on request."""

import os
from pathlib import Path

from nca.errors import InputError


def check_free(out: Path, overwrite: bool, *, file: bool) -> None:
    """Refuse a path that cannot take the result, before any work is done.

    Raises:
        InputError: it exists without ``overwrite``, or is a file instead of a folder or the
            reverse, or its parent is missing or cannot be written.
    """
    if file and out.is_dir():
        raise InputError(f"{out} is a folder; give the name of a file")
    if not file and out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; give the name of a folder")
    there = out.exists() and (file or any(out.iterdir()))
    if there and not overwrite:
        raise InputError(f"{out} exists already; choose another name, or use `overwrite`")
    parent = out.parent
    if not parent.is_dir():
        raise InputError(f"cannot write {out}: there is no folder {parent}")
    target = out if out.is_dir() else parent
    if not os.access(target, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {out}: {target} is not writable")
