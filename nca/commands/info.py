"""`nca info`: show the contents of a rule file, as text or as JSON."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nca.backends import describe_backends
from nca.commands.settings import InfoSettings
from nca.rule import CALM_AFTER
from nca.rulefile import MAX_BYTES, parse_rule
from nca.system.files import read_regular
from nca.system.text import printable

CREDITS = ("automaton", "author", "source", "license")
SHOWN_OF_TRAINING = ("target", "iterations", "seconds", "long_run_loss", "versions")


def info(settings: InfoSettings) -> str:
    """Describe a rule file, as text or as JSON.

    Raises:
        InputError: the file cannot be read.
    """
    description = describe_rule(settings.rule)
    return json.dumps(description) if settings.json else format_description(description)


def describe_rule(path: Path) -> dict[str, Any]:
    """Settings, sizes and origin of a rule, and the other fields of its file.

    Raises:
        InputError: the file cannot be read.
    """
    data = read_regular(path, MAX_BYTES)
    file = parse_rule(data, path)
    return {
        **{key: value for key, value in file.info.items() if key != "thumbnail"},
        "file": str(path),
        "bytes": len(data),
        "weights": file.rule.weight_count(),
        "decoder_weights": file.rule.decoder_weight_count(),
        "filters": file.rule.filters.tolist(),
        "settings": file.rule.settings.to_dict(),
        "backends": [asdict(report) for report in describe_backends(file.rule)],
    }


def format_description(description: dict[str, Any]) -> str:
    """The main properties of a rule file, in a few lines."""
    settings = description["settings"]
    lines = [
        f"{printable(description['file'])}: {description['bytes']:,} bytes",
        f"  {settings['channels']} channels, {settings['hidden']} hidden, "
        f"{len(description['filters'])} filters: {description['weights']:,} weights",
        f"  padding {settings['padding']}, update rate {settings['update_rate']}, "
        f"grows from {settings['seed_state']}",
    ]
    if settings.get("calm"):
        lines.append(f"  calm: from step {CALM_AFTER} on, all cells update, in shorter steps")
    if maps := settings.get("maps"):
        lines.append(f"  maps: {', '.join(maps)}")
    if (decoder := settings.get("decoder")) is not None:
        units = " and ".join(map(str, decoder["hidden"]))
        lines.append(
            f"  decoder: {decoder['scale']} pixels per cell, {units} hidden, "
            f"{decoder['activation']}, order {decoder['order']}: "
            f"{description['decoder_weights']:,} weights"
        )
    shown = {key: description[key] for key in CREDITS if key in description}
    training = description.get("training")
    if isinstance(training, dict):
        shown |= {key: training[key] for key in SHOWN_OF_TRAINING if key in training}
    lines += [f"  {key}: {_as_text(value)}" for key, value in shown.items()]
    for backend in description["backends"]:
        usable = "available" if backend["available"] else "not available"
        taken = ", default on this machine" if backend["taken"] else ""
        lines.append(f"  {backend['name']}: {usable}{taken} ({backend['detail']})")
    return "\n".join(lines)


def _as_text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else printable(value)
