"""The parts of a page or an element: settings, rule data, player scripts."""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import jinja2
import torch.nn.functional as F
from markupsafe import Markup
from PIL import Image
from rjsmin import jsmin

from nca import __version__
from nca.errors import InputError
from nca.exporters.glsl.decoder import details_source
from nca.exporters.glsl.drawing import VIEWS, colors_fragment, flash_text, screen_fragment
from nca.exporters.glsl.fragments import Capabilities, step_passes, vertex_shader
from nca.exporters.glsl.general import general_text
from nca.exporters.glsl.general_decoder import decoder_text
from nca.exporters.glsl.lit import fine_text, lit_fragment
from nca.exporters.glsl.pieces import LITERAL_DIGITS, group_count
from nca.exporters.glsl.text import template
from nca.exporters.glsl.weights import Store, StoreChoice, choose_decoder_store, choose_store
from nca.exporters.png import read_png
from nca.exporters.settings import ExportOptions, Seed, StateFormat
from nca.exporters.target import Rules, check_rules
from nca.exporters.web.compact import compact_shader, with_references, with_short_names
from nca.images import data_url, to_image
from nca.options import Between, Bounded
from nca.rule import CALM_AFTER, Rule
from nca.rule_settings import EIGHT_BIT_STATE
from nca.rulefile import RuleFile

# The player runs in any canvas; the page adds controls to it.
_PLAYER = (
    "player/random player/controls player/files player/rules player/materials/views"
    " player/general player/decoding/weights player/gl player/readback player/field"
    " stepping/fields reading/link_text reading/field_link stepping/rule_shaders player/camera"
    " player/simulation player/flashes"
    " player/decoding/picture player/materials/fine player/materials/lit player/display"
    " player/speed player/grid"
    " player/watching/frames player/watching/snapshots player/player player/pointer"
)
PLAYER_SCRIPTS = tuple(_PLAYER.split())
_READING = "json settings rule_file png published link files"
_CONTROLS = ("pattern", "file_actions", "field_actions", "actions", "panel", "address", "main")
_READING_SCRIPTS = tuple(f"reading/{name}" for name in _READING.split())
PAGE_SCRIPTS = (*PLAYER_SCRIPTS, *_READING_SCRIPTS, *_CONTROLS)

MAX_RULES = 255  # a cell stores the number of its rule in a byte
TINY_WEIGHTS = 2000  # shaders with this few literals compile fast everywhere
THUMBNAIL_SIZE, THUMBNAIL_STEPS = 64, 200

CONTROLS = json.loads(template("controls.json"))


@dataclass(frozen=True)
class PageSettings(Bounded):
    """Initial settings of a page; users can change most of them there.

    Attributes:
        title: title of the page; default: the names of its rules.
        grid: size in cells (width, height). None: fits the window.
        seed: random seed for cell updates and initial noise.
        steps_per_frame: number of steps per frame, a power of two from 1/8 to 64.
        weights: ``inline``: as literals; ``texture``; or ``auto``: small rules use literals, large
            ones a texture. Others start with a texture, which compiles quickly, then switch to
            literals.
        state: format of the state. ``auto`` uses the most precise format that the device supports.
        digits: significant digits of weights as literals; nine reproduce a float32 exactly.

    Raises:
        InputError: a value is out of range.
    """

    title: str = ""
    grid: Annotated[tuple[int, int] | None, Between(3, 4096)] = None
    seed: Seed = 0
    steps_per_frame: float = 1
    weights: StoreChoice = "auto"
    state: Literal["auto"] | StateFormat = "auto"
    digits: int = LITERAL_DIGITS

    @classmethod
    def of(cls, options: ExportOptions) -> Self:
        """Make the settings from the options of all targets."""
        return cls(
            grid=None if options.grid is None else (options.grid, options.grid),
            seed=options.seed,
            steps_per_frame=options.steps_per_frame or 1,
            weights=options.weights,
            state="auto" if options.state == "rgba32f" else options.state,
            digits=options.digits,
        )

    def __post_init__(self) -> None:
        """Refuse values that a page does not support."""
        super().__post_init__()
        if self.steps_per_frame not in [2.0**power for power in range(-3, 7)]:
            raise InputError(
                f"`steps_per_frame` {self.steps_per_frame}: must be a power of two, 1/8 to 64"
            )


