"""Convert published rules into rule files, with all settings that affect them.

There are two sources. The JSON of the article by Niklasson et al., "Self-Organising Textures"
(Distill, 2021), stores the layers of all rules as tiles of PNG images. The shader text of
Mordvintsev and Niklasson, "muNCA: Texture Generation with Ultra-Compact Neural Cellular Automata"
(2021), contains integer matrices. Both are read as data; no code in them runs.
"""

import json
import math
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from nca.errors import InputError
from nca.exporters.folder import ExportedFile, write_folder
from nca.exporters.glsl.pieces import Matrix
from nca.exporters.glsl.text import file_names, one_line
from nca.exporters.png import read_png
from nca.exporters.settings import ImportSettings
from nca.exporters.target import check_rules
from nca.rule import IDENTITY, LAPLACIAN, SOBEL_X, SOBEL_Y, Rule, filter_tensor
from nca.rule_settings import (
    MAX_CHANNELS,
    MAX_HIDDEN,
    Quantization,
    Quantizer,
    RuleSettings,
    is_float32,
)
from nca.rulefile import RuleFile, rule_bytes
from nca.system.files import describe_placeholder, read_regular
from nca.system.outputs import check_free

MAX_BYTES = 64 * 2**20
MAX_SNIPPET = 2**16  # characters
MAX_ATLAS_PIXELS = 2**24
MAX_RULES = 1000
ARTICLE = {
    "author": "Niklasson, Mordvintsev, Randazzo, Levin",
    "source": "Self-Organising Textures, Distill, 2021, doi:10.23915/distill.00027.003",
}
MU = {"source": "a muNCA shader (Mordvintsev and Niklasson, 2021)"}


def import_rules(settings: ImportSettings) -> list[ExportedFile]:
    """Read a published file and write its rules as ``<name>.safetensors`` into a folder.

    Raises:
        InputError: the file is damaged or of an unknown kind, or the folder cannot be written.
    """
    rules = read_published(settings.file)
    check_free(settings.out, settings.overwrite, file=False)
    files = {
        f"{stem}.safetensors": rule_bytes(file.rule, file.info)
        for stem, file in zip(file_names(rules), rules.values(), strict=True)
    }
    return write_folder(settings.out, files)


def read_published(path: Path) -> dict[str, RuleFile]:
    """Read a published file; return its rules by name.

    Raises:
        InputError: the file cannot be read, is damaged, or is of an unknown kind.
    """
    data = read_regular(path, MAX_BYTES)
    try:
        # Windows editors save UTF-8 or UTF-16 with a byte order mark.
        text = data.decode(json.detect_encoding(data))
        if path.suffix.lower() == ".json":
            rules = read_article(text)
        else:
            rules = {path.stem: read_snippet(text)}
        check_rules(rules)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is neither JSON nor the text of a shader") from error
    except ValueError as error:
        raise InputError(f"{path}: {describe_placeholder(data) or one_line(error)}") from error
    return rules


@dataclass(frozen=True)
class _Layer:
    """A dense layer of all rules, from the article's JSON."""

    rows: int
    columns: int
    across: int
    down: int
    scale: float
    quantizer: Quantizer
    picture: str

    @classmethod
    def from_json(cls, data: object) -> "_Layer":
        if not isinstance(data, dict):
            raise ValueError("a layer is not an object with shape, layout, scale and data")
        rows, columns = _pair(data, "shape", _is_size, "whole numbers")
        across, down = _pair(data, "layout", _is_size, "whole numbers")
        if columns % 4:
            raise ValueError(f"shape must have a multiple of 4 outputs, not {columns}")
        span, zero = _pair(data, "quant_scale_zero", is_float32, "numbers")
        scale, picture = data.get("scale"), data.get("data")
        if not is_float32(scale):
            raise ValueError(f"scale must be a number, not {reprlib.repr(scale)}")
        if not isinstance(picture, str):
            raise ValueError("data must be a base64 PNG")
        return cls(
            rows, columns, across, down, float(scale), Quantizer(float(span), float(zero)), picture
        )

    def tiles(self, count: int) -> Matrix:
        """Return weights of ``count`` rules, [count, rows, columns]; the last row is the bias."""
        if self.across * self.down < count:
            raise ValueError(f"layout {self.across} x {self.down} has no room for {count} rules")
        width, height = self.across * self.columns // 4, self.down * self.rows
        pixels = _read_png(self.picture, (width, height))
        tiles = rearrange(
            pixels, "(d r) (a c) four -> (d a) r (c four)", d=self.down, a=self.across
        )
        weights = (tiles[:count].astype(np.float32) - 127) / 255 * self.scale
        return weights.astype(np.float32)


