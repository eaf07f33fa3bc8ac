"""A recording of what the window shows, at a steady rate, however fast the screen is drawn."""

import time
from collections.abc import Callable
from pathlib import Path

import moderngl

from nca.errors import InputError
from nca.viewer.recording import Grabber, Recorder, Size

FPS = 30.0


class ScreenRecording:
    """Takes a frame when one is due, and hands it to a thread that writes.

    Args:
        gl: the context.
        path: a video, an animation or a folder.
        size: width and height of the picture; videos get even sides.

    Raises:
        InputError: the file cannot be written.
    """

    def __init__(self, gl: moderngl.Context, path: Path, size: Size) -> None:
        size = (size[0] + size[0] % 2, size[1] + size[1] % 2)
        self._recorder = Recorder(path, size, FPS)
        self._grabber = Grabber(gl, size)
        self._due = time.monotonic()

    def frame(self, draw: Callable[[moderngl.Framebuffer], None]) -> None:
        """Draw a frame into the recording, where one is due.

        Raises:
            InputError: writing has failed.
        """
        late = time.monotonic() - self._due
        if late < 0:
            return
        # A slow screen shows a frame for longer; so does the recording, up to a second.
        times = min(1 + int(late * FPS), int(FPS))
        self._due += max(times / FPS, late - 1)
        draw(self._grabber.target)
        pixels = self._grabber.grab()
        if pixels is not None:
            self._add(pixels, times)

    def stop(self) -> Recorder:
        """End the recording; its thread goes on to finish the file.

        Raises:
            InputError: writing has failed.
        """
        last = self._grabber.last()
        if last is not None:
            self._add(last, 1)
        self._recorder.finish()
        self._grabber.release()
        return self._recorder

    def _add(self, pixels: bytes, times: int) -> None:
        try:
            for _ in range(times):
                self._recorder.add(pixels)
        except InputError:
            self._recorder.finish()
            self._grabber.release()
            raise
