"""Tools, keys, gestures and limits of window and page, read from ``controls.json``."""

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

_DATA: dict[str, Any] = json.loads(
    files("nca.shaders").joinpath("controls.json").read_text(encoding="utf-8")
)

SCALINGS: tuple[str, ...] = tuple(_DATA["scalings"])  # the index is nca_smooth in screen.glsl
COLOR_MAPS: tuple[str, ...] = tuple(_DATA["color_maps"])  # the index is nca_color_map
BLEND_BORDER: int = _DATA["blend_border"]  # width in cells of the transition between rules
TILE_LINES: float = _DATA["tile_lines"]  # strength of the lines between tiles
LIMITS: dict[str, Any] = _DATA["limits"]
AVERAGE_STEPS: int = _DATA["average_steps"]  # number of steps when the key turns the average on
LABELS: dict[str, str] = {name: one["label"] for name, one in _DATA["sliders"].items()}
RADIUS_STEP: float = _DATA["radius_step"]
AMOUNT_STEP: int = _DATA["amount_step"]


@dataclass(frozen=True)
class Tool:
    """A tool of the brush.

    Attributes:
        label: label of its button.
        help: short description.
        key: key that selects it.
        number: value of ``nca_tool`` in paint.glsl; None: paint.glsl does not draw this tool.
    """

    label: str
    help: str
    key: str
    number: int | None = None


@dataclass(frozen=True)
class Key:
    """An action and its keys.

    Attributes:
        keys: names of keys: a letter or character as printed on the key, or a name such as Space or
            F2. The prefixes Ctrl+, Alt+ and Shift+ are modifiers; characters have no Shift+.
        action: name of a method of :class:`nca.viewer.actions.Actions`.
        help: description in the help; "" hides it.
        tool: argument of the action ``set_tool``.
    """

    keys: tuple[str, ...]
    action: str
    help: str = ""
    tool: str = ""

    @property
    def show(self) -> str:
        """The keys as text for the help."""
        name = self.keys[0]
        return name if name == "+" else name.replace("+", " ")


def _here(entry: dict[str, Any]) -> bool:
    return entry.get("where") != "page"


TOOLS = {
    name: Tool(tool["label"], tool["help"], tool["key"], tool.get("number"))
    for name, tool in _DATA["tools"].items()
    if _here(tool)
}
TOOL_NUMBERS: dict[str, int] = {
    **{name: tool.number for name, tool in TOOLS.items() if tool.number is not None},
    "start": _DATA["start"],
}
BRUSH: dict[str, Any] = _DATA["brush"]

KEYS = (
    *(
        Key((tool.key,), "set_tool", f"Brush: {tool.help}", name)
        for name, tool in sorted(TOOLS.items(), key=lambda item: item[1].key)
    ),
    *(
        Key(tuple(entry["keys"]), entry["action"], entry.get("help", ""))
        for entry in _DATA["keys"]
        if _here(entry)
    ),
)
GESTURES = tuple((one["show"], one["help"]) for one in _DATA["gestures"] if _here(one))


def powers_of_two(least: float, most: float) -> tuple[float, ...]:
    """All powers of two from ``least`` to ``most``."""
    powers = [least]
    while powers[-1] < most:
        powers.append(2 * powers[-1])
    return tuple(powers)
