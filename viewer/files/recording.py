"""Recording: frames go to a thread of their own, so that drawing never waits for a file."""

import queue
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import moderngl

from nca.errors import one_line
from nca.system.signals import uninterrupted
from nca.viewer.files.writers import Size, open_writer
from nca.viewer.simulation.display import image_of

WAITING_FRAMES = 8


class Recorder(AbstractContextManager["Recorder"]):
    """Writes frames in a thread.

    Args:
        path: a video, an animation or a folder, see :func:`open_writer`.
        size: width and height of the frames; videos need even numbers.
        fps: frames per second.
        overwrite: replace a file of this name, when the new one is finished.

    Attributes:
        path: where the result will be; of no frame nothing is left.
        frames: that were handed to the writer so far.
        dropped: frames that came faster than they could be written.
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
        """Hand over a frame as read from a framebuffer, RGB, lowest row first.

        Args:
            pixels: the frame.
            wait: wait where the writer is behind; else the frame is dropped.

        Raises:
            OSError: writing has failed.
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
            OSError: writing has failed; what could be kept of it is there.
        """
        self.finish()
        with uninterrupted():
            self._thread.join()
        self._check()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self) -> None:
        """Write until the end; after a failure go on taking frames, so that nobody waits."""
        while (pixels := self._frames.get()) is not None:
            if self._trouble is None:
                self._attempt(self._writer.add, image_of(pixels, self.size))
                self.frames += self._trouble is None
        self._attempt(self._writer.close if self.frames else self._writer.discard)

    def _attempt(self, action: Any, *arguments: Any) -> None:
        try:
            action(*arguments)
        except Exception as error:  # whatever it is belongs to the thread that draws
            self._trouble = self._trouble or error

    def _check(self) -> None:
        if self._trouble is not None:
            there = self.path.exists() and not self._replaces
            kept = "; what was written before is kept" if there else ""
            raise OSError(
                f"recording {self.path} has failed: {one_line(self._trouble)}{kept}"
            ) from self._trouble


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