def page_data(rules: Rules, settings: PageSettings, *, thumbnails: bool = True) -> dict[str, Any]:
    """Collect everything that the player needs, as plain JSON data.

    Args:
        rules: rules by the name that the page shows; the page starts with the first one.
        settings: initial values of the page.
        thumbnails: whether to add thumbnails for choosing a rule; a single rule never has one.

    Raises:
        InputError: there are no rules or more than 255, or a weight is not finite.
    """
    check_rules(rules)
    check_count(rules)
    channels = max(file.rule.settings.channels for file in rules.values())
    groups = group_count(channels)
    return {
        **player_data(settings),
        "channels": channels,
        "groups": groups,
        "rules": [
            _rule_data(name, file, settings, groups)
            | {"thumbnail": data_url(thumbnail(file)) if thumbnails and len(rules) > 1 else None}
            for name, file in rules.items()
        ],
    }


def check_count(rules: Rules) -> None:
    """Refuse more rules than a page can hold.

    Raises:
        InputError: there are too many.
    """
    if len(rules) > MAX_RULES:
        raise InputError(f"a page can hold {MAX_RULES} rules, not {len(rules)}")


def player_data(settings: PageSettings) -> dict[str, Any]:
    """Collect the data of :func:`page_data` without the rules: shaders and initial values."""
    device = Capabilities("300 es", layers=True)
    return {
        "vertex": vertex_shader(device.dialect),
        "general": _short(general_text()),
        "colors": _short(colors_fragment(device, 4)),  # with layers, for any number of channels
        "decoder": _short(decoder_text(), prefix="d_"),  # joined with colors or fine
        "lit": _short(lit_fragment(device, 4)),
        "fine": _short(fine_text(device, 4)),
        "views": VIEWS,
        "screen": _short(screen_fragment(device, parts=True)),
        "flashes": _short(flash_text(device)),
        "calmAfter": CALM_AFTER,
        "digits": settings.digits,
        "byteState": [EIGHT_BIT_STATE.range, EIGHT_BIT_STATE.zero],
        "start": {
            "seed": settings.seed,
            "speed": settings.steps_per_frame,
            "grid": settings.grid and dict(zip(("width", "height"), settings.grid, strict=True)),
            "format": None if settings.state == "auto" else settings.state,
        },
    }


def _short(text: str, prefix: str = "_") -> str:
    """Shorten a shader of the page, but keep the names that the decoder of a rule uses."""
    kept = "nca_details", "nca_fetch", "nca_fine"
    return compact_shader(with_short_names(text, kept, prefix))


