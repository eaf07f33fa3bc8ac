"""One HTML file that runs rules in any browser with WebGL 2.

It opens from ``file://``, asks the network for nothing, and is locked by a Content-Security-Policy
that allows its own script and style by their hashes.
"""

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import jinja2
import torch
from markupsafe import Markup
from PIL import Image

from nca import __version__
from nca.errors import InputError
from nca.export.fragments import (
    VIEWS,
    Host,
    Pass,
    colors_fragment,
    life_passes,
    paint_passes,
    screen_fragment,
    step_passes,
    vertex_shader,
)
from nca.export.glsl import LITERAL_DIGITS, group_count
from nca.export.png import read_png
from nca.export.weights import Store, StoreChoice, choose_store, pack_weights
from nca.files import write_atomically
from nca.images import to_image
from nca.rule import EIGHT_BIT_STATE, Rule
from nca.rulefile import RuleFile

StateFormat = Literal["auto", "rgba32f", "rgba16f", "rgba8"]

# The player is for a canvas anywhere, the page adds its controls; each file is one concept.
_PLAYER = "random controls gl readback field camera simulation display speed grid player pointer"
PLAYER_SCRIPTS = tuple(f"player/{name}" for name in f"{_PLAYER} files".split())
PAGE_SCRIPTS = (*PLAYER_SCRIPTS, "actions", "panel", "address", "main")

MAX_RULES = 255  # a cell keeps the number of its rule in a byte
TINY_WEIGHTS = 2000  # literals of so few weights compile at once everywhere
THUMBNAIL_SIZE, THUMBNAIL_STEPS = 64, 200

