"""Draw lit materials, or one of their maps; see ``shaders/lit.glsl``."""

import math
from collections.abc import Mapping

import moderngl

from nca.exporters.glsl.fragments import Capabilities, with_macro
from nca.exporters.glsl.lit import (
    FINE_CHANNELS,
    FINE_LAYOUT,
    LIT,
    MAP_VIEWS,
    lit_fragment,
    map_layout,
)
from nca.gl.shader import Shader, Textures, Value
from nca.maps import MAPS, MapName
from nca.viewer.simulation.canvas import Canvas, Part, lit_part
from nca.viewer.simulation.decoded import FineMaps
from nca.viewer.simulation.simulation import Simulation

# How far light and parallax reach, relative to the height of the relief. Shadows that come from
# farther away are seen only if the whole grid is drawn.
MARGIN = 2.0

_HOST = Capabilities("330", blend=True)


def maps_of(simulation: Simulation) -> tuple[MapName, ...]:
    """List the maps that any rule of a simulation has, even if the rule owns no cells."""
    return tuple(n for n in MAPS if any(n in rule.settings.maps for rule in simulation.rules))


def default_view(simulation: Simulation) -> str:
    """Return ``lit`` if a rule that owns cells has maps, otherwise ``colors``."""
    return LIT if any(rule.settings.maps for rule in simulation.present) else "colors"


class LitPictures:
    """Draws the views of materials: lit, or one of their maps."""

    def __init__(self, gl: moderngl.Context) -> None:
        self._gl = gl
        self._shaders: dict[tuple[object, ...], Shader] = {}
        self._fine = FineMaps(gl)

    def draw(
        self,
        view: str,
        simulation: Simulation,
        part: Part,
        target: Canvas,
        textures: Mapping[str, Textures],
        values: Mapping[str, Value],
        lamp: tuple[float, float] | None,
        relief: float,
    ) -> None:
        """Draw a part of the state into a texture.

        Args:
            view: one of ``MAP_VIEWS``.
            simulation: the simulation.
            part: the part to draw, and its size in pixels.
            target: texture of that size.
            textures, values: textures and uniforms of the shader that draws colors.
            lamp: place of the lamp in the part, from (0, 0) at the top left to (1, 1); None: a
                distant light.
            relief: height in cells where the height map is 1; 0: no shadows and no parallax.
        """
        rules, channels, wraps = simulation.present, simulation.channels, simulation.wraps
        layout = map_layout(rules[0].settings.maps) if len(rules) == 1 else None
        if simulation.decoded:  # light their pixels as if they were cells
            grid = simulation.width, simulation.height
            fine = lit_part(grid, part, simulation.scale, MARGIN * relief)
            given = {**values, "nca_wraps": wraps}
            pixels = self._fine.draw(simulation.decoded, fine, textures, given)
            textures = {**textures, **pixels.named("nca_state")}
            values = {**values, "nca_size": fine.size, "nca_alone": (1.0, 0.0, 0.0)}
            channels, layout = FINE_CHANNELS, FINE_LAYOUT
            wraps = wraps and fine.cells == (float(grid[0]), float(grid[1]))
            part, relief = part.within(fine), relief * fine.density
        macros = {
            "NCA_MAP": MAP_VIEWS.index(view),
            "NCA_RELIEF": int(relief > 0),
            "NCA_TAPS": 1 + max(1, math.ceil(1 / part.density)),
        }
        if layout is not None:
            macros["NCA_LAYOUT"] = layout
        self._shader(channels, macros).draw(
            target.target,
            textures,
            {
                **values,
                "nca_shown": part.place,
                "nca_wraps": wraps,
                "nca_lamp": (*lamp, 1.0) if lamp else (0.0, 0.0, 0.0),
                "nca_relief": relief,
            },
        )

    def _shader(self, channels: int, macros: Mapping[str, int]) -> Shader:
        key = channels, *macros.items()
        if key not in self._shaders:
            text = lit_fragment(_HOST, channels)
            for macro in macros.items():
                text = with_macro(text, "{} {}".format(*macro))
            self._shaders[key] = Shader(self._gl, text)
        return self._shaders[key]

    def release(self) -> None:
        """Release the compiled shaders."""
        for shader in self._shaders.values():
            shader.release()
        self._fine.release()
