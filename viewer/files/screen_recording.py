"""Record the window at a constant frame rate, independent of the display rate."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import moderngl

from nca.viewer.files.recording import Grabber, Recorder
from nca.viewer.files.writers import Size
from nca.viewer.speed import Clock

FPS = 30.0

Draw = Callable[[moderngl.Framebuffer, Size], None]


class ScreenRecording:
    """Captures a frame when one is due, and passes it to a thread that writes.

    Args:
        gl: OpenGL context.
        path: a video, an animation or a folder.
        size: width and height of the image; videos get even sides.
        clock: decides when a frame is due.

    Attributes:
        path: path of the result.
        size: width and height of the image when the recording started.

    Raises:
        InputError: the file cannot be written.
    """

    def __init__(self, gl: moderngl.Context, path: Path, size: Size, clock: Clock) -> None:
        self.path, self.size = path, size
        size = (size[0] + size[0] % 2, size[1] + size[1] % 2)
        self._recorder = Recorder(path, size, FPS)
        self._grabber = Grabber(gl, size)
        self._clock, self._due = clock, clock()

    def frame(self, draw: Draw) -> None:
        """Draw a frame into the recording if one is due; ``draw`` also gets :attr:`size`.

        Raises:
            OSError: writing failed.
        """
        late = self._clock() - self._due
        if late < 0:
            return
        # If frames are drawn too slowly, the recording repeats them, for up to a second.
        times = min(1 + int(late * FPS), int(FPS))
        self._due += max(times / FPS, late - 1)
        draw(self._grabber.target, self.size)
        pixels = self._grabber.grab()
        if pixels is not None:
            for _ in range(times):
                self._recorder.add(pixels)

    def stop(self) -> Recorder:
        """End the recording; its thread finishes the file."""
        last = self._grabber.last()
        if last is not None:
            with contextlib.suppress(OSError):  # the recorder reports it when it is closed
                self._recorder.add(last)
        self._grabber.release()
        return self.rescue()

    def rescue(self) -> Recorder:
        """End the recording without using the graphics card; the last frame is then missing."""
        self._recorder.finish()
        return self._recorder


class Recordings:
    """The current recording, if any, and earlier ones whose files are still being finished.

    Args:
        gl: OpenGL context.
        say: shows a message.
        clock: decides when a frame is due.

    Attributes:
        running: the current recording, or None.
    """

    def __init__(self, gl: moderngl.Context, say: Callable[[str], None], clock: Clock) -> None:
        self._gl, self._say, self._clock = gl, say, clock
        self.running: ScreenRecording | None = None
        self._being_finished: list[Recorder] = []

    @property
    def paths(self) -> list[Path]:
        """Paths of the recordings whose files are not complete yet."""
        running = [self.running.path] if self.running else []
        return running + [recorder.path for recorder in self._being_finished]

    def start(self, path: Path, size: Size) -> None:
        """Start to record; see :class:`ScreenRecording`.

        Raises:
            InputError: the file cannot be written.
        """
        self.running = ScreenRecording(self._gl, path, size, self._clock)

    def stop(self) -> None:
        """End the recording; :meth:`look` reports when its file is complete, or why it is not."""
        recording, self.running = self.running, None
        if recording is not None:
            self._being_finished.append(recording.stop())

    def frame(self, draw: Draw) -> None:
        """Draw a frame into the current recording; end it if writing failed."""
        if self.running is None:
            return
        try:
            self.running.frame(draw)
        except OSError:
            self.stop()

    def look(self) -> None:
        """Report the recordings that have been finished since the last call."""
        for recorder in [one for one in self._being_finished if one.finished]:
            self._being_finished.remove(recorder)
            lost = f"; {recorder.dropped} frames were lost" if recorder.dropped else ""
            try:
                recorder.close()
                done = (
                    f"Saved {recorder.path.name}{lost}" if recorder.frames else "No frame to save"
                )
                self._say(done)
            except OSError as error:
                self._say(str(error))

    def rescue(self) -> None:
        """End all recordings and wait for the files, without a usable graphics card.

        Raises:
            OSError: writing failed.
        """
        if self.running is not None:
            self._being_finished.append(self.running.rescue())
        self._wait()

    def close(self) -> None:
        """End all recordings, and wait for the files.

        Raises:
            OSError: writing failed.
        """
        self.stop()
        self._wait()

    def _wait(self) -> None:
        """Wait for every file, even if one of them fails."""
        with contextlib.ExitStack() as recorders:
            for recorder in self._being_finished:
                recorders.callback(recorder.close)