CONTROLS = json.loads(files("nca.shaders").joinpath("controls.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class PageSettings:
    """How a page starts; most of it can be changed there.

    Attributes:
        title: of the page; default the names of its rules.
        grid: cells (width, height). None: as many as suit the window.
        seed: decides which cells fire, and the noise of a seed state.
        steps_per_frame: 1/8 to 64, a power of two.
        weights: ``inline`` as literals, ``texture``, or ``auto``: small rules inline, large ones
            as a texture, and those between first as a texture, which compiles quickly, then inline.
        state: how the state is kept. ``auto`` takes the most precise that the device can draw.
        digits: of the weights as literals; nine are exact.

    Raises:
        InputError: a value is out of its range.
    """

    title: str = ""
    grid: tuple[int, int] | None = None
    seed: int = 0
    steps_per_frame: float = 1
    weights: StoreChoice = "auto"
    state: StateFormat = "auto"
    digits: int = LITERAL_DIGITS

    def __post_init__(self) -> None:
        if self.grid and not all(3 <= side <= 4096 for side in self.grid):
            raise InputError(f"grid must be 3 to 4096 cells on a side, not {self.grid}")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed must be 0 to {2**32 - 1}, not {self.seed}")
        if self.steps_per_frame not in [2.0**power for power in range(-3, 7)]:
            raise InputError(
                f"steps_per_frame must be a power of two, 1/8 to 64, not {self.steps_per_frame}"
            )


@dataclass(frozen=True)
class PageReport:
    """What was written."""

    path: Path
    bytes: int


def export_html(
    rules: Mapping[str, RuleFile], out: Path, settings: PageSettings | None = None
) -> PageReport:
    """Write a page that runs the rules; with several, each can be painted into the others.

    Args:
        rules: by the name that the page shows; the first is there at the start.
        out: the file to write.
        settings: how the page starts.

    Raises:
        InputError: there is no rule or more than 255, a weight is not finite, or the file cannot be
            written. Nothing is written then.
    """
    settings = settings or PageSettings()
    script = joined(PAGE_SCRIPTS)
    style = _source("page.css")
    data = page_data(rules, settings)
    title = _one_line(settings.title) or ", ".join(rule["name"] for rule in data["rules"][:3])
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    page = template.from_string(_source("page.html")).render(
        title=title,
        generator=f"nca {__version__}",
        policy=_policy(script, style),
        style=Markup(style),
        script=Markup(script),
        tools={n: t for n, t in CONTROLS["tools"].items() if t.get("where") != "window"},
        data=Markup(script_json(data)),
    )
    encoded = page.encode()
    write_atomically(out, encoded)
    return PageReport(out, len(encoded))


def page_data(rules: Mapping[str, RuleFile], settings: PageSettings) -> dict[str, Any]:
    """Everything the player needs to know, as plain JSON data."""
    if not 1 <= len(rules) <= MAX_RULES:
        raise InputError(f"a page needs 1 to {MAX_RULES} rules, not {len(rules)}")
    channels = max(file.rule.settings.channels for file in rules.values())
    host = Host("300 es", layers=True, blend=True, steering=True)
    return {
        "vertex": vertex_shader(host.dialect),
        "colors": {view: colors_fragment(host, channels, view=view) for view in VIEWS},
        "screen": screen_fragment(host),
        "channels": channels,
        "groups": group_count(channels),
        "start": {
            "seed": settings.seed,
            "speed": settings.steps_per_frame,
            "grid": settings.grid and dict(zip(("width", "height"), settings.grid, strict=True)),
            "format": None if settings.state == "auto" else settings.state,
        },
        "rules": [
            # A rule that is alone is shown, not chosen: it needs no thumbnail.
            _rule_data(name, file, settings, group_count(channels))
            | {"thumbnail": _thumbnail(file) if len(rules) > 1 else None}
            for name, file in rules.items()
        ],
    }


def script_json(data: object) -> str:
    """JSON that can stand in a ``script`` element: nothing in it can end the element."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _rule_data(name: str, file: RuleFile, settings: PageSettings, groups: int) -> dict[str, Any]:
    rule = file.rule
    name = _one_line(name) or "texture"
    for parameter, tensor in (*rule.named_parameters(), ("filters", rule.filters)):
        if not torch.isfinite(tensor).all():
            raise InputError(f"{name}: {parameter} holds a number that is not finite")
    own = rule.settings
    state = own.quantization.state or EIGHT_BIT_STATE
    stores = _stores(rule, settings.weights)
    packed = pack_weights(rule) if "texture" in stores else None
    # Only rules with more channels than four outputs hold gain from a device that has eight.
    targets = (4, 8) if groups > 4 else (4,)
    credit = [_one_line(file.words(key)) for key in ("author", "license")]
    return {
        "name": name,
        "credit": ", ".join(filter(None, credit)),
        "channels": own.channels,
        "hidden": own.hidden,
        "weightCount": rule.weight_count(),
        "wraps": own.padding == "circular",
        # One cell in the middle of the grid is no use to an area painted elsewhere.
        "reseeds": own.seed_state != "center",
        "colors": [own.rgb_scale, own.rgb_offset],
        "code": (state.range, state.zero),
        "weights": None if packed is None else base64.b64encode(packed.tobytes()).decode(),
        "passes": {
            count: _passes(rule, count, stores, groups, settings.digits) for count in targets
        },
    }


def _stores(rule: Rule, choice: StoreChoice) -> tuple[Store, ...]:
    if choice != "auto":
        return (choice,)
    if choose_store(rule) == "texture":
        return ("texture",)
    return ("inline",) if rule.weight_count() <= TINY_WEIGHTS else ("texture", "inline")


def _passes(
    rule: Rule, targets: int, stores: tuple[Store, ...], groups: int, digits: int
) -> dict[str, Any]:
    host = Host("300 es", targets, layers=True, blend=True, steering=True)

    def plain(passes: list[Pass]) -> list[dict[str, Any]]:
        return [{"fragment": p.fragment, "groups": p.groups} for p in passes]

    return {
        "steps": {
            s: plain(step_passes(rule, host, s, groups=groups, digits=digits)) for s in stores
        },
        "life": plain(life_passes(rule, host, groups=groups)),
        "paint": plain(paint_passes(rule, host, groups=groups)),
    }


def _thumbnail(file: RuleFile) -> str:
    """A small picture of the texture as a data URL: the one of the file, or a freshly grown one."""
    picture = _kept_thumbnail(file.info.get("thumbnail"))
    if picture is None:
        state = file.rule.seed(1, THUMBNAIL_SIZE, THUMBNAIL_SIZE)
        state = file.rule(state, THUMBNAIL_STEPS)
        picture = to_image(file.rule.to_rgb(state)[0].nan_to_num())
    data = io.BytesIO()
    picture.save(data, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def _kept_thumbnail(text: object) -> Image.Image | None:
    """Read the base64 PNG of a rule file; a file can hold anything, so only pixels are kept."""
    if not isinstance(text, str):
        return None
    try:
        picture = read_png(text, (4 * THUMBNAIL_SIZE) ** 2)
    except ValueError:
        return None
    return picture.convert("RGB").resize((THUMBNAIL_SIZE, THUMBNAIL_SIZE))


def joined(names: tuple[str, ...], constants: str = "") -> str:
    """Join files of the page to one script whose names are nobody else's."""
    constants = f"const CONTROLS = {script_json(CONTROLS)};\n{constants}"
    parts = "\n".join(_source(f"{name}.js") for name in names)
    return f'(() => {{\n"use strict";\n{constants}{parts}}})();\n'


def _source(name: str) -> str:
    return files("nca.shaders").joinpath("page", name).read_text(encoding="utf-8")


def _policy(script: str, style: str) -> str:
    def allowed(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"

    return (
        f"default-src 'none'; script-src {allowed(script)}; style-src {allowed(style)}; "
        "img-src data: blob:; media-src blob:; base-uri 'none'; form-action 'none'"
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
