"""What a rule file holds, in words and as JSON."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from nca.rulefile import load_rule
from nca.unroll import describe_backends

CREDITS = ("author", "source", "license")
SHOWN_OF_TRAINING = ("target", "iterations", "seconds", "long_run_loss", "versions")


def describe_rule(path: Path) -> dict[str, Any]:
    """Settings, size and history of a rule.

    Raises:
        InputError: the file cannot be read.
    """
    file = load_rule(path)
    info = {key: value for key, value in file.info.items() if key != "thumbnail"}
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "weights": file.rule.weight_count(),
        "filters": file.rule.filters.tolist(),
        "settings": file.rule.settings.to_dict(),
        "backends": [asdict(report) for report in describe_backends(file.rule)],
        **info,
    }


def format_description(description: dict[str, Any]) -> str:
    """A few lines for a person."""
    settings = description["settings"]
    lines = [
        f"{description['file']}: {description['bytes']:,} bytes",
        f"  {settings['channels']} channels, {settings['hidden']} hidden, "
        f"{len(description['filters'])} filters: {description['weights']:,} weights",
        f"  padding {settings['padding']}, update rate {settings['update_rate']}, "
        f"grows from {settings['seed_state']}",
    ]
    training = description.get("training", {})
    lines += [f"  {key}: {description[key]}" for key in CREDITS if key in description]
    lines += [f"  {key}: {_rounded(training[key])}" for key in SHOWN_OF_TRAINING if key in training]
    for backend in description["backends"]:
        usable = "" if backend["available"] else "not "
        taken = " (taken here)" if backend["taken"] else ""
        lines.append(f"  {usable}run by {backend['name']}{taken}: {backend['detail']}")
    return "\n".join(lines)


def _rounded(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
