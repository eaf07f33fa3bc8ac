"""Display a state: its colors, its channels, or its last change.

The colors of the cells are drawn into a texture, which is then shown through a camera.
"""

from dataclasses import astuple, replace

import moderngl
from PIL import Image

from nca.errors import InputError
from nca.exporters.glsl.drawing import VIEWS, colors_fragment, screen_fragment
from nca.exporters.glsl.fragments import Capabilities
from nca.exporters.glsl.lit import MAP_VIEWS
from nca.gl.shader import Shader, Textures, Value
from nca.viewer.controls import COLOR_MAPS, LIMITS, SCALINGS, TILE_LINES
from nca.viewer.simulation.camera import Camera, Size
from nca.viewer.simulation.canvas import (
    Canvas,
    Part,
    decoded_part,
    read_image,
    read_transparent,
    seen_part,
)
from nca.viewer.simulation.decoded import DecodedPictures
from nca.viewer.simulation.flashes import Flashes, Frame
from nca.viewer.simulation.lit import LitPictures
from nca.viewer.simulation.look import (
    Look,
    decodes,
    extent,
    natural_scale,
    repeats,
    shows_material,
    view_of,
)
from nca.viewer.simulation.simulation import FLOAT_STATE, Simulation

NO_RING = (0.0, 0.0, 0.0, 0.0)

LARGEST_MOSAIC = LIMITS["mosaic"]["window"]  # largest side in pixels of the texture of all channels

SETTLING = 2.0  # seconds until a limited picture has settled on a state that no longer changes

_HOST = Capabilities("330", blend=True)


def _seen(simulation: Simulation, look: Look) -> tuple[object, ...]:
    """Values that the colors depend on, if nothing restarts the average."""
    light = (look.lamp, look.relief) if shows_material(simulation, look) else ()
    return (*simulation.seen, *light)