def read_article(text: str) -> dict[str, RuleFile]:
    """Read rules from the article's JSON, by name.

    Raises:
        ValueError: the data is damaged; the message names the entry.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({error})") from error
    if not isinstance(data, dict):
        raise ValueError("not a JSON object with model_names and layers")
    names = data.get("model_names")
    layers = data.get("layers")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("model_names must be a list of names")
    if not 1 <= len(names) <= MAX_RULES or len(set(names)) < len(names):
        raise ValueError(f"model_names must be 1 to {MAX_RULES} different names")
    if not isinstance(layers, list) or len(layers) != 2:
        raise ValueError("layers must be a list of two layers")
    first, second = map(_Layer.from_json, layers)
    channels, hidden = second.columns, first.columns
    if not 4 <= channels <= MAX_CHANNELS or not 4 <= hidden <= MAX_HIDDEN:
        raise ValueError(
            f"shape must give 4 to {MAX_CHANNELS} channels and 4 to {MAX_HIDDEN} hidden units, "
            f"not {channels} and {hidden}"
        )
    if (first.rows, second.rows) != (4 * channels + 1, hidden + 1):
        raise ValueError(f"shape {first.rows} x {hidden} does not fit {second.rows} x {channels}")
    matrices = zip(names, first.tiles(len(names)), second.tiles(len(names)), strict=True)
    settings = _article_settings(first, second)
    return {name: RuleFile(_article_rule(settings, *both), ARTICLE) for name, *both in matrices}


def _article_settings(first: _Layer, second: _Layer) -> RuleSettings:
    # Values are stored in bytes, which also limits the hidden layer.
    state = second.quantizer
    return RuleSettings(
        channels=second.columns,
        hidden=first.columns,
        rgb_scale=0.5,
        hidden_clip=first.quantizer.range,
        quantization=Quantization(state, state, first.quantizer, state),
    )


def _article_rule(settings: RuleSettings, first: Matrix, second: Matrix) -> Rule:
    filters = filter_tensor() / torch.tensor([1.0, 8.0, 8.0, 8.0])[:, None, None]
    rule = Rule(settings, filters, update_bias=True)
    w1 = rearrange(torch.from_numpy(first[:-1]), "(k c) h -> h (c k)", k=len(filters))
    _set(rule, w1=w1, b1=first[-1], w2=second[:-1].T, b2=second[-1])
    return rule


def _read_png(data: str, size: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Read the RGBA bytes of a data URL, [height, width, 4], without premultiplied alpha."""
    width, height = size
    if width * height > MAX_ATLAS_PIXELS:
        raise ValueError(
            f"shape and layout give a picture of {width} x {height}, which is too large"
        )
    head, comma, _ = data.partition(",")
    if not comma or head.lower() != "data:image/png;base64":
        raise ValueError("data must begin with data:image/png;base64,")
    try:
        picture = read_png(data, width * height)
    except ValueError as error:
        raise ValueError(f"data is {error}") from error
    if picture.size != size:
        raise ValueError(f"data is a picture of {picture.size}, but shape and layout give {size}")
    if picture.mode != "RGBA":
        raise ValueError(f"data is a picture of mode {picture.mode}, not RGBA")
    return np.asarray(picture)


def _pair(data: Mapping[str, object], key: str, fits: Callable[[object], bool], what: str) -> Any:
    """Get two numbers from the JSON."""
    pair = data.get(key)
    if not isinstance(pair, list) or len(pair) != 2 or not all(map(fits, pair)):
        raise ValueError(f"{key} must be two {what}, not {reprlib.repr(pair)}")
    return pair


def _is_size(value: object) -> bool:
    return type(value) is int and 1 <= value <= 2**16


# Each pattern can match a text in only one way, so that matching is fast for any text.
NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
NUMBERS = rf"(?: ?{NUMBER} ?,)* ?{NUMBER} ?"
ARRAY = re.compile(rf"\b(\w+) ?= ?(?:new Float32Array ?\( ?)?\[({NUMBERS})\]")
MATRIX = rf"\bmat4 ?\(({NUMBERS})\)|\b(\w+) ?\[ ?(\d+) ?\]"
TERM = re.compile(rf"(?:{MATRIX}) ?\* ?(abs ?\( ?)?([A-Za-z_]\w*)")
BIAS = re.compile(rf"\bvec4 ?\(({NUMBERS})\)")
FACTOR = re.compile(rf"(?<![\w.])({NUMBER}) ?\* ?\(|\) ?/ ?({NUMBER})")


