"""Check output paths: existing results are replaced only on request."""

import os
from pathlib import Path

from nca.errors import InputError


def check_free(out: Path, overwrite: bool, *, file: bool) -> None:
    """Before any work is done, refuse a path that the result cannot be written to.

    Raises:
        InputError: the path exists and ``overwrite`` is False, it is a folder instead of a file or
            a file instead of a folder, or its parent is missing or not writable.
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
