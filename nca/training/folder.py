"""The folder of results: made, checked, gone back to. Never overwritten unless asked."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nca.errors import InputError
from nca.files import write_atomically
from nca.training.callbacks.checkpoint import load_checkpoint
from nca.training.recorded import changes, recorded

SETTINGS, CHECKPOINT = "settings.json", "checkpoint.pt"


def open_folder(
    settings: Any, results: Sequence[str], limits: Sequence[str], rank: int = 0
) -> dict[str, Any] | None:
    """Get the folder of a training ready; give the state to go on from, if it is to go on.

    Args:
        settings: with ``out``, ``resume`` and ``overwrite``.
        results: names of the files that the training writes.
        limits: settings that may change on a resume.
        rank: which of several processes this is; only the first makes or clears the folder.

    Raises:
        InputError: see :func:`check_resumable` and :func:`prepare_folder`; the checkpoint cannot
            be read.
    """
    if settings.resume:
        check_resumable(settings, limits)
        return load_checkpoint(settings.out / CHECKPOINT)
    if rank == 0:
        prepare_folder(settings.out, results, overwrite=settings.overwrite)
    return None


def prepare_folder(folder: Path, results: Sequence[str], *, overwrite: bool) -> None:
    """Make a folder for results; with ``overwrite``, clear it of earlier ones.

    Raises:
        InputError: it holds results, is a file, or cannot be made.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder}: is a file; give a folder")
    found = [name for name in results if (folder / name).exists()]
    if found and not overwrite:
        raise InputError(f"--out {folder}: has {found[0]} already; use --overwrite or --resume")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in found:
            (folder / name).unlink()
    except OSError as error:
        raise InputError(f"--out {folder}: {error.strerror}") from error


def check_resumable(settings: Any, limits: Sequence[str]) -> None:
    """Refuse to go on with other settings than a folder's checkpoint is from, but for ``limits``.

    Raises:
        InputError: naming the setting; or there is nothing to resume.
    """
    folder: Path = settings.out
    if not (folder / CHECKPOINT).is_file():
        raise InputError(f"--resume: there is no {CHECKPOINT} in {folder}")
    path = folder / SETTINGS
    try:
        before = json.loads(path.read_text())
        if not isinstance(before, dict):
            raise ValueError("it holds no settings")
        changed = [change for change in changes(before, settings) if change[0] not in limits]
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"--resume: {path} cannot be read: {error}") from error
    for name, was, now in changed:
        flag = "--" + name.replace("_", "-")
        raise InputError(f"--resume: {flag} was {was}, not {now}; it cannot change")


def write_settings(settings: Any) -> None:
    """Write the settings as JSON into their folder; of other files their names only."""
    write_atomically(settings.out / SETTINGS, json.dumps(recorded(settings), indent=1).encode())
