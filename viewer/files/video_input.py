"""Read input frames from a video, a folder of images, or a camera."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from PIL import Image, ImageOps

from nca.errors import InputError, explain
from nca.images import read_image
from nca.images.picture_files import pictures_in
from nca.viewer.files.writers import import_ffmpeg

FOLDER_FPS = 24.0

# ffmpeg's input format and device name for camera number n.
CAMERAS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}")}

Size = tuple[int, int]


class Source(Protocol):
    """A source of frames; each call of ``frames`` starts with the first one.

    Attributes:
        fps: frames per second; 0: frames come at any time, as from a camera.
    """

    fps: float

    def frames(self) -> Iterator[Image.Image]:
        """Frames of the requested size."""


class Folder:
    """The images of a folder, in natural order of their names."""

    def __init__(self, path: Path, size: Size) -> None:
        self._paths = pictures_in(path)
        self.fps, self._size = FOLDER_FPS, size

    def frames(self) -> Iterator[Image.Image]:
        """Read the images one by one, cropped to the size."""
        for path in self._paths:
            yield ImageOps.fit(read_image(path), self._size, Image.Resampling.LANCZOS)


class Ffmpeg:
    """A video file or a camera, read by ffmpeg."""

    def __init__(self, name: str, size: Size, options: list[str]) -> None:
        self._size = size
        program = import_ffmpeg().get_ffmpeg_exe()
        self._open = [program, "-hide_banner", "-nostdin", *options, "-i", name]
        # Without an output, ffmpeg only describes its input.
        text = subprocess.run(self._open, capture_output=True, check=False).stderr.decode("latin-1")
        rate = re.search(r"Video: .*?([\d.]+) (?:fps|tbr)", text)
        if rate is None:
            reason = " ".join(text.split("\n")[-2:]).strip()
            if "Audio: " in text:
                reason = "it holds sound only"
            raise InputError(f"cannot read {name} as a video ({reason})")
        self.fps = 0.0 if options else float(rate[1])

    def frames(self) -> Iterator[Image.Image]:
        """Decode, scaled and cropped to the size by ffmpeg."""
        width, height = self._size
        crop = f",crop={width}:{height}"
        return self._decode(f"scale={width}:{height}:force_original_aspect_ratio=increase{crop}")

    def whole_frames(self) -> Iterator[Image.Image]:
        """Decode whole frames, scaled by ffmpeg until they fit into the size."""
        width, height = self._size
        return self._decode(f"scale={width}:{height}:force_original_aspect_ratio=decrease")

    def _decode(self, scale: str) -> Iterator[Image.Image]:
        output = ["-v", "quiet", "-vf", scale, "-f", "image2pipe", "-c:v", "ppm", "-"]
        with subprocess.Popen([*self._open, *output], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            try:
                while process.stdout.readline():  # each frame begins with three lines
                    width, height = map(int, process.stdout.readline().split())
                    process.stdout.readline()
                    if len(data := process.stdout.read(3 * width * height)) < 3 * width * height:
                        break
                    yield Image.frombytes("RGB", (width, height), data)
            finally:
                process.kill()


def open_source(text: str, size: Size) -> Source:
    """Open an input by name: ``camera``, ``camera:1``, a folder of images or a video file.

    Args:
        text: the name.
        size: width and height that frames are scaled and cropped to.

    Raises:
        InputError: the input cannot be read.
    """
    kind, _, number = text.partition(":")
    if kind == "camera":
        if sys.platform not in CAMERAS:
            raise InputError(f"`input` {text}: cameras work on Linux and macOS only")
        form, name = CAMERAS[sys.platform]
        return Ffmpeg(name.format(number or "0"), size, ["-f", form])
    path = Path(text)
    if path.is_dir():
        return Folder(path, size)
    if not path.is_file():
        raise InputError(f"`input` {text}: no such file or folder; or camera, camera:1")
    if path.is_fifo():  # ffmpeg would read it twice
        raise InputError(f"`input` {text}: is a pipe; give a file, a folder or a camera")
    return Ffmpeg(str(path), size, [])


class LiveInput:
    """Plays a source in a thread, in a loop and at its own rate; provides the newest frame."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._newest: Image.Image | None = None
        self.trouble = ""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._play, name="video input", daemon=True)
        self._thread.start()

    def newest(self) -> Image.Image | None:
        """The current frame; None before the first."""
        return self._newest

    def close(self) -> None:
        """Stop reading."""
        self._stopped.set()
        self._thread.join(timeout=5)

    def _play(self) -> None:
        try:
            while not self._stopped.is_set():
                self._play_once()
                if self._newest is None:
                    raise InputError("the input holds no frame")
        except (
            Exception
        ) as error:  # decoders can raise anything; the simulation continues without input
            self.trouble = explain(error)

    def _play_once(self) -> None:
        begin = time.monotonic()
        for index, frame in enumerate(self._source.frames()):
            if self._source.fps:
                self._stopped.wait(begin + index / self._source.fps - time.monotonic())
            if self._stopped.is_set():
                return
            self._newest = frame
