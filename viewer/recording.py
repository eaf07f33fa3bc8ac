"""Recording: frames go to a thread of their own, so that drawing never waits for a file."""

import importlib
import queue
import tempfile
import threading
from collections.abc import Generator
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import moderngl
from PIL import Image

from nca.errors import InputError
from nca.images import ANIMATIONS, write_animation, write_image
from nca.viewer.display import image_of

VIDEOS = (".mp4", ".mov", ".mkv", ".webm")
MAX_ANIMATION_FRAMES = 3000
WAITING_FRAMES = 8

Size = tuple[int, int]


class Writer(Protocol):
    """Writes frames of one size to a file or a folder."""

    def add(self, frame: Image.Image) -> None:
        """Take one frame more."""

    def close(self) -> None:
        """Finish; the result is there only after this."""


class VideoWriter:
    """A video, by the ffmpeg of imageio-ffmpeg; it is under its name when it is whole."""

    def __init__(self, path: Path, size: Size, fps: float) -> None:
        ffmpeg = import_ffmpeg()
        self._path = path
        try:
            self._folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=".recording-")
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}") from error
        self._part = Path(self._folder.name) / path.name
        quality = {"quality": 8} if path.suffix.lower() != ".webm" else {"codec": "libvpx-vp9"}
        self._frames: Generator[None, bytes | None, None] = ffmpeg.write_frames(
            str(self._part), size, fps=fps, macro_block_size=1, ffmpeg_log_level="error", **quality
        )
        self._frames.send(None)

    def add(self, frame: Image.Image) -> None:
        """Encode a frame."""
        self._frames.send(frame.tobytes())

    def close(self) -> None:
        """Finish the file and give it its name."""
        self._frames.close()
        self._part.replace(self._path)
        self._folder.cleanup()


class SequenceWriter:
    """A folder of numbered PNG pictures."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir()
        except OSError as error:
            raise InputError(f"cannot make the folder {folder}: {error.strerror}") from error
        self._folder, self._count = folder, 0

    def add(self, frame: Image.Image) -> None:
        """Write a picture."""
        write_image(self._folder / f"{self._count:06}.png", frame)
        self._count += 1

    def close(self) -> None:
        """Nothing is left to do."""


class AnimationWriter:
    """A looping WebP, GIF or APNG; its frames are kept in memory until the end."""

    def __init__(self, path: Path, fps: float) -> None:
        self._path, self._fps = path, fps
        self._frames: list[Image.Image] = []

    def add(self, frame: Image.Image) -> None:
        """Keep a frame."""
        if len(self._frames) >= MAX_ANIMATION_FRAMES:
            raise InputError(
                f"{self._path}: an animation has at most {MAX_ANIMATION_FRAMES} frames; "
                "record .mp4 or a folder"
            )
        self._frames.append(frame)

    def close(self) -> None:
        """Write the file."""
        write_animation(self._path, self._frames, self._fps)


def import_ffmpeg() -> ModuleType:
    """Import imageio-ffmpeg.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module("imageio_ffmpeg")
    except ImportError as error:
        raise InputError(
            'videos need the extra "video": pip install "nca-studio[video]"'
        ) from error


def open_writer(path: Path, size: Size, fps: float) -> Writer:
    """Choose the writer by the ending: a video, an animation, or none: a folder of PNG pictures.

    Raises:
        InputError: the ending is unknown, the extra for videos is missing, or the place cannot be
            written.
    """
    suffix = path.suffix.lower()
    if path.exists():
        raise InputError(f"{path} is there already; give another name")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}")
    if suffix in VIDEOS:
        return VideoWriter(path, size, fps)
    if suffix in ANIMATIONS:
        return AnimationWriter(path, fps)
    if not suffix:
        return SequenceWriter(path)
    known = ", ".join((*VIDEOS, *ANIMATIONS))
    raise InputError(f"{path}: a recording ends in {known}, or in nothing for a folder of pictures")


class Recorder(AbstractContextManager["Recorder"]):
    """Writes frames in a thread.

    Args:
        path: a video, an animation or a folder, see :func:`open_writer`.
        size: width and height of the frames; videos need even numbers.
        fps: frames per second.

    Attributes:
        path: where the result will be.
        dropped: frames that came faster than they could be written.
    """

    def __init__(self, path: Path, size: Size, fps: float) -> None:
        self.path, self.size, self.dropped = path, size, 0
        self._writer = open_writer(path, size, fps)
        self._frames: queue.Queue[bytes | None] = queue.Queue(WAITING_FRAMES + 1)
        self._trouble: Exception | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def add(self, pixels: bytes, *, wait: bool = False) -> None:
        """Hand over a frame as read from a framebuffer, RGB, lowest row first.

        Args:
            pixels: the frame.
            wait: wait where the writer is behind; else the frame is dropped.

        Raises:
            InputError: writing has failed.
        """
        self._check()
        if wait or self._frames.qsize() < WAITING_FRAMES:  # one place is left for the end
            self._frames.put(pixels)
        else:
            self.dropped += 1

    def finish(self) -> None:
        """Let the thread write what waits and finish the file; see :attr:`finished`."""
        if not self._ended:
            self._ended = True
            self._frames.put(None)

    @property
    def finished(self) -> bool:
        """The file is there, or :meth:`close` tells why not."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """Write what waits, finish the file, and wait for it.

        Raises:
            InputError: writing has failed.
        """
        self.finish()
        self._thread.join()
        self._check()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self) -> None:
        """Write until the end; after a failure go on taking frames, so that nobody waits."""
        while (pixels := self._frames.get()) is not None:
            if self._trouble is None:
                self._attempt(self._writer.add, image_of(pixels, self.size))
        if self._trouble is None:
            self._attempt(self._writer.close)

    def _attempt(self, action: Any, *arguments: Any) -> None:
        try:
            action(*arguments)
        except Exception as error:  # whatever it is belongs to the thread that draws
            self._trouble = error

    def _check(self) -> None:
        if self._trouble is not None:
            raise InputError(f"recording {self.path} has failed: {self._trouble}")


class Grabber:
    """Reads frames of one size from a framebuffer of its own; a frame comes one call late.

    The graphics card has the time between two frames to hand one over, so drawing never waits.
    """

    def __init__(self, gl: moderngl.Context, size: Size) -> None:
        self.target = gl.simple_framebuffer(size, 3)
        self._buffers = [gl.buffer(reserve=3 * size[0] * size[1]) for _ in range(2)]
        self._count = 0

    def grab(self) -> bytes | None:
        """Begin to read what the target shows now; give the frame before, if there is one."""
        before = self.last()
        self.target.read_into(self._buffers[self._count % 2], components=3, alignment=1)
        self._count += 1
        return before

    def last(self) -> bytes | None:
        """Give the frame that was begun last, waiting for it."""
        return self._buffers[(self._count - 1) % 2].read() if self._count else None

    def release(self) -> None:
        """Free what the driver holds."""
        self.target.release()
        for buffer in self._buffers:
            buffer.release()
