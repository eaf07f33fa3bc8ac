"""The rule file, ``rule.safetensors``: checked when it is read, and written atomically.

It contains the tensors ``w1 b1 w2 [b2] filters`` in float32, the tensors of the decoder if the rule
has one (``decoder.w1`` ...), and a metadata entry ``nca`` in JSON: format, version, the settings of
the rule and other information (training, license, author, thumbnail). A safetensors file contains
only data and cannot run code.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, deserialize
from safetensors.torch import save
from torch import Tensor

from nca.errors import InputError
from nca.maps import map_width
from nca.rule import MAX_FILTERS, Rule
from nca.rule_settings import RuleSettings, is_float32
from nca.system.files import describe_placeholder, read_regular, write_atomically
from nca.system.text import encodable, printable, shareable

FORMAT = "nca-rule"
VERSION = (4, 0)
DECODER = "decoder."  # prefix of the names of the decoder's tensors
MAX_BYTES, MAX_HEADER = 64 * 2**20, 8 * 2**20
MAX_STATES = 256


@dataclass
class RuleFile:
    """A rule and the other contents of its file.

    Attributes:
        rule: the rule, on the CPU.
        info: any JSON data: ``training``, ``license``, ``author``, ``thumbnail`` and so on.
            Unknown entries are kept and written back; paths are reduced to file names.
    """

    rule: Rule
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def training(self) -> dict[str, Any]:
        """Information about the training; empty if the file has none."""
        training = self.info.get("training")
        return training if isinstance(training, dict) else {}

    def text(self, key: str) -> str:
        """A text entry of ``info``; "" if it is missing or not text."""
        words = self.info.get(key)
        return words if isinstance(words, str) else ""

    @property
    def states(self) -> Tensor | None:
        """Values of the channels in each state of a classic automaton, [states, C].

        None for other rules. Pattern files refer to a state by its row number.
        """
        rows, channels = self.info.get("states"), self.rule.settings.channels
        if not isinstance(rows, list) or not 2 <= len(rows) <= MAX_STATES:
            return None
        if not all(isinstance(row, list) and len(row) == channels for row in rows):
            return None
        if not all(is_float32(value) for row in rows for value in row):
            return None
        return torch.tensor(rows, dtype=torch.float32)


def save_rule(path: str | Path, rule: Rule, info: dict[str, Any] | None = None) -> None:
    """Write a rule file.

    Raises:
        InputError: the path cannot be written, or a weight is not finite.
    """
    try:
        data = rule_bytes(rule, info)
    except InputError as error:
        raise InputError(f"{path}: {error}; nothing written") from error
    write_atomically(Path(path), data)


def rule_bytes(rule: Rule, info: dict[str, Any] | None = None) -> bytes:
    """The content of a rule file; paths in ``info`` are reduced to file names.

    Raises:
        InputError: a weight is not finite.
    """
    tensors = {"w1": rule.w1, "b1": rule.b1, "w2": rule.w2, "filters": rule.filters}
    if rule.b2 is not None:
        tensors["b2"] = rule.b2
    if rule.decoder is not None:
        tensors |= {DECODER + name: weight for name, weight in rule.decoder.named_parameters()}
    plain = {name: t.detach().to("cpu", torch.float32).contiguous() for name, t in tensors.items()}
    for name, tensor in plain.items():
        if not torch.isfinite(tensor).all():
            raise InputError(f"{name} holds a number that is not finite")
    header = {
        **shareable(info or {}),
        "format": FORMAT,
        "version": _version(rule.settings),
        "settings": rule.settings.to_dict(),
    }
    return save(plain, {"nca": json.dumps(header, allow_nan=False)})


def _version(settings: RuleSettings) -> str:
    """The lowest version of the format that supports the settings."""
    if settings.dilations:
        return "4.0"
    if settings.maps:
        return "2.1" if settings.decoder is None else "3.0"
    if settings.decoder is not None:
        return "2.0"
    return "1.1" if settings.calm else "1.0"


def load_rule(path: str | Path) -> RuleFile:
    """Read and check a rule file.

    Raises:
        InputError: the file is missing or truncated, is not a rule file, has a newer version, or
            has a wrong tensor or setting. The message names the field and the value.
    """
    path = Path(path)
    return parse_rule(read_regular(path, MAX_BYTES), path)


def parse_rule(data: bytes, path: Path) -> RuleFile:
    """Parse and check the content of a rule file.

    Raises:
        InputError: see :func:`load_rule`; the message names ``path``.
    """
    try:
        tensors, header = _parts(data)
        settings = RuleSettings.from_dict(header.pop("settings"))
        rule = _build(settings, tensors)
        info = shareable({k: v for k, v in header.items() if k not in ("format", "version")})
    except (ValueError, RecursionError, SafetensorError) as error:
        reason = describe_placeholder(data) or printable(error, 400)
        raise InputError(f"{path}: not a usable rule file: {reason}") from error
    return RuleFile(rule, info)


def rule_name(path: Path) -> str:
    """Name of a rule: the name of its file, or of its folder if the file is called ``rule``."""
    folder = path.absolute().parent.name
    return encodable(folder or path.stem if path.stem == "rule" else path.stem)


def _parts(data: bytes) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The tensors as safetensors describes them, and the checked entry ``nca`` of the header."""
    length = int.from_bytes(data[:8], "little")
    if MAX_HEADER < length <= len(data):
        raise ValueError(f"its header has {length:,} bytes; the limit is {MAX_HEADER:,}")
    # This also checks the header, so that it can be read below.
    tensors = dict(deserialize(data))  # type: ignore[no-untyped-call]
    metadata = json.loads(data[8 : 8 + length]).get("__metadata__") or {}
    return tensors, _check_header(metadata)