class Display:
    """Draws simulations into framebuffers and images."""

    def __init__(self, gl: moderngl.Context) -> None:
        self._gl = gl
        self._screens: dict[tuple[int, bool], Shader] = {}
        self._colors: dict[tuple[str, int], Shader] = {}
        self._fresh = Canvas(gl, (1, 1), "f1")  # colors of the cells
        self._aim: tuple[Camera, Size] | None = None
        self._decoded = DecodedPictures(gl)
        self._lit = LitPictures(gl)
        self._kept: list[Canvas] = []  # the average of pictures, in two buffers
        self.flashes = Flashes(gl)
        self._averaged: tuple[object, ...] = ()
        self._average_seen: tuple[object, ...] = ()
        self._seen: tuple[object, ...] = ()
        self._limited_seen: tuple[object, ...] = ()
        self._changed_at = self._limited_at = 0.0
        self._stored: moderngl.Framebuffer | None = None

    def draw(
        self,
        simulation: Simulation,
        camera: Camera,
        look: Look,
        target: moderngl.Framebuffer,
        ring: tuple[float, float, float, float] = NO_RING,
        limits: bool = False,
    ) -> None:
        """Fill a framebuffer; ``ring`` is the brush: x, y and radius in cells, strength 0 to 1.

        If nothing has changed since the last call, the result is stored, and later calls copy it.
        With ``limits``, the picture that :meth:`limit` prepared is drawn.
        """
        size = (target.viewport[2], target.viewport[3])
        self.aim(camera, size)
        limits = limits and look.flash_limit
        limited_at = self._limited_at if limits else None
        seen = (*simulation.seen, astuple(camera), astuple(look), ring, size, limited_at)
        if seen != self._seen:
            self._seen = seen
            self._forget()
            self._draw(simulation, camera, look, target, ring, limits)
            return
        if self._stored is None:
            self._stored = self._gl.simple_framebuffer(size, 4)
            self._draw(simulation, camera, look, self._stored, ring, limits)
        self._gl.copy_framebuffer(target, self._stored)

    def average(self, simulation: Simulation, look: Look) -> None:
        """Add the current step to the average.

        The weight falls by a constant factor with each earlier step. The average is as smooth as
        the plain mean of ``look.average_steps`` steps. A new rule, grid or view restarts it.
        """
        if look.average_steps > 1:
            follows = self._follows(simulation, look)
            self._color(simulation, look)
            slow = self.flashes.slow_of_step() if follows and look.flash_limit else 1.0
            self._mix(2 / (look.average_steps + 1) if follows else 1.0, slow)

    def aim(self, camera: Camera, size: Size) -> None:
        """Set what later calls of :meth:`average` draw; some views draw only what is visible."""
        self._aim = replace(camera), size

    def _part(self, simulation: Simulation, look: Look) -> Part:
        """The part that the texture of the colors shows."""
        grid = simulation.width, simulation.height
        camera, size = self._aim or (Camera(), grid)
        if shows_material(simulation, look):
            return seen_part(camera, size)
        if decodes(simulation, look):
            return decoded_part(grid, camera, size, natural_scale(simulation, look))
        width, height = extent(simulation, look)
        smaller = min(1.0, max(LARGEST_MOSAIC, *grid) / max(width, height))
        size = round(width * smaller), round(height * smaller)
        return Part((0.0, 0.0), (float(width), float(height)), size)

    def begin_average(self) -> None:
        """Restart the average."""
        self._averaged = ()

    def limit(self, simulation: Simulation, look: Look, frame: Frame) -> None:
        """Prepare a frame for a screen: measure it, and average it if it flashes too often."""
        if not look.flash_limit:
            return
        self.aim(frame.camera, frame.size)
        seen = (*simulation.seen, astuple(frame.camera), astuple(look), frame.size)
        if seen != self._limited_seen:
            self._limited_seen, self._changed_at = seen, frame.now
        if frame.now > self._changed_at + SETTLING:
            return
        self._limited_at = frame.now
        follows = self._follows(simulation, look)
        current = self._color_if_changed(simulation, look)
        self.flashes.measure(
            self._fresh,
            extent(simulation, look),
            self._part(simulation, look),
            frame,
            self._averaged,
            wraps=repeats(simulation, look),
        )
        if look.average_steps == 1 or not current:
            self._mix(1.0, self.flashes.slow if follows else 1.0)

    def _follows(self, simulation: Simulation, look: Look) -> bool:
        """Whether the average continues."""
        return self._averaged == self._shown(simulation, look)

    def _shown(self, simulation: Simulation, look: Look) -> tuple[object, ...]:
        """Values whose change restarts the average."""
        size = simulation.width, simulation.height
        kind = view_of(simulation, look), look.color_map, look.average_steps, look.transparent
        return simulation.colors, size, kind, self._part(simulation, look)

    def _color_if_changed(self, simulation: Simulation, look: Look) -> bool:
        """Draw the colors unless they are current; return whether they were.

        Changes without a step, such as a stroke during a pause, must be visible at once.
        """
        current = self._follows(simulation, look) and self._average_seen == _seen(simulation, look)
        if not current:
            self._color(simulation, look)
        return current

    def _draw(
        self,
        simulation: Simulation,
        camera: Camera,
        look: Look,
        target: moderngl.Framebuffer,
        ring: tuple[float, float, float, float],
        limits: bool,
    ) -> None:
        mixed = limits or look.average_steps > 1
        if not self._color_if_changed(simulation, look) and mixed:
            self._mix(1.0)
        colored = (self._kept[0] if mixed else self._fresh).texture
        part = self._part(simulation, look)
        if camera.zoom < part.density:
            colored.build_mipmaps()
        far = decodes(simulation, look) or shows_material(simulation, look) or camera.zoom < 1
        sampling = 0 if far else 1 + SCALINGS.index(look.scaling)
        self._screen(sampling, marks=look.borders or ring != NO_RING).draw(
            target,
            {"nca_colors_of_cells": colored},
            {
                "nca_cells": tuple(float(side) for side in extent(simulation, look)),
                "nca_camera": (camera.x, camera.y, 1 / camera.zoom),
                "nca_shown": part.place,
                "nca_height": float(target.viewport[3]),
                "nca_wraps": repeats(simulation, look),
                "nca_transparent": look.transparent,
                "nca_borders": TILE_LINES if look.borders else 0.0,
                "nca_ring": ring,
            },
        )

    def _forget(self) -> None:
        if self._stored is not None:
            self._stored.release()
        self._stored = None

    def _screen(self, sampling: int, *, marks: bool) -> Shader:
        if (sampling, marks) not in self._screens:
            shader = Shader(self._gl, screen_fragment(_HOST, sampling, marks=marks, parts=True))
            self._screens[sampling, marks] = shader
        return self._screens[sampling, marks]

    def _color(self, simulation: Simulation, look: Look) -> None:
        """Draw the colors of the cells."""
        kind, _, number = view_of(simulation, look).partition(" ")
        channels, cells = simulation.channels, (simulation.width, simulation.height)
        part = self._part(simulation, look)
        self._prepare(part.size, "f1" if look.average_steps == 1 else "f4")
        textures: dict[str, Textures] = {
            **simulation.state.named("nca_state"),
            **simulation.previous.named("nca_before"),
            "nca_field": simulation.field_texture,
            "nca_colors": simulation.colors,
        }
        values: dict[str, Value] = {
            **FLOAT_STATE,
            "nca_size": cells,
            "nca_picture": tuple(float(side) for side in part.size),
            "nca_channel": int(number) - 1 if number else 0,
            "nca_channels": channels,
            "nca_color_map": COLOR_MAPS.index(look.color_map),
            "nca_alone": simulation.color_map_of_all or (0.0, 0.0, 0.0),
            "nca_transparent": look.transparent,
        }
        if kind in MAP_VIEWS:
            lamp, relief = look.lamp, look.relief
            self._lit.draw(kind, simulation, part, self._fresh, textures, values, lamp, relief)
        elif decodes(simulation, look):
            self._decoded.draw(simulation.decoded, part, self._fresh, textures, values)
        else:
            self._colors_of(kind, channels).draw(self._fresh.target, textures, values)
        self._averaged = self._shown(simulation, look)
        self._average_seen = _seen(simulation, look)

    def _colors_of(self, kind: str, channels: int) -> Shader:
        if (kind, channels) not in self._colors:
            view = next(view for view in VIEWS if view == kind)
            shader = Shader(self._gl, colors_fragment(_HOST, channels, view=view))
            self._colors[kind, channels] = shader
        return self._colors[kind, channels]

    def _mix(self, weight: float, slow: float = 1.0) -> None:
        """Mix the fresh picture into the kept one."""
        if not self._kept:
            self._kept = [Canvas(self._gl, self._fresh.size, "f4") for _ in range(2)]
        kept, following = self._kept
        self.flashes.mix(following, self._fresh, kept, weight, slow)
        self._kept = [following, kept]

    def _prepare(self, size: tuple[int, int], dtype: str) -> None:
        if (self._fresh.size, self._fresh.dtype) != (size, dtype):
            self._release_canvases()
            self._fresh = Canvas(self._gl, size, dtype)

    def _release_canvases(self) -> None:
        for canvas in (self._fresh, *self._kept):
            canvas.release()
        self._kept = []

    def picture(
        self, simulation: Simulation, camera: Camera, look: Look, size: tuple[int, int]
    ) -> Image.Image:
        """Draw an image of ``size``, width and height in pixels.

        Raises:
            InputError: the driver cannot make one of this size.
        """
        limit = int(self._gl.info["GL_MAX_TEXTURE_SIZE"])
        if max(size) > limit:
            raise InputError(f"an image of {size[0]}x{size[1]} is too large: at most {limit} here")
        target = self._gl.simple_framebuffer(size, 4)
        self.draw(simulation, camera, look, target)
        image = read_transparent(target) if look.transparent else read_image(target)
        target.release()
        return image

    def whole(self, simulation: Simulation, look: Look, scale: int = 1) -> Image.Image:
        """Draw the whole grid, ``scale`` pixels per cell; if it wraps, this is one exact tile."""
        look = replace(look, lamp=None)
        if scale == 1:
            look = replace(look, scaling="squares")  # others would blend in neighboring cells
        width, height = extent(simulation, look)
        size = (width * scale, height * scale)
        return self.picture(simulation, Camera(zoom=float(scale)), look, size)

    def release(self) -> None:
        """Free the OpenGL objects."""
        for shader in (*self._screens.values(), *self._colors.values()):
            shader.release()
        self._lit.release()
        self._forget()
        self._release_canvases()
        self._decoded.release()
        self.flashes.release()
