"""Measure the range of a state, and whether it is finite, on the graphics card without waiting."""

from dataclasses import dataclass

import moderngl
import numpy as np

from nca.gl.shader import Shader
from nca.viewer.simulation.simulation import Simulation

BLOCK = 16  # side in cells of the block that one texel of the result describes


@dataclass(frozen=True)
class StateRange:
    """Smallest and largest finite value of a state, and the number of cells that are not finite."""

    low: float
    high: float
    broken_cells: int


class Meter:
    """Measures a simulation; each call returns the result of the previous one."""

    def __init__(self, gl: moderngl.Context) -> None:
        self._gl = gl
        self._key = (0, 0, 0)
        self._shader: Shader | None = None
        self._pending = False

    def update(self, simulation: Simulation) -> StateRange | None:
        """Return the result of the last call, if there was one, and start a new measurement.

        If calls are a few frames apart, they never wait for the graphics card.
        """
        key = (simulation.height, simulation.width, simulation.channels)
        if key != self._key:
            self._build(key)
        result = self._result() if self._pending else None
        assert self._shader is not None
        size = (simulation.width, simulation.height)
        self._shader.draw(self._target, simulation.state.named("nca_state"), {"nca_size": size})
        self._target.read_into(self._buffer, components=4, dtype="f4")
        self._pending = True
        return result

    def forget(self) -> None:
        """Drop the current measurement, because the state was replaced."""
        self._pending = False

    def measure(self, simulation: Simulation) -> StateRange:
        """Measure now, waiting for the result."""
        self.update(simulation)
        self._pending = False
        return self._result()

    def _build(self, key: tuple[int, int, int]) -> None:
        height, width, channels = key
        size = (-(-width // BLOCK), -(-height // BLOCK))
        self._key, self._pending = key, False
        self._shader = Shader(self._gl, _reduction(-(-channels // 4)))
        self._target = self._gl.framebuffer([self._gl.texture(size, 4, dtype="f4")])
        self._buffer = self._gl.buffer(reserve=16 * size[0] * size[1])

    def _result(self) -> StateRange:
        blocks = np.frombuffer(self._buffer.read(), np.float32).reshape(-1, 4)
        return StateRange(
            float(blocks[:, 0].min()), float(blocks[:, 1].max()), int(blocks[:, 2].sum())
        )


def _reduction(groups: int) -> str:
    """Shader that writes the smallest and largest value of a block, and the number of bad cells."""
    samplers = "".join(f"uniform sampler2D nca_state{g};\n" for g in range(groups))
    look = "".join(f"      nca_look(texelFetch(nca_state{g}, nca_at, 0));\n" for g in range(groups))
    return f"""#version 330
{samplers}uniform ivec2 nca_size;
layout(location = 0) out vec4 nca_out0;
float nca_low = 3e38, nca_high = -3e38;
bool nca_broken;

// Checks the bits: compilers may assume that isnan() is false.
bool nca_finite(float nca_v) {{ return (floatBitsToUint(nca_v) & 0x7f800000u) != 0x7f800000u; }}

void nca_look(vec4 nca_v) {{
  for (int nca_i = 0; nca_i < 4; nca_i++) {{
    if (nca_finite(nca_v[nca_i])) {{
      nca_low = min(nca_low, nca_v[nca_i]);
      nca_high = max(nca_high, nca_v[nca_i]);
    }} else nca_broken = true;
  }}
}}

void main() {{
  ivec2 nca_first = {BLOCK} * ivec2(gl_FragCoord.xy);
  ivec2 nca_end = min(nca_first + {BLOCK}, nca_size);
  float nca_count = 0.0;
  for (int nca_y = nca_first.y; nca_y < nca_end.y; nca_y++) {{
    for (int nca_x = nca_first.x; nca_x < nca_end.x; nca_x++) {{
      ivec2 nca_at = ivec2(nca_x, nca_y);
      nca_broken = false;
{look}      if (nca_broken) nca_count += 1.0;
    }}
  }}
  nca_out0 = vec4(nca_low, nca_high, nca_count, 0.0);
}}
"""
