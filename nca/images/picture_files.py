"""Find image files: the readable formats, and the images in a folder."""

import re
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path

from PIL import Image

from nca.errors import InputError
from nca.system.console import say

# Common image formats. Others that Pillow has are left out: EPS starts Ghostscript, SPIDER has its
# own errors, PDF and MPEG have extensions but no reader, and ICNS contains other formats.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "TIFF", "BMP", "DIB", "PPM",
           "JPEG2000", "PSD", "QOI", "DDS", "SGI", "PCX", "ICO", "TGA")  # fmt: skip
HEIC_EXTENSIONS = {".heic", ".heif", ".hif"}
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
HEIC_ADVICE = "pip install pillow-heif to read HEIC, or convert to JPEG"


@cache
def readable_formats() -> tuple[str, ...]:
    """Formats of :data:`FORMATS` that can be read here; HEIC needs the package pillow-heif."""
    Image.init()
    with suppress(ImportError):
        import_module("pillow_heif").register_heif_opener()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def is_picture(path: Path) -> bool:
    """Whether a file has the extension of an image; HEIC counts even if it cannot be read."""
    extension = path.suffix.lower()
    return extension in HEIC_EXTENSIONS or Image.registered_extensions().get(extension) in FORMATS


def is_heic(path: Path) -> bool:
    """Whether a file has a HEIC header, whatever its name."""
    with path.open("rb") as file:
        head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:] in HEIC_BRANDS


def pictures_in(folder: Path, *, subfolders: bool = False) -> list[Path]:
    """List the images in a folder in natural order: 1, 2, 10.

    Hidden files and folders are left out, and so are the ``._name`` files and ``__MACOSX`` folders
    of macOS. If HEIC images cannot be read, a message says so.

    Args:
        folder: an existing folder.
        subfolders: include the images in all subfolders.

    Raises:
        InputError: the folder cannot be read or holds no images.
    """
    try:
        found = sorted(folder.rglob("*") if subfolders else folder.iterdir(), key=natural_order)
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror or error}") from error
    shown = [p for p in found if not _is_hidden(p.relative_to(folder))]
    pictures = [path for path in shown if is_picture(path) and path.is_file()]
    unread = []
    if "HEIF" not in readable_formats():
        unread = [path for path in pictures if path.suffix.lower() in HEIC_EXTENSIONS]
    if len(unread) == len(pictures):
        heic = f" but HEIC, such as {unread[0].name}; {HEIC_ADVICE}" if unread else ""
        raise InputError(f"{folder} holds no images{heic}")
    if unread:
        left_out = f"{folder}: {len(unread)} HEIC left out, such as {unread[0].name}"
        say(f"{left_out}; {HEIC_ADVICE}")
    return [path for path in pictures if path not in unread]


def natural_order(path: Path) -> tuple[list[str], Path]:
    """Sort key that compares numbers by value and the rest as text."""
    return [re.sub("[0-9]+", lambda n: n[0].zfill(20), part) for part in path.parts], path


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
