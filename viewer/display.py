"""What is seen of a state: its colors, its channels, or what changes."""

from dataclasses import dataclass

import moderngl
from PIL import Image

from nca.errors import InputError
from nca.export.fragments import Host, view_fragment
from nca.rule import ALPHA
from nca.viewer.camera import Camera
from nca.viewer.shader import Shader
from nca.viewer.simulation import FLOAT_STATE, Simulation

COLOR_MAPS = ("grey", "inferno", "diverging")
BORDER_STRENGTH = 0.6
NO_RING = (0.0, 0.0, 0.0, 0.0)

_MODES = {"colors": 0, "channel": 1, "channels": 2, "change": 3}


@dataclass
class Look:
    """How a state is shown.

    Attributes:
        view: one of :func:`view_names`.
        color_map: of the views that show numbers, one of ``COLOR_MAPS``.
        smooth: blend between cells; else cells are squares.
        borders: draw lines between the tiles of a torus.

    """

    view: str = "colors"
    color_map: str = "inferno"
    smooth: bool = True
    borders: bool = False


def view_names(channels: int) -> list[str]:
    """All views of a state: colors, one channel, all channels side by side, the last change."""
    return ["colors", *(f"channel {c + 1}" for c in range(channels)), "channels", "change"]


def parse_view(text: str, channels: int) -> str:
    """Find a view by its name; ``alpha`` is channel 4.

    Raises:
        InputError: a state of so many channels has no such view.

    """
    name = f"channel {ALPHA + 1}" if text == "alpha" else text
    if name not in view_names(channels):
        raise InputError(
            f"--view {text}: must be colors, alpha, channels, change or "
            f"'channel 1' to 'channel {channels}'"
        )
    return name


class Display:
    """Draws simulations into framebuffers and pictures."""

    def __init__(self, gl: moderngl.Context) -> None:
        self._gl = gl
        self._shaders: dict[int, Shader] = {}

    def draw(
        self,
        simulation: Simulation,
        camera: Camera,
        look: Look,
        target: moderngl.Framebuffer,
        ring: tuple[float, float, float, float] = NO_RING,
    ) -> None:
        """Fill a framebuffer; ``ring`` is the brush: x, y and radius in cells, strength 0 to 1."""
        channels = simulation.channels
        if channels not in self._shaders:
            fragment = view_fragment(Host("330", blend=True), channels)
            self._shaders[channels] = Shader(self._gl, fragment)
        kind, _, number = look.view.partition(" ")
        self._shaders[channels].draw(
            target,
            {
                **simulation.state.named("nca_state"),
                **simulation.previous.named("nca_before"),
                "nca_field": simulation.field_texture,
                "nca_colors": simulation.colors,
            },
            {
                **FLOAT_STATE,
                "nca_size": (simulation.width, simulation.height),
                "nca_camera": (camera.x, camera.y, 1 / camera.zoom),
                "nca_height": float(target.viewport[3]),
                "nca_mode": _MODES[kind],
                "nca_channel": int(number) - 1 if number else 0,
                "nca_channels": channels,
                "nca_palette": COLOR_MAPS.index(look.color_map),
                "nca_smooth": look.smooth,
                "nca_wraps": simulation.wraps,
                "nca_borders": BORDER_STRENGTH if look.borders else 0.0,
                "nca_ring": ring,
            },
        )

    def picture(
        self, simulation: Simulation, camera: Camera, look: Look, size: tuple[int, int]
    ) -> Image.Image:
        """Draw a picture of ``size``, width and height in pixels.

        Raises:
            InputError: the driver cannot make one of this size.

        """
        limit = int(self._gl.info["GL_MAX_TEXTURE_SIZE"])
        if max(size) > limit:
            raise InputError(f"a picture of {size[0]}x{size[1]} is too large: at most {limit} here")
        target = self._gl.simple_framebuffer(size, 3)
        self.draw(simulation, camera, look, target)
        image = read_image(target)
        target.release()
        return image

    def whole(self, simulation: Simulation, look: Look, scale: int = 1) -> Image.Image:
        """Draw the whole grid, ``scale`` pixels per cell; of a torus this is one exact tile."""
        size = (simulation.width * scale, simulation.height * scale)
        return self.picture(simulation, Camera(zoom=float(scale)), look, size)

    def release(self) -> None:
        """Free what the driver holds."""
        for shader in self._shaders.values():
            shader.release()


def read_image(target: moderngl.Framebuffer) -> Image.Image:
    """Picture of a framebuffer; OpenGL's lowest row is the picture's last."""
    return image_of(target.read(components=3, alignment=1), target.size)


def image_of(pixels: bytes, size: tuple[int, int]) -> Image.Image:
    """Picture of bytes that were read from a framebuffer, RGB."""
    image = Image.frombytes("RGB", size, pixels)
    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
