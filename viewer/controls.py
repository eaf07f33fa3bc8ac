"""The controls that window and page share: tools, keys, gestures, limits of ``controls.json``."""

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

_DATA: dict[str, Any] = json.loads(
    files("nca.shaders").joinpath("controls.json").read_text(encoding="utf-8")
)

COLOR_MAPS: tuple[str, ...] = tuple(_DATA["color_maps"])  # the index is nca_color_map
BLEND_BORDER: int = _DATA["blend_border"]  # cells over which one rule fades into the next
TILE_LINES: float = _DATA["tile_lines"]  # strength of the lines between tiles
LIMITS: dict[str, Any] = _DATA["limits"]
AVERAGE_STEPS: int = _DATA["average_steps"]  # of the key that turns the average on
RADIUS_STEP: float = _DATA["radius_step"]


@dataclass(frozen=True)
class Tool:
    """A brush.

    Attributes:
        label: what its button says.
        help: what it does.
        key: what chooses it.
        number: ``nca_tool`` of paint.glsl; None: it paints by other means.
    """

    label: str
    help: str
    key: str
    number: int | None = None


@dataclass(frozen=True)
class Key:
    """Keys, and the action that they stand for.

    Attributes:
        keys: what is pressed: a letter or a sign as printed on the key, or the name of a key such
            as Space or F2, after Ctrl+, Alt+ and Shift+ where these are held. Signs have no Shift+.
        action: name of a method of :class:`nca.viewer.actions.Actions`.
        help: what the help says of it; "" leaves it out.
        tool: the tool that the action ``set_tool`` takes.
    """

    keys: tuple[str, ...]
    action: str
    help: str = ""
    tool: str = ""

    @property
    def show(self) -> str:
        """How the help writes it."""
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
    """All powers of two from one to another."""
    powers = [least]
    while powers[-1] < most:
        powers.append(2 * powers[-1])
    return tuple(powers)
