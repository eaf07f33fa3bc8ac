"""Record frames in a separate thread, so that drawing never waits for a file."""

import queue
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import moderngl

from nca.errors import one_line
from nca.system.signals import uninterrupted
from nca.viewer.files.writers import Size, open_writer
from nca.viewer.simulation.canvas import image_of

WAITING_FRAMES = 8


class Recorder(AbstractContextManager["Recorder"]):
    """Writes frames in a thread.

    Args:
        path: a video, an animation or a folder, see :func:`open_writer`.
        size: width and height of the frames; videos need even numbers.
        fps: frames per second.
        overwrite: replace a file of this name once the new one is finished.

    Attributes:
        path: path of the result; without frames there is no file.
        frames: number of frames handed to the writer so far.
        dropped: number of frames that came faster than they could be written.
    """

    def __init__(self, path: Path, size: Size, fps: float, *, overwrite: bool = False) -> None:
        self.path, self.size = path, size
        self.frames = self.dropped = 0
        self._replaces = path.exists()
        self._writer = open_writer(path, size, fps, overwrite=overwrite)
        self._frames: queue.Queue[bytes | None] = queue.Queue(WAITING_FRAMES + 1)
        self._trouble: Exception | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def add(self, pixels: bytes, *, wait: bool = False) -> None:
        """Add a frame as read from a framebuffer, RGB, lowest row first.

        Args:
            pixels: the frame.
            wait: wait for a slow writer; otherwise the frame is dropped.

        Raises:
            OSError: writing failed.
        """
        self._check()
        if wait or self._frames.qsize() < WAITING_FRAMES:  # one place is reserved for the end
            self._put(pixels)
        else:
            self.dropped += 1

    def finish(self) -> None:
        """Make the thread finish the file, without waiting for it; see :attr:`finished`."""
        if not self._ended:
            self._ended = True
            self._put(None)

    @property
    def finished(self) -> bool:
        """Whether the file is complete or has failed; :meth:`close` reports a failure."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """Write the remaining frames, finish the file, and wait for it.

        Raises:
            OSError: writing failed; the usable part of the file is kept.
        """
        self.finish()
        with uninterrupted():
            self._thread.join()
        self._check()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, pixels: bytes | None) -> None:
        with uninterrupted():  # a signal's exception could leave the lock of the queue taken
            self._frames.put(pixels)

    def _work(self) -> None:
        """Write until the end; after a failure, accept and drop frames, so that no caller waits."""
        while (pixels := self._frames.get()) is not None:
            if self._trouble is None:
                self._attempt(self._writer.add, image_of(pixels, self.size))
                self.frames += self._trouble is None
        self._attempt(self._writer.close if self.frames else self._writer.discard)

    def _attempt(self, action: Any, *arguments: Any) -> None:
        try:
            action(*arguments)
        except Exception as error:  # any error is passed to the thread that draws
            self._trouble = self._trouble or error

    def _check(self) -> None:
        if self._trouble is not None:
            there = self.path.exists() and not self._replaces
            kept = "; the part written before is kept" if there else ""
            raise OSError(
                f"recording {self.path} has failed: {one_line(self._trouble)}{kept}"
            ) from self._trouble


class Grabber:
    """Reads frames of one size from its own framebuffer, and returns each one call late.

    The graphics card transfers a frame during the next one, so that drawing never waits.
    """

    def __init__(self, gl: moderngl.Context, size: Size) -> None:
        self.target = gl.simple_framebuffer(size, 3)
        self._buffers = [gl.buffer(reserve=3 * size[0] * size[1]) for _ in range(2)]
        self._count = 0

    def grab(self) -> bytes | None:
        """Start to read the current frame; return the previous frame, if any."""
        before = self.last()
        self.target.read_into(self._buffers[self._count % 2], components=3, alignment=1)
        self._count += 1
        return before

    def last(self) -> bytes | None:
        """Wait for the frame that is being read, and return it."""
        return self._buffers[(self._count - 1) % 2].read() if self._count else None

    def release(self) -> None:
        """Free the OpenGL objects."""
        self.target.release()
        for buffer in self._buffers:
            buffer.release()
