"""Slime molds and ants: agents that follow trails and leave trails, in a window, a film or a page.

    python slime.py                                      a window; drag: food, right button: erase
    python slime.py slime.webp --frames 120 --every 5    a film: .webp, .mp4, a folder ...
    python slime.py slime.html --preset ants             a page in one file

The shaders are in slime.glsl. On the same graphics card, the same seed gives identical results.
"""

import argparse
import importlib
import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import moderngl

from nca.errors import GraphicsError, InputError, exit_code, explain
from nca.exporters.glsl.fragments import Dialect, vertex_shader
from nca.exporters.glsl.pieces import HASH
from nca.exporters.web.page import script_json
from nca.gl.context import open_headless
from nca.gl.shader import Shader
from nca.options import parse_size
from nca.rng import step_base
from nca.system.outputs import check_free
from nca.viewer.app import choose_display
from nca.viewer.files.recording import Grabber, Recorder

HERE = Path(__file__).parent
PRECISION = "precision highp float;\nprecision highp int;\nprecision highp sampler2D;\n"
FOOD, ERASE = 1, 2
MAX_AGENTS = 2**24


@dataclass(frozen=True)
class Preset:
    """How agents sense and turn (in cells and radians), and how fast a trail fades."""

    reach: float
    angle: float
    turn: float
    wander: float
    decay: float
    crowd: float


PRESETS = {
    "slime": Preset(reach=9, angle=0.39, turn=0.79, wander=0, decay=0.1, crowd=1),
    "ants": Preset(reach=5, angle=0.8, turn=0.25, wander=0.9, decay=0.02, crowd=4),
}


def shader(name: str, dialect: Dialect = "330") -> str:
    """The source code of a pass."""
    precision = PRECISION if dialect == "300 es" else ""
    body = (HERE / "slime.glsl").read_text()
    return f"#version {dialect}\n{precision}#define {name}\n{HASH}\n{body}"


class Layer:
    """A floating-point texture that can be read from and drawn into."""

    def __init__(
        self, gl: moderngl.Context, size: tuple[int, int], components: int, dtype: str = "f4"
    ) -> None:
        self.texture = gl.texture(size, components, dtype=dtype)
        self.target = gl.framebuffer([self.texture])
        self.target.clear()


