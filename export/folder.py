"""Write all files of an export, or none."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nca.system.files import cannot_write, replace, write_atomically


@dataclass(frozen=True)
class ExportedFile:
    """A file that was written.

    Attributes:
        path: path of the file.
        size: size in bytes.
    """

    path: Path
    size: int

    def __str__(self) -> str:
        return f"{self.path}  {self.size:,} bytes"


def write_files(out: Path, files: Mapping[str, bytes], *, is_file: bool) -> list[ExportedFile]:
    """Write a result: a single file to ``out``, or all files into the folder ``out``.

    Raises:
        InputError: ``out`` cannot be written; FailedError: the disk is full or broken.
    """
    if not is_file:
        return write_folder(out, files)
    (data,) = files.values()
    write_atomically(out, data)
    return [ExportedFile(out, len(data))]


def write_folder(out: Path, files: Mapping[str, bytes]) -> list[ExportedFile]:
    """Write files into a folder; if anything fails before the last renames, write none.

    Args:
        out: the folder; it is created if necessary. Files with other names are kept.
        files: contents by path inside it.

    Raises:
        InputError: ``out`` cannot be written; FailedError: the disk is full or broken.
    """
    try:
        temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    except OSError as error:
        raise cannot_write(out, error) from error
    try:
        for path, data in files.items():
            place = temporary / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        _move(temporary, out, files)
    except OSError as error:
        raise cannot_write(out, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [ExportedFile(out / path, len(data)) for path, data in files.items()]


def _move(temporary: Path, out: Path, files: Mapping[str, bytes]) -> None:
    if not out.exists():
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)  # mkdtemp makes private folders
        temporary.rename(out)
        return
    for path in files:
        place = out / path
        place.parent.mkdir(parents=True, exist_ok=True)
        replace(temporary / path, place)
