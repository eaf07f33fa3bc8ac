"""The decoder of a rule, which computes each pixel from the cells around it.

With a decoder, a picture is finer than the grid. The decoder is a tiny network, the same for all
cells and pixels (Pajouheshgar et al., "Neural Cellular Automata: From Cells to Pixels",
arXiv:2506.22899, 2025). Its inputs are the channels, interpolated between the centers of the four
nearest cells. Its output is added to the interpolated colors of the cells, or to all maps of a
material. In the paper, sines and cosines of the pixel's position (u, v) within its cell are inputs,
too. Here they are optional, because they make the grid visible; see ``docs/lab/decoder.md``.
"""

import math
import reprlib
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["sine", "relu"]
MIN_SCALE, MAX_SCALE = 2, 16
MAX_ORDER = 8
MIN_UNITS, MAX_UNITS = 16, 64
MAX_LAYERS = 2
COLORS = 3
FIRST_GAIN = 3.0  # factor for initial weights of the first layer; its inputs are small, about 0.5


def _is_whole(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


@dataclass(frozen=True)
class DecoderSettings:
    """The settings of a decoder.

    Attributes:
        scale: pixels per cell along each axis, 2 to 16; pictures can also be drawn at any other
            scale.
        order: highest frequency of the position inputs, 0 to 8. The inputs are the sin and cos of
            2 pi k u and 2 pi k v for k = 1 ... order. With 0, there are no such inputs.
        hidden: number of units in each hidden layer; one or two layers of 16 to 64 units.
        activation: activation function of the hidden layers, ``sine`` or ``relu``.

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    scale: int = 8
    order: int = 0
    hidden: tuple[int, ...] = (32,)
    activation: Activation = "relu"

    def __post_init__(self) -> None:
        def check(ok: bool, name: str, right: str) -> None:
            if not ok:
                given = reprlib.repr(getattr(self, name))
                raise ValueError(f"decoder {name} must be {right}, not {given}")

        check(_is_whole(self.scale, MIN_SCALE, MAX_SCALE), "scale", f"{MIN_SCALE} to {MAX_SCALE}")
        check(_is_whole(self.order, 0, MAX_ORDER), "order", f"0 to {MAX_ORDER}")
        units = self.hidden
        check(
            isinstance(units, list | tuple)
            and 1 <= len(units) <= MAX_LAYERS
            and all(_is_whole(count, MIN_UNITS, MAX_UNITS) for count in units),
            "hidden",
            f"1 or {MAX_LAYERS} numbers from {MIN_UNITS} to {MAX_UNITS}",
        )
        object.__setattr__(self, "hidden", tuple(units))
        kinds = get_args(Activation)
        check(self.activation in kinds, "activation", f"one of {kinds}")

    def shapes(self, channels: int, outputs: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the weights by name; see :class:`Decoder`."""
        sizes = (channels + 4 * self.order, *self.hidden, outputs)
        shapes: dict[str, tuple[int, ...]] = {}
        for i in range(1, len(sizes)):
            shapes |= {f"w{i}": (sizes[i], sizes[i - 1]), f"b{i}": (sizes[i],)}
        return shapes


class Decoder(nn.Module):
    """The weights of a decoder.

    Args:
        settings: sizes and activation.
        channels: number of channels of a cell, C.
        generator: source of the initial weights. The last layer starts at zero, so the first
            picture shows the interpolated colors of the cells.
        outputs: number of outputs, N: one for each channel that is drawn.

    Shapes:
        ``w1 [hidden, C + 4*order]``, ``b1 [hidden]``, then ``w2``, ``b2`` and, with two hidden
        layers, ``w3``, ``b3``. The first C columns of ``w1`` are for the channels. Then, for each
        frequency k, four columns starting at ``C + 4*(k-1)`` are for sin 2 pi k u, cos 2 pi k u,
        sin 2 pi k v and cos 2 pi k v. The last layer has N rows: red, green, blue, and then the
        other maps of a material in the order of their channels.
    """

    w1: nn.Parameter
    b1: nn.Parameter

    def __init__(
        self,
        settings: DecoderSettings,
        channels: int,
        generator: torch.Generator | None = None,
        *,
        outputs: int = COLORS,
    ) -> None:
        super().__init__()
        self.settings, self.channels, self.outputs = settings, channels, outputs
        self.layers = len(settings.hidden) + 1
        shapes = settings.shapes(channels, outputs)
        for name, shape in shapes.items():
            weight = torch.zeros(shape)
            if not name.endswith(str(self.layers)):
                inputs = shapes[f"w{name[1:]}"][1]
                bound = math.sqrt((FIRST_GAIN if name == "w1" else 1.0) * 3 / inputs)
                nn.init.uniform_(weight, -bound, bound, generator=generator)
            self.register_parameter(name, nn.Parameter(weight))

    def forward(self, padded: Tensor, rows: Tensor, columns: Tensor, *, wraps: bool) -> Tensor:
        """Compute what to add to the interpolated colors or maps of the cells.

        Args:
            padded, rows, columns, wraps: see :func:`interpolate`; it has all channels.

        Returns:
            [B, N, h, w]; N is the number of outputs.
        """
        order = self.settings.order
        # The units are the first axis here, so that one product serves all pixels. The first layer
        # is linear in the channels, so that part is computed once per cell and then interpolated.
        from_channels = torch.tensordot(self.w1[:, : self.channels], padded, ([1], [1]))
        from_channels = interpolate(from_channels, rows, columns, wraps=wraps)  # [hidden, B, h, w]
        # [hidden, order, (u, v), (sin, cos)]
        weights = self.w1[:, self.channels :].view(len(self.w1), order, 2, 2)
        across, down = (weights[:, :, i].flatten(1) for i in (0, 1))
        v, u = (
            waves(places, order).to(padded.dtype).to(padded.device) for places in (rows, columns)
        )
        place = (down @ v)[:, :, None] + (across @ u + self.b1[:, None])[:, None]
        hidden = self._activate(from_channels + place[:, None]).flatten(1)
        for i in range(2, self.layers + 1):
            hidden = torch.addmm(getattr(self, f"b{i}")[:, None], getattr(self, f"w{i}"), hidden)
            if i < self.layers:
                hidden = self._activate(hidden)
        return hidden.view(self.outputs, *from_channels.shape[1:]).transpose(0, 1)

    def _activate(self, values: Tensor) -> Tensor:
        return values.sin() if self.settings.activation == "sine" else F.relu(values)


def waves(places: Tensor, order: int) -> Tensor:
    """Sines and cosines of positions within their cells, [n] -> [2 * order, n]."""
    turns = 2 * math.pi * torch.arange(1, order + 1)[:, None] * (places % 1)
    return torch.stack([turns.sin(), turns.cos()], 1).flatten(0, 1)


def interpolate(padded: Tensor, rows: Tensor, columns: Tensor, *, wraps: bool) -> Tensor:
    """Interpolate bilinearly between the centers of cells, at every row and column.

    Args:
        padded: values of the cells, padded by one cell on every side, [B, N, H+2, W+2].
        rows, columns: positions in cells, measured from the top left corner of the grid, [h] and
            [w], on the CPU; the center of the first cell is at 0.5.
        wraps: whether positions beyond the grid wrap around to its opposite side; otherwise, the
            values stay constant beyond the padding.

    Returns:
        [B, N, h, w].
    """
    for axis, places in ((2, rows), (3, columns)):
        size = padded.shape[axis] - 2
        at = places - 0.5
        near = torch.arange(math.floor(float(at.min())), math.floor(float(at.max())) + 2)
        weights = (1 - (at[:, None] - near).abs()).clamp(min=0)
        weights = weights.to(padded.dtype).to(padded.device)  # some devices do not support float64
        cells = near % size if wraps else near.clamp(-1, size)
        kept = padded.index_select(axis, cells.to(padded.device) + 1)
        # Use matrix products, because the backward pass of a gather is several times slower.
        padded = weights @ kept if axis == 2 else kept @ weights.T
    return padded


def pixel_places(start: float, length: float, count: int) -> Tensor:
    """Centers of ``count`` equal pixels that cover ``length`` cells from ``start``, float64."""
    return start + (torch.arange(count, dtype=torch.float64) + 0.5) * length / count