def _check_header(metadata: dict[str, str]) -> dict[str, Any]:
    if "nca" not in metadata:
        raise ValueError("its header has no entry 'nca'")
    try:
        header = json.loads(metadata["nca"])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its header is not JSON ({error})") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT!r}")
    version = header.get("version")
    major = re.match(r"[0-9]{1,9}(?=\.|$)", version if isinstance(version, str) else "")
    if major is None:
        raise ValueError(f"its version is {str(version)!r}, not a number such as '1.0'")
    if int(major[0]) > VERSION[0]:
        raise ValueError(
            f"its version is {version}, but this program reads {VERSION[0]}; update nca"
        )
    if not isinstance(header.get("settings"), dict):
        raise ValueError("its header has no 'settings'")
    return header


def _build(settings: RuleSettings, tensors: dict[str, dict[str, Any]]) -> Rule:
    own: dict[str, tuple[int, ...]] = {}
    if settings.decoder is not None:
        own = settings.decoder.shapes(settings.channels, map_width(settings.maps))
    needed = {"w1", "b1", "w2", "filters", *(DECODER + name for name in own)}
    unknown, missing = set(tensors) - needed - {"b2"}, needed - set(tensors)
    if unknown or missing:
        raise ValueError(
            f"unknown tensor {min(unknown)!r}" if unknown else f"no tensor {min(missing)!r}"
        )
    count = (tensors["filters"]["shape"] or [0])[0]
    if not 1 <= count <= MAX_FILTERS:
        raise ValueError(f"filters must be 1 to {MAX_FILTERS}, not {count}")
    shapes = {
        "filters": (count, 3, 3),
        "w1": (settings.hidden, settings.channels * count),
        "b1": (settings.hidden,),
        "w2": (settings.channels, settings.hidden),
        "b2": (settings.channels,),
        **{DECODER + name: shape for name, shape in own.items()},
    }
    values = {
        name: _checked(name, tensors[name], shape)
        for name, shape in shapes.items()
        if name in tensors
    }
    rule = Rule(settings, values["filters"], update_bias="b2" in values)
    with torch.no_grad():
        for name, parameter in rule.named_parameters():
            parameter.copy_(values[name])
    return rule


def _checked(name: str, tensor: dict[str, Any], shape: tuple[int, ...]) -> Tensor:
    if tensor["dtype"] != "F32":
        raise ValueError(f"{name} must be float32 (F32), not {tensor['dtype']}")
    if tuple(tensor["shape"]) != shape:
        raise ValueError(f"{name} must have shape {shape}, not {tuple(tensor['shape'])}")
    values = np.frombuffer(tensor["data"], "<f4").astype(np.float32).reshape(shape)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds a number that is not finite")
    return torch.from_numpy(values)
