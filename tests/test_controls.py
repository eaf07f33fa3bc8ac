"""Controls of window and page: names in ``controls.json`` exist in both, or have a reason."""

import json
import re
from importlib.resources import files
from typing import get_args, get_type_hints

import pytest
import torch

from nca.options import Scaling
from nca.rule_settings import RuleSettings
from nca.viewer import controls
from nca.viewer.actions import Actions
from nca.viewer.settings import DisplaySettings
from nca.viewer.simulation.simulation import Simulation
from tests.helpers.rules import bounded_rule

SHADERS = files("nca.shaders")
CONTROLS = json.loads(SHADERS.joinpath("controls.json").read_text(encoding="utf-8"))
PAGE = SHADERS.joinpath("page")
ENTRIES = [
    *({**tool, "keys": [tool["key"]], "action": "set_tool"} for tool in CONTROLS["tools"].values()),
    *CONTROLS["keys"],
]

# What is in a file of the page is in the file of the same name in viewer/.
SHARED = {
    "simulation/simulation": ("player/simulation", "Simulation"),
    "simulation/field": ("player/field", "Field"),
    "simulation/display": ("player/display", "Display"),
    "simulation/camera": ("player/camera", "Camera"),
    "speed": ("player/speed", "SpeedControl"),
    "player": ("player/player", "Player"),
    "window/pointer": ("player/pointer", "Pointer"),
    "actions": ("actions", "Actions"),
    "field_actions": ("field_actions", "FieldActions"),
    "window/panel": ("panel", "Panel"),
}


def page_methods(file: str) -> set[str]:
    """Names of the methods in a script of the page, as Python writes names."""
    text = PAGE.joinpath(f"{file}.js").read_text(encoding="utf-8")
    names = re.findall(r"^  (?:async )?(\w+)\(.*\{(?: .* \})?$", text, re.M)
    return {re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower() for name in names}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["keys"][0])
def test_every_action_is_in_both_or_says_why_not(entry):
    places = {
        "window": set(dir(Actions)),
        "page": set().union(*map(page_methods, ("actions", "field_actions", "file_actions"))),
    }
    where = entry.get("where")
    for place, methods in places.items():
        if where in (None, place):
            assert entry["action"] in methods, place
    assert where is None or entry["why"]
    assert where in (None, "window", "page")


@pytest.mark.parametrize("place", ["window", "page"])
def test_no_key_has_two_meanings(place):
    here = [entry for entry in ENTRIES if entry.get("where") in (None, place)]
    keys = [key for entry in here for key in entry["keys"]]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("path", SHARED)
def test_the_same_thing_has_the_same_name(path):
    file, name = SHARED[path]
    window = files("nca.viewer").joinpath(f"{path}.py").read_text(encoding="utf-8")
    assert f"class {name}" in window
    assert f"class {name} " in PAGE.joinpath(f"{file}.js").read_text(encoding="utf-8")


def test_the_flags_name_the_same_choices():
    assert get_args(get_type_hints(DisplaySettings)["color_map"]) == controls.COLOR_MAPS
    assert get_args(Scaling) == controls.SCALINGS


def test_a_slider_has_a_section_and_is_in_both_or_says_why_not():
    panels = {
        "page": PAGE.joinpath("panel.js").read_text(encoding="utf-8"),
        "window": files("nca.viewer").joinpath("window/panel.py").read_text(encoding="utf-8"),
    }
    sections = set(re.findall(r'sliders\("(\w+)"\)', PAGE.joinpath("page.html").read_text()))
    for name, slider in CONTROLS["sliders"].items():
        where = slider.get("where")
        assert slider["section"] in sections
        assert where is None or slider["why"]
        for place, text in panels.items():
            made = re.search(rf'_slider\(\s*"{name}"|^      {name}: \[', text, re.M)
            assert bool(made) == (where in (None, place)), (name, place)


def test_a_tool_of_the_page_has_an_icon():
    for name, tool in CONTROLS["tools"].items():
        assert ("icon" in tool) == (tool.get("where") != "window" and not tool.get("field")), name


@pytest.mark.gl
def test_every_number_is_another_brush(gl):
    rule = bounded_rule(RuleSettings(channels=5, start="center"))
    simulation = Simulation(gl, [rule], (6, 7))
    painted = []
    for tool in controls.TOOL_NUMBERS:
        simulation.write(torch.full((5, 6, 7), 0.25))
        simulation.paint(tool)
        painted.append(simulation.read())
    simulation.release()
    numbers = sorted(controls.TOOL_NUMBERS.values())
    assert numbers == list(range(len(painted)))
    for i, one in enumerate(painted):
        assert not (one == 0.25).any()
        assert all(not torch.equal(one, other) for other in painted[:i])
