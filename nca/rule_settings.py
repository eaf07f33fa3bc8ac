"""The settings of a rule, and the rounding that it was trained with."""

import reprlib
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeGuard, get_args

import torch
from torch import Tensor

from nca.decoder import DecoderSettings
from nca.maps import MapName, check_maps

Padding = Literal["circular", "zeros", "reflect", "replicate"]
Start = Literal["zeros", "noise", "center"]
KEYS = {"start": "seed_state"}  # fields with a different name in rule files
# Fields that rule files of version 1.0 do not have.
LATER_SETTINGS = ("calm", "decoder", "maps", "dilations")
MAX_CHANNELS, MAX_HIDDEN, MAX_DILATION = 64, 1024, 3
LARGEST_FLOAT32 = torch.finfo(torch.float32).max


def is_float32(value: object) -> TypeGuard[float]:
    """Whether a value, for example from JSON, is a number that a float32 can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= LARGEST_FLOAT32


@dataclass(frozen=True)
class Quantizer:
    """A uniform grid of ``levels`` values: ``(k / (levels - 1) - zero) * range``, k = 0, 1, ...

    With 256 levels, these are the values that an 8-bit texture can store.
    """

    range: float
    zero: float
    levels: int = 256

    def __post_init__(self) -> None:
        if not (is_float32(self.range) and self.range > 0):
            raise ValueError(f"quantizer range must be above 0, not {reprlib.repr(self.range)}")
        if not (is_float32(self.zero) and 0 <= self.zero <= 1):
            raise ValueError(f"quantizer zero must be from 0 to 1, not {reprlib.repr(self.zero)}")
        if type(self.levels) is not int or not 2 <= self.levels <= 65536:
            raise ValueError(
                f"quantizer levels must be 2 to 65536, not {reprlib.repr(self.levels)}"
            )
        object.__setattr__(self, "range", float(self.range))
        object.__setattr__(self, "zero", float(self.zero))

    def __call__(self, value: Tensor) -> Tensor:
        """Round to the nearest value of the grid; clamp values outside to its ends.

        Gradients pass unchanged, even outside the range, so that training can pull a value back.
        """
        top = self.levels - 1
        level = ((value.detach() / self.range + self.zero).clamp(0, 1) * top).round()
        return straight_through(value, (level / top - self.zero) * self.range)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, rounded: Tensor) -> Tensor:
        del ctx, value
        return rounded

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        del ctx
        return gradients[0], None


def straight_through(value: Tensor, rounded: Tensor) -> Tensor:
    """``rounded``, with the gradient of ``value`` (Bengio et al., arXiv:1308.3432, 2013)."""
    result: Tensor = _StraightThrough.apply(value, rounded)  # type: ignore[no-untyped-call]
    return result


# Range of an 8-bit state for rules that do not set one, as in "Self-Organising Textures".
EIGHT_BIT_STATE = Quantizer(range=4.0, zero=127 / 255)


@dataclass(frozen=True)
class Quantization:
    """What a rule rounds if it was trained for 8-bit textures. None: not rounded."""

    state: Quantizer | None = None
    perception: Quantizer | None = None
    hidden: Quantizer | None = None
    update: Quantizer | None = None


@dataclass(frozen=True)
class RuleSettings:
    """The settings of a rule: everything except its filters and weights.

    Attributes:
        channels: number of values per cell, 4 to 64; the first three are the color.
        hidden: number of hidden units, 1 to 1024.
        padding: what cells see beyond the border of the grid. ``circular`` makes the texture tile.
        update_rate: probability that a cell fires in a step, above 0 and at most 1.
        rgb_scale, rgb_offset: color = ``state[:3] * rgb_scale + rgb_offset``, shown in [0, 1].
        alive_threshold: cells live while channel 3 is above this somewhere in their 3x3
            neighborhood, before and after the step; other cells become zero. None: all cells live.
        start: initial state: ``zeros``; uniform ``noise`` in (-noise_level / 2, noise_level / 2);
            or ``center``: zeros, but in the central cell the channels from the fourth on are 1.
        noise_level: width of the noise in the initial state.
        hidden_clip: upper bound of the hidden layer after ReLU. None: no bound.
        quantization: rounding that the rule was trained with.
        calm: whether players run the rule calm after it has grown: all cells fire, in shorter
            steps; see :func:`nca.rescaling.calmed`.
        decoder: the network that draws pictures, or all maps, that are finer than the grid. None:
            one pixel per cell.
        maps: the maps of a material that the first channels hold, in this order; see
            :mod:`nca.maps`. Empty: only a color.
        dilations: for each filter, the distance between its taps in cells, 1 to 3, in ascending
            order. Empty: 1 for all filters.

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    channels: int = 8
    hidden: int = 32
    padding: Padding = "circular"
    update_rate: float = 0.5
    rgb_scale: float = 1.0
    rgb_offset: float = 0.5
    alive_threshold: float | None = None
    start: Start = "zeros"
    noise_level: float = 0.0
    hidden_clip: float | None = None
    quantization: Quantization = Quantization()
    calm: bool = False
    decoder: DecoderSettings | None = None
    maps: tuple[MapName, ...] = ()
    dilations: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        def check(ok: bool, name: str, right: str) -> None:
            if not ok:
                raise ValueError(f"{name} must be {right}, not {reprlib.repr(getattr(self, name))}")

        for name in ("update_rate", "rgb_scale", "rgb_offset", "noise_level"):
            check(is_float32(getattr(self, name)), name, "a finite number")
            # Torch does not accept integers beyond int64, even if a float could hold them.
            object.__setattr__(self, name, float(getattr(self, name)))
        for name in ("alive_threshold", "hidden_clip"):
            value = getattr(self, name)
            check(value is None or is_float32(value), name, "a finite number or null")
            object.__setattr__(self, name, None if value is None else float(value))
        for name in ("channels", "hidden"):
            check(type(getattr(self, name)) is int, name, "a whole number")
        check(4 <= self.channels <= MAX_CHANNELS, "channels", f"4 to {MAX_CHANNELS}")
        check(1 <= self.hidden <= MAX_HIDDEN, "hidden", f"1 to {MAX_HIDDEN}")
        check(self.padding in get_args(Padding), "padding", f"one of {get_args(Padding)}")
        check(0 < self.update_rate <= 1, "update_rate", "above 0 and at most 1")
        check(self.start in get_args(Start), "start", f"one of {get_args(Start)}")
        check(0 <= self.noise_level <= 100, "noise_level", "0 to 100")
        check(self.hidden_clip is None or self.hidden_clip > 0, "hidden_clip", "above 0 or null")
        check(isinstance(self.calm, bool), "calm", "true or false")
        if self.maps != ():
            object.__setattr__(self, "maps", check_maps(self.maps, self.channels))
        check(
            _are_dilations(self.dilations),
            "dilations",
            f"numbers from 1 to {MAX_DILATION} in ascending order",
        )
        object.__setattr__(self, "dilations", tuple(self.dilations))

    @property
    def wraps(self) -> bool:
        """Whether the grid wraps around: left edge to right edge, top to bottom."""
        return self.padding == "circular"

    @property
    def pixels_per_cell(self) -> int:
        """Pixels per cell of a picture along each axis; 1 without a decoder."""
        return 1 if self.decoder is None else self.decoder.scale

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and nulls, for JSON.

        Later settings are left out if not set, because programs that read version 1.0 reject them.
        """
        data = {KEYS.get(name, name): value for name, value in asdict(self).items()}
        for name in LATER_SETTINGS:
            if not data[name]:
                del data[name]
        return data

    def runs_calm(self, calm: Literal["auto", "on", "off"]) -> bool:
        """Whether a run is calm; ``auto`` uses the rule's own setting."""
        return self.calm if calm == "auto" else calm == "on"

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "RuleSettings":
        """Read what :meth:`to_dict` wrote.

        Raises:
            ValueError: a field is unknown, has the wrong type or is out of range.
        """
        known = {KEYS.get(field.name, field.name): field.name for field in fields(cls)}
        unknown = sorted(set(data) - set(known))
        if unknown:
            raise ValueError(f"unknown setting {unknown[0]!r}; this version has {sorted(known)}")
        values = {known[key]: value for key, value in data.items()}
        parts = values.pop("quantization", None) or {}
        decoder = values.pop("decoder", None)
        try:
            quantization = Quantization(
                **{
                    name: None if part is None else Quantizer(**part)
                    for name, part in parts.items()
                }
            )
            if decoder is not None:
                values["decoder"] = DecoderSettings(**decoder)
            return cls(quantization=quantization, **values)
        except (TypeError, AttributeError) as error:
            raise ValueError(f"a setting has the wrong type: {error}") from error


def _are_dilations(values: object) -> bool:
    return (
        isinstance(values, list | tuple)
        and all(type(value) is int and 1 <= value <= MAX_DILATION for value in values)
        and list(values) == sorted(values)
    )