def read_snippet(text: str) -> RuleFile:
    """Read the rule of a four-channel muNCA shader.

    The update is a sum of four products of a matrix and a vector: the state, the perception, and
    the absolute values of each. The perception is the laplacian of the first two channels, sobel x
    of the third and sobel y of the fourth. The sum may include a bias ``vec4``, and may be
    multiplied by a factor. The state must be the first term. Each matrix is a ``mat4`` literal, or
    sixteen consecutive numbers of a named array.

    Such a rule has no hidden layer, but two hidden units per value give exactly the same rule,
    because y = relu(y) - relu(-y) and |y| = relu(y) + relu(-y).

    Raises:
        ValueError: there is no such sum; the message says what is missing.
    """
    if len(text) > MAX_SNIPPET:
        raise ValueError(f"it has {len(text):,} characters; the limit is {MAX_SNIPPET:,}")
    code = " ".join(_without_comments(text).split())
    arrays = {name: _floats(numbers) for name, numbers in ARRAY.findall(code)}
    matrices: dict[tuple[str, bool], Tensor] = {}
    order: list[str] = []
    for literal, name, index, absolute, value in TERM.findall(code):
        numbers = _floats(literal) if literal else _sixteen(arrays, name, int(index))
        if len(numbers) != 16:
            raise ValueError(f"a mat4 has {len(numbers)} numbers instead of 16")
        if (value, bool(absolute)) in matrices:
            raise ValueError(f"two matrices for {value}; four different terms are needed")
        # GLSL fills matrices column by column.
        matrices[value, bool(absolute)] = torch.tensor(numbers).reshape(4, 4).T
        order += [value] if value not in order else []
    if len(order) != 2 or len(matrices) != 4:
        raise ValueError(
            f"{len(matrices)} terms of the form mat4(...) * s; a muNCA rule has four:"
            " the state, the perception, and the absolute values of both"
        )
    scale = _factor(code)
    plain = torch.cat([matrices[value, False] for value in order], 1) * scale  # [4, 8]
    absolute_part = torch.cat([matrices[value, True] for value in order], 1) * scale
    return RuleFile(_mu_rule(plain, absolute_part, _bias(code, arrays) * scale), dict(MU))


def _without_comments(text: str) -> str:
    code = ""
    while text:
        before, _, rest = text.partition("/*")
        code += before + " "
        text = rest.partition("*/")[2]
    return re.sub(r"//[^\n]*", " ", code)


def _mu_rule(plain: Tensor, absolute: Tensor, bias: Tensor) -> Rule:
    filters = torch.tensor([IDENTITY, SOBEL_X, SOBEL_Y, LAPLACIAN])
    perceived = (3, 3, 1, 2)  # filter of each channel: laplacian, laplacian, sobel x, sobel y
    # The published shaders show twice the distance from gray.
    settings = RuleSettings(4, 16, update_rate=1.0, rgb_scale=2.0, start="noise", noise_level=1.0)
    rule = Rule(settings, filters, update_bias=True)
    columns = [4 * c for c in range(4)] + [4 * c + perceived[c] for c in range(4)]
    w1 = torch.zeros(16, 16)
    for value, column in enumerate(columns):
        w1[2 * value, column], w1[2 * value + 1, column] = 1.0, -1.0
    w2 = rearrange(
        torch.stack([absolute + plain, absolute - plain], -1), "out value sign -> out (value sign)"
    )
    _set(rule, w1=w1, b1=torch.zeros(16), w2=w2, b2=bias)
    return rule


def _set(rule: Rule, **weights: Tensor | Matrix) -> None:
    with torch.no_grad():
        for name, parameter in rule.named_parameters():
            parameter.copy_(torch.as_tensor(np.ascontiguousarray(weights[name])))


def _floats(numbers: str) -> list[float]:
    values = [float(word) for word in numbers.replace(",", " ").split()]
    if not all(abs(value) < 1e6 for value in values):
        raise ValueError("a number of a matrix is 1e6 or larger")
    return values


def _sixteen(arrays: Mapping[str, list[float]], name: str, index: int) -> list[float]:
    if name not in arrays:
        raise ValueError(f"{name}[{index}] is used, but there is no array {name} = [...]")
    return arrays[name][16 * index : 16 * index + 16]


def _bias(code: str, arrays: Mapping[str, list[float]]) -> Tensor:
    """Find the four numbers of a ``vec4``, or of the only array of four; zeros by default."""
    found = [_floats(numbers) for numbers in BIAS.findall(code)]
    found = [numbers for numbers in found if len(numbers) == 4]
    found += [numbers for numbers in arrays.values() if len(numbers) == 4]
    if len(found) > 1:
        raise ValueError(
            f"{len(found)} groups of four numbers; it is not clear which one is the bias"
        )
    return torch.tensor(found[0]) if found else torch.zeros(4)


def _factor(code: str) -> float:
    """Find the factor of the sum: the number before the parentheses, or 1 / the number after."""
    factors = {
        float(before) if before else 1 / (float(behind) or math.nan)
        for before, behind in FACTOR.findall(code)
    }
    if len(factors) > 1 or not all(map(is_float32, factors)):
        raise ValueError("it is not clear which number multiplies the sum")
    return factors.pop() if factors else 1.0
