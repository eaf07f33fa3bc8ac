"""Encode a rule as the text of a link, in base64url: settings, and 8 or 16 bits per weight.

:mod:`nca.exporters.link_text` packs the bytes into text. Numbers are little-endian.
``shaders/page/reading/link.js`` reads and writes the same format:

- flags, channels (1 byte each), hidden units (2 bytes). Bits of the flags: 1 = 16 bits per weight,
  2 = has ``b2``, 4 = filters follow, 8 = settings follow, 16 and 32 = index of the padding,
  64 and 128 = index of the initial state.
- settings: 2 bytes of flags for those that follow (see ``_settings_bytes``), then their values as
  float64. A quantizer is stored as its range, its zero, and its number of levels minus one
  (2 bytes). A decoder has 1 byte for each of scale, order, activation (0: sine, 1: ReLU), number of
  hidden layers, and units of each layer. Maps are stored as a count and the index of each in
  :data:`nca.maps.MAPS` (1 byte each). Dilations are stored as a count and the dilation of each
  filter (1 byte each).
- filters: a count (1 byte), and their coefficients as float32. If there are none, the rule has the
  default filters.
- for each of ``w1 b1 w2 b2`` and of the tensors of a decoder: scales, then integers; a weight is an
  integer times a scale. A row of 24 weights or more has its own scale; the shorter rows of a tensor
  share one. A scale is the upper half of a float32.
"""

import struct
from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import torch

from nca.decoder import Activation, DecoderSettings
from nca.exporters.glsl.general import PADDINGS, STARTS
from nca.exporters.glsl.pieces import Matrix
from nca.exporters.link_text import pack_text, unpack_text
from nca.maps import MAPS, MapName
from nca.rule import MAX_FILTERS, Rule, filter_tensor
from nca.rule_settings import Quantization, Quantizer, RuleSettings

Bits = Literal[8, 16]
MAX_TEXT = 4_000_000  # characters
LONG_ROW = 24  # a row with at least this many weights has its own scale
# Flags: 16 bits per weight; there is b2; filters follow; settings follow.
WIDE, BIAS, FILTERS, MORE = 1, 2, 4, 8
REALS = ("update_rate", "rgb_scale", "rgb_offset", "noise_level", "alive_threshold", "hidden_clip")
ACTIVATIONS = get_args(Activation)
GRIDS = ("state", "perception", "hidden", "update")


def write_link(rule: Rule, bits: Bits) -> str:
    """Encode a rule as the text that follows ``r=`` in the address of a page."""
    body = _settings_bytes(rule, bits)
    for _, parameter in rule.named_parameters():
        body += _weight_bytes(parameter.detach().numpy(), bits)
    return pack_text(body)


def read_link(text: str) -> Rule:
    """Read the text that :func:`write_link` wrote.

    Raises:
        ValueError: the text is damaged, or something in it is out of range.
    """
    return _Reader(unpack_text(text, "the link", MAX_TEXT)).rule()


def shortened(rule: Rule, bits: Bits) -> Rule:
    """Return the rule after it was encoded as a link and decoded again."""
    return read_link(write_link(rule, bits))


def _settings_bytes(rule: Rule, bits: Bits) -> bytes:
    settings, default = rule.settings, RuleSettings()
    changed = [name for name in REALS if getattr(settings, name) != getattr(default, name)]
    grids = {name: grid for name in GRIDS if (grid := getattr(settings.quantization, name))}
    given = sum(1 << i for i, name in enumerate((*REALS, *GRIDS)) if name in (*changed, *grids))
    given += (settings.calm << 10) + ((settings.decoder is not None) << 11)
    given += (bool(settings.maps) << 12) + (bool(settings.dilations) << 13)
    own = not torch.equal(rule.filters, filter_tensor())
    flags = WIDE * (bits == 16) + BIAS * (rule.b2 is not None) + FILTERS * own + MORE * bool(given)
    flags += 16 * PADDINGS.index(settings.padding) + 64 * STARTS.index(settings.start)
    data = struct.pack("<BBH", flags, settings.channels, settings.hidden)
    if given:
        data += struct.pack(f"<H{len(changed)}d", given, *(getattr(settings, n) for n in changed))
        for grid in grids.values():
            data += struct.pack("<ddH", grid.range, grid.zero, grid.levels - 1)
    if settings.decoder is not None:
        decoder, units = settings.decoder, settings.decoder.hidden
        kind = ACTIVATIONS.index(decoder.activation)
        data += bytes([decoder.scale, decoder.order, kind, len(units), *units])
    if settings.maps:
        data += bytes([len(settings.maps), *map(list(MAPS).index, settings.maps)])
    if settings.dilations:
        data += bytes([len(settings.dilations), *settings.dilations])
    if own:
        coefficients: bytes = rule.filters.numpy().astype("<f4").tobytes()
        data += bytes([len(rule.filters)]) + coefficients
    return data


