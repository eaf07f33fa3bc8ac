"""``manifest.json``: everything that a program needs to run exported shaders."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import nca
from nca.exporters.glsl.pieces import group_count, state_code
from nca.exporters.glsl.weights import Store, pack_weights
from nca.exporters.parity.compare import Difference
from nca.exporters.settings import ExportOptions
from nca.rng import fire_threshold
from nca.rule import Rule
from nca.rulefile import RuleFile

FORMAT, VERSION = "nca-shaders", "1.0"
MANIFEST, WEIGHT_FILE = "manifest.json", "weights.f32"
TOLERANCE = {"rgba32f": 1e-5, "rgba16f": 5e-3, "rgba8": None}


def weight_bytes(rule: Rule) -> bytes:
    """Return the content of ``weights.f32``: RGBA texels, little-endian float32, 256 per row."""
    return pack_weights(rule).astype("<f4").tobytes()


def describe(
    name: str, file: RuleFile, options: ExportOptions, store: Store, target: Mapping[str, Any]
) -> dict[str, Any]:
    """Build a manifest: the entries that all targets have, then those of one target.

    Args:
        name: name of the rule.
        file: the rule and its information.
        options: options of the export.
        store: where the weights are stored.
        target: entries of the target, such as shaders, uniforms and the order of calls.
    """
    rule = file.rule
    settings = rule.settings
    scale, offset = state_code(rule.settings, options.state)
    weights: dict[str, Any] = {
        "store": store,
        "sha256": hashlib.sha256(weight_bytes(rule)).hexdigest(),
    }
    if store == "texture":
        rows, width, _ = pack_weights(rule).shape
        weights |= {"file": WEIGHT_FILE, "format": "rgba32f", "width": width, "height": rows}
    credit = {key: file.text(key) for key in ("author", "license", "source") if file.text(key)}
    return {
        "format": FORMAT,
        "version": VERSION,
        "generator": f"nca-studio {nca.__version__}",
        "name": name,
        **credit,
        "rule": settings.to_dict(),
        "weights": weights,
        "state": {
            "channels": settings.channels,
            "groups": group_count(settings.channels),
            "format": options.state,
            "value": {"scale": scale, "offset": offset, "is": "(texel - offset) * scale"},
            "first_row": "top of the picture",
            "tiles": settings.wraps,
        },
        "fires": {
            "hash": "PCG-RXS-M-XS-32",
            "base": "hash(step + hash(seed)), unsigned 32 bits",
            "cell": "hash(x + hash(y + base)) < threshold",
            "threshold": fire_threshold(settings.update_rate),
        },
        "seed": options.seed,
        "parity": {"tolerance": TOLERANCE[options.state], "measured": None},
        **target,
    }


def to_json(manifest: Mapping[str, Any]) -> bytes:
    """Write the manifest as bytes."""
    return json.dumps(manifest, indent=2, allow_nan=False).encode() + b"\n"


def with_measurement(data: bytes, differences: Mapping[str, Difference]) -> bytes:
    """Add the measured difference of a rule to its manifest."""
    manifest = json.loads(data)
    difference = differences[manifest["name"]]
    measured = {"largest": difference.largest, "steps": difference.steps}
    reason = {"reason": difference.reason} if difference.reason else {}
    manifest["parity"]["measured"] = measured | reason
    return to_json(manifest)
