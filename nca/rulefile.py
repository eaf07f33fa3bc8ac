"""The rule file: ``rule.safetensors``, checked on the way in and written whole on the way out.

Tensors ``w1 b1 w2 [b2] filters`` in float32, and one metadata entry ``nca`` of JSON: format,
version, the settings of the rule and whatever its maker wants to tell (how it was trained, licence,
author, thumbnail). Safetensors holds numbers only; nothing in such a file can run.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from nca.errors import InputError
from nca.files import write_atomically
from nca.rule import MAX_FILTERS, Rule, RuleSettings

FORMAT = "nca-rule"
VERSION = (1, 0)
MAX_BYTES = 64 * 2**20


@dataclass
class RuleFile:
    """A rule and what its file says of it.

    Attributes:
        rule: the rule, on the CPU.
        info: free JSON data: ``training``, ``license``, ``author``, ``thumbnail`` and so on. What a
            file carries beyond what we know is kept here and written again.
    """

    rule: Rule
    info: dict[str, Any] = field(default_factory=dict)


def save_rule(path: Path, rule: Rule, info: dict[str, Any] | None = None) -> None:
    """Write a rule file.

    Raises:
        InputError: the path cannot be written, or a weight is not finite.
    """
    tensors = {"w1": rule.w1, "b1": rule.b1, "w2": rule.w2, "filters": rule.filters}
    if rule.b2 is not None:
        tensors["b2"] = rule.b2
    plain = {name: t.detach().to("cpu", torch.float32).contiguous() for name, t in tensors.items()}
    for name, tensor in plain.items():
        if not torch.isfinite(tensor).all():
            raise InputError(f"{path}: {name} holds a number that is not finite; nothing written")
    header = {
        **(info or {}),
        "format": FORMAT,
        "version": ".".join(map(str, VERSION)),
        "settings": rule.settings.to_dict(),
    }
    write_atomically(path, save(plain, {"nca": json.dumps(header, allow_nan=False)}))


def load_rule(path: Path) -> RuleFile:
    """Read and check a rule file.

    Raises:
        InputError: the file is missing, cut short, of another format or a newer version, or holds
            a tensor or setting that is not as it must be. The text names the field and the value.
    """
    try:
        tensors, metadata = _read(path)
        header = _check_header(metadata)
        settings = RuleSettings.from_dict(header.pop("settings"))
        rule = _build(settings, tensors)
    except (ValueError, SafetensorError) as error:
        raise InputError(f"{path}: not a usable rule file: {error}") from error
    return RuleFile(rule, {k: v for k, v in header.items() if k not in ("format", "version")})


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise InputError(f"{path} is a folder; give the name of a rule file")
        if size > MAX_BYTES:
            raise ValueError(f"it has {size} bytes, a rule has at most {MAX_BYTES}")
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        names = set(file.keys())
        unknown = names - {"w1", "b1", "w2", "b2", "filters"}
        missing = {"w1", "b1", "w2", "filters"} - names
        if unknown or missing:
            raise ValueError(
                f"unknown tensor {min(unknown)!r}" if unknown else f"no tensor {min(missing)!r}"
            )
        return {name: file.get_tensor(name) for name in names}, metadata


def _check_header(metadata: dict[str, str]) -> dict[str, Any]:
    if "nca" not in metadata:
        raise ValueError("its header has no entry 'nca'")
    try:
        header = json.loads(metadata["nca"])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its header is not JSON ({error})") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT!r}")
    version = str(header.get("version"))
    major = version.partition(".")[0]
    if not major.isdecimal():
        raise ValueError(f"its version is {version!r}, not a number such as '1.0'")
    if int(major) > VERSION[0]:
        raise ValueError(f"its version is {version}, this program reads {VERSION[0]}; update nca")
    if not isinstance(header.get("settings"), dict):
        raise ValueError("its header has no 'settings'")
    return header


def _build(settings: RuleSettings, tensors: dict[str, Tensor]) -> Rule:
    count = tensors["filters"].shape[0] if tensors["filters"].ndim else 0
    if not 1 <= count <= MAX_FILTERS:
        raise ValueError(f"filters must be 1 to {MAX_FILTERS}, not {count}")
    shapes = {
        "filters": (count, 3, 3),
        "w1": (settings.hidden, settings.channels * count),
        "b1": (settings.hidden,),
        "w2": (settings.channels, settings.hidden),
        "b2": (settings.channels,),
    }
    for name in (name for name in shapes if name in tensors):
        tensor = tensors[name]
        if tensor.dtype != torch.float32:
            raise ValueError(f"{name} must be float32, not {tensor.dtype}")
        if tuple(tensor.shape) != shapes[name]:
            raise ValueError(f"{name} must have shape {shapes[name]}, not {tuple(tensor.shape)}")
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} holds a number that is not finite")
    rule = Rule(settings, tensors["filters"], update_bias="b2" in tensors)
    with torch.no_grad():
        for name, parameter in rule.named_parameters():
            parameter.copy_(tensors[name])
    return rule
