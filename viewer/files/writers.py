"""Writers for the frames of a recording: a video, an animation, a folder of images."""

import contextlib
import importlib
import re
import subprocess
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Protocol

from PIL import Image

from nca.errors import InputError
from nca.images import ANIMATIONS, write_animation, write_image
from nca.system.outputs import check_free
from nca.system.processes import own_process_group

VIDEOS = (".mp4", ".mov", ".mkv", ".webm")
FRAGMENTED = (".mp4", ".mov")  # other formats can be played even if their end is missing
MAX_ANIMATION_FRAMES = 3000

Size = tuple[int, int]


class Writer(Protocol):
    """Writes frames of equal size to a file or a folder."""

    def add(self, frame: Image.Image) -> None:
        """Add a frame."""

    def close(self) -> None:
        """Finish the file; it is complete only after this call.

        Raises:
            Exception: it could not be finished; the usable part is kept.
        """

    def discard(self) -> None:
        """Remove the result of a recording without frames."""


class VideoWriter:
    """Writes a video with the ffmpeg of imageio-ffmpeg; the file is renamed at the end.

    During the recording, an .mp4 or .mov consists of fragments, which can be played even if the end
    of the file is missing. The finished file is an ordinary video.
    """

    def __init__(self, path: Path, size: Size, fps: float) -> None:
        self._ffmpeg = import_ffmpeg().get_ffmpeg_exe()
        self._path, self._suffix = path, path.suffix.lower()
        try:
            self._folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=".recording-")
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}") from error
        self._part = Path(self._folder.name) / path.name
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (a pipe could fill up)
        frames = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}"]
        output = ["-c:v", "libvpx-vp9"] if self._suffix == ".webm" else ["-crf", "10", "-q:v", "7"]
        if self._suffix in FRAGMENTED:
            output += ["-movflags", "+frag_keyframe+empty_moov", "-frag_duration", "1000000"]
        command = [self._ffmpeg, "-v", "error", *frames, "-r", str(fps), "-i", "-"]
        # Ctrl-C and a closed terminal must not end ffmpeg, because this process finishes the file.
        self._process = subprocess.Popen(
            [*command, "-pix_fmt", "yuv420p", *output, str(self._part)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._log,
            **own_process_group(),
        )  # fmt: skip

    def add(self, frame: Image.Image) -> None:
        """Encode a frame."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(frame.tobytes())
        except OSError as error:
            self._process.wait()
            raise OSError(self._reason()) from error

    def close(self) -> None:
        """Finish and rename the file, even if its end could not be written."""
        failed = self._end() != 0
        if self._part.exists() and self._part.stat().st_size:
            part = self._part if failed else self._without_fragments()
            part.replace(self._path)
        reason = self._reason()
        self._clean()
        if failed:
            raise OSError(reason)

    def discard(self) -> None:
        """Remove the file."""
        self._process.kill()
        self._end()
        self._clean()

    def _end(self) -> int:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # the exit code reports it
            self._process.stdin.close()
        return self._process.wait()

    def _without_fragments(self) -> Path:
        """The finished file in one piece, if there is room for a copy."""
        if self._suffix not in FRAGMENTED:
            return self._part
        whole = self._part.with_name(f"whole-{self._part.name}")
        command = [self._ffmpeg, "-v", "quiet", "-i", str(self._part), "-c", "copy"]
        done = subprocess.run(
            [*command, "-movflags", "+faststart", str(whole)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False,
            **own_process_group(),
        )  # fmt: skip
        return whole if done.returncode == 0 else self._part

    def _reason(self) -> str:
        """The last message of ffmpeg, without the name of its component."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "")
        return re.sub(r"^\[.*?\] *", "", last) or f"ffmpeg ended with {self._process.returncode}"

    def _clean(self) -> None:
        self._log.close()
        self._folder.cleanup()


class SequenceWriter:
    """A folder of numbered PNG images."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir()
        except OSError as error:
            raise InputError(f"cannot make the folder {folder}: {error.strerror}") from error
        self._folder, self._count = folder, 0

    def add(self, frame: Image.Image) -> None:
        """Write an image."""
        write_image(self._folder / f"{self._count:06}.png", frame)
        self._count += 1

    def close(self) -> None:
        """Do nothing: all images are written."""

    def discard(self) -> None:
        """Remove the folder."""
        self._folder.rmdir()


class AnimationWriter:
    """A looping WebP, GIF or APNG; its frames stay in memory until the end."""

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
        """Write the file, or a file in a temporary folder if the path cannot be written."""
        try:
            write_animation(self._path, self._frames, self._fps)
        except InputError as error:
            raise OSError(f"{error}{self._kept_elsewhere()}") from error

    def _kept_elsewhere(self) -> str:
        folder = Path(tempfile.mkdtemp(prefix="nca-recording-"))
        try:
            write_animation(folder / self._path.name, self._frames, self._fps)
        except InputError:
            folder.rmdir()
            return ""
        return f"; it is kept as {folder / self._path.name}"

    def discard(self) -> None:
        """Do nothing: there is no file."""


def import_ffmpeg() -> ModuleType:
    """Import imageio-ffmpeg.

    Raises:
        InputError: imageio-ffmpeg is not installed.
    """
    try:
        return importlib.import_module("imageio_ffmpeg")
    except ImportError as error:
        raise InputError(
            "videos require the `video` extra: pip install 'nca-studio[video]'"
        ) from error


def open_writer(path: Path, size: Size, fps: float, *, overwrite: bool = False) -> Writer:
    """Choose the writer by the file extension: a video, an animation, or a folder of PNG images.

    Raises:
        InputError: the extension is unknown, the ``video`` extra is missing, or the path cannot be
            written.
    """
    suffix = path.suffix.lower()
    if not suffix and path.exists():
        raise InputError(f"{path} exists already; a folder of images needs another name")
    check_free(path, overwrite, file=True)
    if suffix in VIDEOS:
        return VideoWriter(path, size, fps)
    if suffix in ANIMATIONS:
        return AnimationWriter(path, fps)
    if not suffix:
        return SequenceWriter(path)
    known = ", ".join((*VIDEOS, *ANIMATIONS))
    raise InputError(
        f"{path}: a recording must end in {known}, or have no extension for a folder of images"
    )