class Slime:
    """Agents on a grid.

    Args:
        gl: OpenGL context.
        size: width and height of the grid in cells.
        count: number of agents.
        preset: how the agents behave.
        seed: random seed for the places and turns of the agents.
    """

    def __init__(
        self, gl: moderngl.Context, size: tuple[int, int], count: int, preset: Preset, seed: int = 0
    ) -> None:
        self._gl, self._count, self._seed, self.steps = gl, count, seed, 0
        across = math.isqrt(count - 1) + 1
        crowd = (across, -(-count // across))
        self.agents, self._agents = (Layer(gl, crowd, 4) for _ in range(2))
        self.trail, self._trail = (Layer(gl, size, 2) for _ in range(2))
        self._counts = Layer(gl, size, 1, "f2")  # every graphics card can blend half floats
        self._passes = {name: Shader(gl, shader(name)) for name in ("MOVE", "TRAIL", "PICTURE")}
        for one in self._passes.values():
            one.set({"size": size, "mean": count / math.prod(size) / preset.decay})
            one.set(asdict(preset))
        points = gl.program(vertex_shader=shader("DEPOSIT"), fragment_shader=shader("POINT"))
        points["size"], points["across"] = size, across
        self._points = gl.vertex_array(points, [])

    def step(
        self, tool: int = 0, stroke: tuple[float, ...] = (0, 0, 0, 0), radius: float = 6
    ) -> None:
        """Move the agents and update the trail; the brush lays food or erases along a stroke."""
        values = {"base": step_base(self.steps, self._seed), "born": self.steps == 0}
        self._draw("MOVE", self._agents.target, values)
        self.agents, self._agents = self._agents, self.agents
        self._deposit()
        self._draw("TRAIL", self._trail.target, {"tool": tool, "stroke": stroke, "radius": radius})
        self.trail, self._trail = self._trail, self.trail
        self.steps += 1

    def draw(self, target: moderngl.Framebuffer, scale: float) -> None:
        """Draw the trail, with ``scale`` pixels per cell."""
        self._draw("PICTURE", target, {"scale": scale})

    def _draw(self, name: str, target: moderngl.Framebuffer, values: dict[str, Any]) -> None:
        layers = {"agents": self.agents, "trail": self.trail, "counts": self._counts}
        textures = {name: layer.texture for name, layer in layers.items()}
        self._passes[name].draw(target, textures, values)

    def _deposit(self) -> None:
        """Count the agents in each cell by adding up one point per agent."""
        self._counts.target.clear()
        self._counts.target.use()
        self.agents.texture.use(0)
        self._gl.enable(moderngl.BLEND)
        self._gl.blend_func = moderngl.ONE, moderngl.ONE
        self._points.render(moderngl.POINTS, vertices=self._count)
        self._gl.disable(moderngl.BLEND)


def slime_of(gl: moderngl.Context, words: argparse.Namespace) -> Slime:
    """Create the agents that the options describe."""
    return Slime(gl, words.size, words.agents, PRESETS[words.preset], words.seed)


def record(words: argparse.Namespace) -> None:
    """Write a film, with ``every`` steps per frame."""
    gl = open_headless()
    slime = slime_of(gl, words)
    width, height = (side * words.scale // 2 * 2 for side in words.size)  # videos need an even size
    grabber = Grabber(gl, (width, height))
    with Recorder(words.result, (width, height), words.fps) as recorder:
        for _ in range(words.frames):
            for _ in range(words.every):
                slime.step()
            slime.draw(grabber.target, words.scale)
            grabber.grab()
            recorder.add(grabber.last() or b"", wait=True)
    gl.release()


def show(words: argparse.Namespace) -> None:
    """Run in a window until it is closed. A drag past the edge of the grid wraps around."""
    choose_display()
    glfw = importlib.import_module("glfw")
    module = importlib.import_module("nca.viewer.window.window")
    size = (words.size[0] * words.scale, words.size[1] * words.scale)
    window = module.Window("slime", size, monitor=0, vsync=True)
    slime = slime_of(window.gl, words)
    before = None
    while not glfw.window_should_close(window.handle):
        glfw.poll_events()
        buttons = (glfw.MOUSE_BUTTON_LEFT, glfw.MOUSE_BUTTON_RIGHT)
        held = [glfw.get_mouse_button(window.handle, button) for button in buttons]
        x, y = window.pointer()
        at = (x / words.scale, (window.picture_size[1] - y) / words.scale)
        tool = FOOD if held[0] else ERASE if held[1] else 0
        for _ in range(words.every):
            slime.step(tool, (*(before or at), *at))
        before = at if tool else None
        window.gl.screen.viewport = (0, 0, *window.picture_size)
        slime.draw(window.gl.screen, words.scale)
        glfw.swap_buffers(window.handle)
    window.close()


def page(words: argparse.Namespace) -> str:
    """Make a page that runs the same shaders in WebGL 2."""
    chosen = ("preset", "agents", "size", "seed", "scale", "every")
    data = {
        "vertex": vertex_shader("300 es"),
        "shader": shader("PASS", "300 es"),
        "presets": {name: asdict(preset) for name, preset in PRESETS.items()},
        **{name: getattr(words, name) for name in chosen},
    }
    return (HERE / "slime.html").read_text().replace("{{ data }}", script_json(data))


def main() -> None:
    """Write the kind of result that the file extension selects, or open a window."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "result", nargs="?", type=Path, help="film or page to write; default: open a window"
    )
    parser.add_argument("--preset", choices=PRESETS, default="slime")
    parser.add_argument("--agents", type=int, default=20_000, help="number of agents")
    parser.add_argument("--grid", default="400x300", help="size in cells")
    parser.add_argument("--scale", type=int, default=2, help="pixels per cell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=1, help="steps per frame")
    parser.add_argument("--frames", type=int, default=200, help="number of frames of a film")
    parser.add_argument("--fps", type=float, default=25, help="frames per second of a film")
    words = parser.parse_args()
    try:
        words.size = parse_size("grid", words.grid, 16, 8192)
        if not 1 <= words.agents <= MAX_AGENTS:
            raise InputError(f"`agents` {words.agents}: must be 1 to {MAX_AGENTS}")
        if words.result is None:
            show(words)
        elif words.result.suffix == ".html":
            check_free(words.result, False, file=True)
            words.result.write_text(page(words))
        else:
            record(words)
    except (InputError, GraphicsError, OSError) as error:
        print(f"slime: {explain(error)}", file=sys.stderr)
        sys.exit(exit_code(error))


if __name__ == "__main__":
    main()