def _weight_bytes(weights: Matrix, bits: Bits) -> bytes:
    rows = weights.reshape(-1, _row_length(weights.shape)).astype(np.float64)
    top = 2 ** (bits - 1) - 1
    largest = (np.abs(rows).max(1) / top).astype(np.float32).view(np.uint32).astype(np.int64)
    halves = -(-largest // 65536)
    scales = _scales(halves.astype(np.uint16))[:, None].astype(np.float64)
    whole = np.rint(np.divide(rows, scales, out=np.zeros_like(rows), where=scales > 0))
    kind = "<i2" if bits == 16 else "<i1"
    data: bytes = halves.astype("<u2").tobytes() + whole.clip(-top, top).astype(kind).tobytes()
    return data


def _row_length(shape: tuple[int, ...]) -> int:
    """Return the number of weights that share a scale."""
    return int(np.prod(shape)) if shape[-1] < LONG_ROW else shape[-1]


def _scales(halves: np.ndarray[Any, np.dtype[np.uint16]]) -> Matrix:
    return (halves.astype(np.uint32) << 16).view(np.float32)


class _Reader:
    """Reads the parts of a link in order."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def rule(self) -> Rule:
        flags, channels, hidden = self.numbers("<BBH")
        settings = RuleSettings(channels, hidden, **self._choices(flags), **self._more(flags))
        rule = Rule(settings, self._filters(flags), update_bias=bool(flags & BIAS))
        with torch.no_grad():
            for name, parameter in rule.named_parameters():
                parameter.copy_(self._weights(name, tuple(parameter.shape), flags))
        if self.at != len(self.data):
            raise ValueError("the link is too long for its rule")
        return rule

    def numbers(self, form: str) -> tuple[Any, ...]:
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def take(self, size: int) -> bytes:
        part = self.data[self.at : self.at + size]
        if len(part) < size:
            raise ValueError("the link is incomplete")
        self.at += size
        return part

    def _choices(self, flags: int) -> dict[str, Any]:
        if flags >> 6 >= len(STARTS):
            raise ValueError(f"start must be one of {STARTS}")
        return {"padding": PADDINGS[flags >> 4 & 3], "start": STARTS[flags >> 6]}

    def _more(self, flags: int) -> Mapping[str, Any]:
        if not flags & MORE:
            return {}
        (given,) = self.numbers("<H")
        values = {name: self.numbers("<d")[0] for i, name in enumerate(REALS) if given & 1 << i}
        grids = {}
        for i, name in enumerate(GRIDS):
            if given & 64 << i:
                span, zero, top = self.numbers("<ddH")
                grids[name] = Quantizer(span, zero, top + 1)
        decoder = self._decoder() if given & 2048 else None
        maps = [self._map(number) for number in self.take(*self.take(1))] if given & 4096 else ()
        dilations = tuple(self.take(*self.take(1))) if given & 8192 else ()
        return {
            **values,
            "quantization": Quantization(**grids),
            "calm": bool(given & 1024),
            "decoder": decoder,
            "maps": maps,
            "dilations": dilations,
        }

    def _map(self, number: int) -> MapName:
        if number >= len(MAPS):
            raise ValueError(f"a map must be 0 to {len(MAPS) - 1}, not {number}")
        return list(MAPS)[number]

    def _decoder(self) -> DecoderSettings:
        scale, order, kind, layers = self.take(4)
        return DecoderSettings(scale, order, tuple(self.take(layers)), ACTIVATIONS[min(kind, 1)])

    def _filters(self, flags: int) -> torch.Tensor:
        if not flags & FILTERS:
            return filter_tensor()
        (count,) = self.take(1)
        if not 1 <= count <= MAX_FILTERS:
            raise ValueError(f"filters must be 1 to {MAX_FILTERS}, not {count}")
        values = np.frombuffer(self.take(36 * count), "<f4").astype(np.float32)
        return _finite("filters", values.reshape(count, 3, 3))

    def _weights(self, name: str, shape: tuple[int, ...], flags: int) -> torch.Tensor:
        count, length = int(np.prod(shape)), _row_length(shape)
        scales = _scales(np.frombuffer(self.take(2 * (count // length)), "<u2").astype(np.uint16))
        size, kind = (2, "<i2") if flags & WIDE else (1, "<i1")
        whole = np.frombuffer(self.take(size * count), kind).astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            values = whole.reshape(-1, length) * scales[:, None]
        return _finite(name, values.reshape(shape))


def _finite(name: str, values: Matrix) -> torch.Tensor:
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds a number that is not finite")
    return torch.from_numpy(values)
