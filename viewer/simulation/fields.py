"""The fields of a simulation, and the brushes that paint them; see :mod:`nca.fields.texels`."""

import moderngl
import numpy as np

from nca.fields.texels import FIELDS, NEUTRAL, FieldName
from nca.viewer.simulation.field import Bytes, cells_under
from nca.viewer.simulation.stroke import Stroke


def no_fields(width: int, height: int) -> Bytes:
    """Neutral texels, [height, width, 4]."""
    return np.tile(np.array(NEUTRAL, np.uint8), (height, width, 1))


class FieldLayer:
    """The texture of fields of a grid.

    Args:
        gl: OpenGL context.
        height, width: size of the grid in cells.
        wraps: whether the grid wraps at its edges.

    Attributes:
        texels: [H, W, 4] uint8; call :meth:`write` to change them.
        texture: the same on the graphics card.
        used: whether any texel is not neutral.
    """

    def __init__(self, gl: moderngl.Context, height: int, width: int, *, wraps: bool) -> None:
        self._wraps = wraps
        self.texture = gl.texture((width, height), 4)
        self.texels: Bytes = no_fields(width, height)
        self._show()

    def write(self, texels: Bytes) -> None:
        """Replace all texels, [H, W, 4]."""
        self.texels = texels.copy()
        self._show()

    def paint(self, field: FieldName, byte: int | None, stroke: Stroke) -> None:
        """Set a field under a brush; None sets it to neutral."""
        channel = FIELDS.index(field)
        value = NEUTRAL[channel] if byte is None else byte
        height, width = self.texels.shape[:2]
        rows, columns = cells_under(stroke, height, width, wraps=self._wraps)
        self.texels[rows, columns, channel] = value
        self._show()

    def _show(self) -> None:
        self.used = bool((self.texels != NEUTRAL).any())
        self.texture.write(self.texels.tobytes())

    def release(self) -> None:
        """Free the texture."""
        self.texture.release()
