"""Write frames as a movie: animated images with Pillow, MP4 with ffmpeg if it is installed."""

import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import numpy as np
from PIL import Image

from nca.errors import InputError
from nca.images import write_animation
from nca.system.files import write_atomically

T = TypeVar("T")
LAST = 1.5  # seconds that the last frame is shown longer than the others


def write_movie(path: Path, frames: Sequence[Image.Image], fps: float) -> None:
    """Write frames as a movie; the last frame is shown longer than the others.

    Args:
        path: ``.webp``, ``.gif``, ``.png`` or ``.apng``; ``.mp4`` with imageio-ffmpeg.
        frames: at least one image; all must have the same size.
        fps: frames per second.

    Raises:
        InputError: the extension is unknown, ffmpeg is missing, or the path cannot be written.
    """
    frames = [*frames, *[frames[-1]] * round(LAST * fps)]
    if path.suffix.lower() == ".mp4":
        write_atomically(path, encode_mp4(frames, fps))
    else:
        write_animation(path, frames, fps)


def import_ffmpeg() -> ModuleType:
    """Import imageio-ffmpeg.

    Raises:
        InputError: imageio-ffmpeg is not installed.
    """
    try:
        return import_module("imageio_ffmpeg")
    except ImportError as error:
        raise InputError(
            'an MP4 needs the extra "video": pip install "nca-studio[video]"'
        ) from error


def encode_mp4(frames: Sequence[Image.Image], fps: float) -> bytes:
    """Encode as H.264, which requires even sides; an odd side is enlarged by one pixel.

    Raises:
        InputError: imageio-ffmpeg is not installed.
    """
    imageio_ffmpeg = import_ffmpeg()
    width, height = (side + side % 2 for side in frames[0].size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "movie.mp4"
        writer = imageio_ffmpeg.write_frames(
            str(path), (width, height), fps=fps, quality=8, macro_block_size=1
        )
        writer.send(None)
        for frame in frames:
            writer.send(np.asarray(frame.convert("RGB").resize((width, height))).tobytes())
        writer.close()
        return path.read_bytes()


def evenly(items: Sequence[T], count: int) -> list[T]:
    """Choose at most ``count`` evenly spaced items, including the first and the last."""
    if len(items) <= count:
        return list(items)
    if count == 1:
        return [items[-1]]
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]
