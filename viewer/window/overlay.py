"""Text over the texture: name, numbers, messages and help. It needs no GUI toolkit."""

from collections.abc import Callable, Hashable

import moderngl
from PIL import Image

from nca.gl.shader import Shader, Value
from nca.viewer.actions import Actions
from nca.viewer.controls import GESTURES, KEYS
from nca.viewer.simulation.lit import default_view
from nca.viewer.speed import speed_text
from nca.viewer.window.lettering import floating_lines, help_sheet, toast

TEXT = 14.0  # pixels, at a scale of 1
MARGIN = 22.0
IDLE_SECONDS = 3.0
NUMBERS_EVERY = 0.5  # seconds

_FRAGMENT = """#version 330
uniform sampler2D nca_picture;
uniform vec2 nca_corner;   // top left of the image in the target, in pixels
uniform float nca_height;  // height of the target
layout(location = 0) out vec4 nca_out0;
void main() {
  vec2 nca_pixel = vec2(gl_FragCoord.x, nca_height - gl_FragCoord.y) - nca_corner;
  nca_out0 = texelFetch(nca_picture, ivec2(nca_pixel), 0);
}
"""


class Overlay:
    """Draws text over the texture; text is rendered again only when it changes.

    Args:
        gl: OpenGL context.
        actions: source of the displayed values.
    """

    def __init__(self, gl: moderngl.Context, actions: Actions) -> None:
        self._gl, self._actions = gl, actions
        self._shader = Shader(gl, _FRAGMENT)
        self._pictures: dict[str, tuple[Hashable, moderngl.Texture]] = {}
        self._active_at = self._actions.player.clock()
        self._numbers, self._numbers_at = "", 0.0

    def wake(self) -> None:
        """Show name and numbers again for a while, after user input."""
        self._active_at = self._actions.player.clock()

    @property
    def idle(self) -> bool:
        """Whether there has been no user input for a while."""
        return self._actions.player.clock() - self._active_at > IDLE_SECONDS

    def draw(self, target: moderngl.Framebuffer, scale: float, *, covered: float = 0.0) -> None:
        """Draw over a target.

        Args:
            target: framebuffer to draw into.
            scale: pixels per screen unit, for example 2 on a high-resolution screen.
            covered: width in pixels of the panel on the right, which also shows the numbers.
        """
        actions, player = self._actions, self._actions.player
        width = target.viewport[2] - covered
        text, margin = TEXT * scale, MARGIN * scale
        if actions.help:
            self._draw_help(target, text)
        elif actions.controls and not (self.idle and player.running and not player.trouble):
            title, line = player.title, self._subtitle()
            header = self._picture(
                "header",
                (title, line, scale),
                lambda: floating_lines([(title, 1.5 * text, True), (line, text, False)]),
            )
            inset = 1.2 * 1.5 * text
            self._put(target, header, margin - inset, margin - inset)
            if not covered:
                numbers = self._number_lines()
                hud = self._picture(
                    "numbers",
                    (numbers, scale),
                    lambda: floating_lines(
                        [(part, 0.92 * text, False) for part in numbers.split("\n")],
                        align_right=True,
                    ),
                )
                inset = 1.2 * 0.92 * text
                self._put(target, hud, width - hud.width - margin + inset, margin - inset)
        message = player.trouble or player.message
        if message:
            room = min(0.75 * width, 46 * text)
            pill = self._picture("toast", (message, room), lambda: toast(message, text, room))
            low = target.viewport[3] - pill.height - margin
            self._put(target, pill, (width - pill.width) / 2, low)

    def _draw_help(self, target: moderngl.Framebuffer, text: float) -> None:
        width, height = target.viewport[2:]
        keys = [(key.show, key.help) for key in KEYS if key.help]
        whole = help_sheet(GESTURES, keys, text)
        # A small window gets smaller text, as long as it is legible.
        room = min(1.0, 0.96 * width / whole.width, 0.96 * height / whole.height)
        size = max(text * room, 0.6 * text)
        sheet = self._picture("help", size, lambda: help_sheet(GESTURES, keys, size))
        self._put(target, sheet, (width - sheet.width) / 2, (height - sheet.height) / 2)

    def _subtitle(self) -> str:
        player = self._actions.player
        parts = [speed_text(player.speed.steps_per_frame) if player.running else "paused"]
        if player.view != default_view(player.simulation):
            parts.append(player.view)
        if player.recordings.running:
            parts.append("recording")
        return ", ".join(parts)

    def _number_lines(self) -> str:
        """Numbers as text, updated a few times per second."""
        now = self._actions.player.clock()
        if now - self._numbers_at >= NUMBERS_EVERY:
            self._numbers_at, self._numbers = now, number_text(self._actions)
        return self._numbers

    def _picture(
        self, name: str, key: Hashable, make: Callable[[], Image.Image]
    ) -> moderngl.Texture:
        kept = self._pictures.get(name)
        if kept is not None and kept[0] == key:
            return kept[1]
        if kept is not None:
            kept[1].release()
        picture = make()
        texture = self._gl.texture(picture.size, 4, picture.tobytes())
        self._pictures[name] = (key, texture)
        return texture

    def _put(
        self, target: moderngl.Framebuffer, picture: moderngl.Texture, x: float, y: float
    ) -> None:
        """Draw an image with its top left corner at x, y, clipped at the edges of the target."""
        whole = target.viewport
        left, top = round(x), round(y)
        bottom = whole[3] - top - picture.height
        self._gl.enable(moderngl.BLEND)
        self._gl.blend_func = (moderngl.SRC_ALPHA, moderngl.ONE_MINUS_SRC_ALPHA)
        target.viewport = (left, bottom, picture.width, picture.height)
        values: dict[str, Value] = {
            "nca_corner": (float(left), float(top)),
            "nca_height": float(whole[3]),
        }
        self._shader.draw(target, {"nca_picture": picture}, values)
        target.viewport = whole
        self._gl.disable(moderngl.BLEND)


def number_text(actions: Actions) -> str:
    """Rates, precision and range of the state, in a few lines."""
    player = actions.player
    rates, measured = player.rates, player.state_range
    lines = [
        f"{rates.frames:.0f} frames/s   {rates.steps:.0f} steps/s",
        f"{player.grid[0]} x {player.grid[1]} cells, step {player.simulation.step_number}",
    ]
    if measured is not None:
        lines.append(f"float32, {measured.low:.2f} to {measured.high:.2f}")
    if player.speed.limited:
        lines.append("slower than requested, to keep the frame rate")
    return "\n".join(lines)