def script_json(data: object) -> str:
    """Write JSON for a ``script`` element, so that no text in it can end the element."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _rule_data(name: str, file: RuleFile, settings: PageSettings, groups: int) -> dict[str, Any]:
    rule = file.rule
    stores = _stores(rule, settings.weights)
    return {
        "name": rule_label(name),
        "credit": credit(file),
        "settings": rule.settings.to_dict(),
        "states": None if file.states is None else file.states.tolist(),
        "filters": len(rule.filters),
        "tensors": base64.b64encode(tensor_bytes(rule)).decode(),
        "stores": stores,
        "inline": _inline_passes(rule, groups) if "inline" in stores else None,
        "decoder": _inline_decoder(rule, settings.weights),
    }


def rule_label(name: str) -> str:
    """Return the name of a rule as the page shows it."""
    return _one_line(name) or "texture"


def credit(file: RuleFile) -> str:
    """Describe the author and the license of a rule in one line."""
    return ", ".join(filter(None, (_one_line(file.text(key)) for key in ("author", "license"))))


def tensor_bytes(rule: Rule) -> bytes:
    """Return ``filters``, ``w1``, ``b1``, ``w2``, any ``b2`` and any decoder as float32."""
    tensors = [rule.filters, *rule.parameters()]
    return b"".join(tensor.detach().numpy().astype("<f4").tobytes() for tensor in tensors)


def _stores(rule: Rule, choice: StoreChoice) -> tuple[Store, ...]:
    if choice != "auto":
        return (choice,)
    if choose_store(rule) == "texture":
        return ("texture",)
    return ("inline",) if rule.weight_count() <= TINY_WEIGHTS else ("inline", "texture")


def _inline_decoder(rule: Rule, choice: StoreChoice) -> str | None:
    """Emit ``nca_details`` with references to weights; None if the general decoder is used."""
    if rule.decoder is None or choose_decoder_store(rule, choice) == "texture":
        return None
    return compact_shader(with_references(details_source(rule), rule))


def _inline_passes(rule: Rule, groups: int) -> dict[str, list[dict[str, Any]]]:
    """Make the passes of a step with inline weights, by number of outputs of the device.

    The weights are references, which the page replaces by literals.
    """
    # Four outputs hold 16 channels, so only larger rules benefit from a device with eight outputs.
    passes = {}
    for outputs in (4, 8) if groups > 4 else (4,):
        device = Capabilities(
            "300 es", outputs, layers=True, blend=True, steering=True, rate=True, fields=True
        )
        passes[str(outputs)] = [
            {
                "fragment": compact_shader(with_references(one.fragment, rule)),
                "groups": one.groups,
            }
            for one in step_passes(rule, device, groups=groups)
        ]
    return passes


def thumbnail(file: RuleFile) -> Image.Image:
    """Make a small image of the texture, from the file or freshly grown."""
    picture = _kept_thumbnail(file.info.get("thumbnail"))
    if picture is None:
        state = file.rule.initial_state(1, THUMBNAIL_SIZE, THUMBNAIL_SIZE)
        state = file.rule(state, THUMBNAIL_STEPS)
        colors = F.interpolate(file.rule.to_image(state), THUMBNAIL_SIZE, mode="area")
        picture = to_image(colors[0].nan_to_num())
    return picture


def _kept_thumbnail(text: object) -> Image.Image | None:
    """Read the base64 PNG of an untrusted rule file; only its pixels are kept."""
    if not isinstance(text, str):
        return None
    try:
        picture = read_png(text, (4 * THUMBNAIL_SIZE) ** 2)
    except ValueError:
        return None
    return picture.convert("RGB").resize((THUMBNAIL_SIZE, THUMBNAIL_SIZE))


def join_scripts(names: tuple[str, ...], constants: str = "") -> str:
    """Join scripts of the page into one script with its own scope."""
    constants = f"const CONTROLS = {script_json(_of_page(CONTROLS))};\n{constants}"
    parts = "".join(jsmin(page_source(f"{name}.js")) for name in names)
    return f'(() => {{\n"use strict";\n{constants}{parts}}})();\n'


def _of_page(entry: Any) -> Any:
    """Return the controls that scripts need: no window controls, reasons, icons or sections."""
    if isinstance(entry, list):
        return [_of_page(one) for one in entry if not _of_window(one)]
    if isinstance(entry, dict):
        kept = {n: one for n, one in entry.items() if n not in ("why", "icon", "section")}
        return {name: _of_page(one) for name, one in kept.items() if not _of_window(one)}
    return entry


def _of_window(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("where") == "window"


def page_source(name: str) -> str:
    """Read a hand-written file of the page."""
    return template(f"page/{name}")


def render_page(
    text: str, script: str, style: str, allowed: str, *, scripts: str = "", **values: Any
) -> bytes:
    """Render a page whose own script and style are allowed by their hashes.

    Args:
        text: the template; it includes ``page/head.html``, which needs a title.
        script, style: script and style of the page.
        allowed: the rest of the page's Content-Security-Policy, such as sources of images.
        scripts: sources of other scripts.
        values: values for the template.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(template), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.from_string(text).render(
        generator=f"nca {__version__}",
        policy=f"default-src 'none'; script-src {scripts}{content_hash(script)}; "
        f"style-src {content_hash(style)}; {allowed}; base-uri 'none'; form-action 'none'",
        script=Markup(script),
        style=Markup(style),
        **values,
    )
    return page.encode()


def content_hash(text: str) -> str:
    """Return the hash of a script or style for a Content-Security-Policy."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def _one_line(text: str) -> str:
    return " ".join(text.split())
