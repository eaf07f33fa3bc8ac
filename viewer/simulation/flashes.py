"""Average pictures, and limit flashes: see ``shaders/flashes.glsl``."""

import math
from dataclasses import dataclass

import moderngl

from nca.exporters.glsl.drawing import flash_fragments
from nca.exporters.glsl.fragments import Capabilities
from nca.gl.shader import Shader
from nca.viewer.simulation.camera import Camera
from nca.viewer.simulation.canvas import Canvas, Part

PART = 148.0  # side in screen units: WCAG 2.3.1 ignores smaller flashes
MAX_PARTS = 16  # across and down
SLOWNESS = 1.0  # seconds over which a limited picture is averaged


@dataclass(frozen=True)
class Frame:
    """A picture on a screen.

    Attributes:
        camera: what it shows.
        size: width and height in pixels.
        ratio: pixels per screen unit.
        now: time in seconds.
    """

    camera: Camera
    size: tuple[int, int]
    ratio: float
    now: float


def part_count(side: float) -> int:
    """Number of parts along a side of the screen."""
    return min(max(round(side / PART), 1), MAX_PARTS)


class Flashes:
    """Measures how often the parts of a screen turn lighter and darker, and mixes pictures.

    Attributes:
        slow: the largest weight of a limited picture in this frame.
    """

    def __init__(self, gl: moderngl.Context) -> None:
        self._gl = gl
        shaders = [Shader(gl, text) for text in flash_fragments(Capabilities())]
        self._measure, self._decide, self._mix = shaders
        self._meters: list[Canvas] = []
        self._verdict = Canvas(gl, (1, 1), "f1", smooth=False)
        self._last = 0.0
        self._place: tuple[object, ...] = ()
        self.slow = 1.0
        self._steps, self._steps_before = 0, 1

    @property
    def limited(self) -> bool:
        """Whether the picture is limited now; waits for the graphics card."""
        return self._verdict.target.read(components=1) != b"\0"

    def measure(
        self,
        fresh: Canvas,
        cells: tuple[int, int],
        part: Part,
        frame: Frame,
        shown: tuple[object, ...],
        *,
        wraps: bool,
    ) -> None:
        """Measure a picture, and decide whether it is limited.

        Args:
            fresh: the picture.
            cells: width and height of the view in cells.
            part: the part of it that the picture shows.
            frame: what is drawn on the screen.
            shown: values that differ if the picture shows something else.
            wraps: whether the view repeats beyond its borders.
        """
        camera, (width, height) = frame.camera, frame.size
        seconds = min(max(frame.now - self._last, 0.0), 1.0)
        place: tuple[object, ...] = (shown, frame.size, camera.x, camera.y, camera.zoom)
        if camera.zoom < 8 * frame.ratio * part.density:  # a part takes samples some pixels apart
            fresh.texture.build_mipmaps()
        across, down = (part_count(side / frame.ratio) for side in frame.size)
        if [meter.size for meter in self._meters] != 2 * [(across, down)]:
            self._make_meters((across, down))
        meter, following = self._meters
        self._measure.draw(
            following.target,
            {"nca_fresh": fresh.texture, "nca_meter": meter.texture},
            {
                "nca_cells": (float(cells[0]), float(cells[1])),
                "nca_camera": (camera.x, camera.y, 1 / camera.zoom),
                "nca_shown": part.place,
                "nca_part_size": (width / across, height / down),
                "nca_wraps": wraps,
                "nca_moved": place != self._place,
                "nca_seconds": seconds,
            },
        )
        self._decide.draw(self._verdict.target, {"nca_meter": following.texture})
        self._meters = [following, meter]
        self._last, self._place = frame.now, place
        self.slow = 1 - math.exp(-seconds / SLOWNESS)
        self._steps, self._steps_before = 0, max(1, self._steps)

    def _make_meters(self, size: tuple[int, int]) -> None:
        for meter in self._meters:
            meter.release()
        self._meters = [Canvas(self._gl, size, "f4", smooth=False) for _ in range(2)]
        self._place = ()

    def slow_of_step(self) -> float:
        """The largest weight of one step, if several steps are averaged in a frame."""
        self._steps += 1
        return self.slow / self._steps_before

    def mix(
        self, target: Canvas, fresh: Canvas, kept: Canvas, weight: float, slow: float = 1.0
    ) -> None:
        """Mix a fresh picture into a kept one, with at most the weight ``slow`` if limited."""
        self._mix.draw(
            target.target,
            {
                "nca_fresh": fresh.texture,
                "nca_kept": kept.texture,
                "nca_verdict": self._verdict.texture,
            },
            {"nca_weight": weight, "nca_slow": slow},
        )

    def release(self) -> None:
        """Free the OpenGL objects."""
        for shader in (self._measure, self._decide, self._mix):
            shader.release()
        for canvas in (*self._meters, self._verdict):
            canvas.release()
