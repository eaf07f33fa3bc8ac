"""Create, check or reopen the output folder. Existing results are replaced only on request."""

import json
import os
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from nca.errors import InputError
from nca.options import flatten
from nca.system.files import remove_temporary, write_text
from nca.system.text import shareable
from nca.training.callbacks.checkpoint import load_checkpoint

SETTINGS, CHECKPOINT = "settings.json", "checkpoint.pt"


def saved_state(folder: Path) -> dict[str, Any]:
    """Read the learner's state from the checkpoint in a folder.

    Raises:
        InputError: there is no checkpoint, or it cannot be read.
    """
    if not (folder / CHECKPOINT).is_file():
        raise InputError(f"`resume`: there is no {CHECKPOINT} in {folder}")
    return load_checkpoint(folder / CHECKPOINT)


def open_folder(
    settings: Any, results: Sequence[str], may_change: Sequence[str], rank: int = 0
) -> None:
    """Prepare the folder for a new or resumed training run.

    Args:
        settings: settings with ``out`` and ``run``.
        results: names of the files that the run writes.
        may_change: names of settings that may differ on a resume.
        rank: index of this process; only process 0 creates or clears the folder.

    Raises:
        InputError: see :func:`check_resumable` and :func:`prepare_folder`.
    """
    if settings.run.resume:
        check_resumable(settings, may_change)
    if rank > 0:
        return
    if settings.run.resume:
        for name in results:
            remove_temporary(settings.out / name)
    else:
        prepare_folder(settings.out, results, overwrite=settings.run.overwrite)


def prepare_folder(folder: Path, results: Sequence[str], *, overwrite: bool) -> None:
    """Create a folder for results; with ``overwrite``, remove earlier results.

    Raises:
        InputError: the folder contains results and ``overwrite`` is off, or the folder cannot be
            created or cleared.
    """
    found = [name for name in results if os.path.lexists(folder / name)]
    if found and not overwrite:
        raise InputError(f"`out` {folder}: already has {found[0]}; use `overwrite` or `resume`")
    make_folder(folder)
    try:
        for name in found:
            (folder / name).unlink()
        for name in results:
            remove_temporary(folder / name)
    except OSError as error:
        raise InputError(f"`out` {folder}: {error.strerror}") from error


def make_folder(folder: Path) -> None:
    """Create a folder for results if it does not exist.

    Raises:
        InputError: the path is a file or a broken link, or the folder cannot be created.
    """
    if folder.is_symlink() and not folder.exists():
        target = folder.readlink()
        raise InputError(f"`out` {folder}: is a link to {target}, which does not exist")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"`out` {folder}: is a file; give a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"`out` {folder}: {error.strerror}") from error


def check_resumable(settings: Any, may_change: Sequence[str]) -> None:
    """Refuse to resume if any settings besides ``may_change`` differ from those in the folder.

    Raises:
        InputError: a setting differs, or the settings in the folder cannot be read.
    """
    path = settings.out / SETTINGS
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(before, dict):
            raise ValueError("it holds no settings")
        changed = [change for change in changes(before, settings) if change[0] not in may_change]
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"`resume`: {path} cannot be read: {error}") from error
    for name, was, now in changed:
        raise InputError(f"`resume`: `{name}` was {was}, not {now}; it cannot change")


def write_settings(settings: Any) -> None:
    """Write the settings as JSON to the output folder; paths are reduced to file names."""
    write_text(settings.out / SETTINGS, json.dumps(recorded(settings), indent=1))


def recorded(settings: Any) -> dict[str, Any]:
    """Convert settings to plain JSON data that is safe to share."""
    data: dict[str, Any] = shareable(flatten(settings))
    return data


def changes(before: dict[str, Any], settings: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name, old value and new value of each setting that differs from the recorded one.

    Args:
        before: what :func:`recorded` returned, possibly in an older version of nca that recorded
            whole paths. Missing settings count as unchanged.
        settings: the current settings.

    Raises:
        ValueError: ``before`` does not have the structure of recorded settings.
    """
    values = flatten(settings)
    for name, now in recorded(settings).items():
        was = _recorded_as(before.get(name, now), values[name])
        if was != now:
            yield name, was, now


def _recorded_as(before: Any, value: object) -> Any:
    if isinstance(value, Path) and isinstance(before, str):
        return shareable(Path(before))
    if isinstance(value, tuple) and isinstance(before, list):
        return [_recorded_as(*pair) for pair in zip_longest(before, value)]
    return shareable(before)
