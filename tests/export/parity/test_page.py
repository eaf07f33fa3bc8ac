"""The reported difference of an exported page from torch."""

import json
from pathlib import Path

import pytest

from nca.cli import main
from nca.errors import GraphicsError
from nca.exporters.command import MAX_LISTED, ExportReport
from nca.exporters.parity import compare
from nca.exporters.parity.compare import Difference, grown_state, rounding_notes
from nca.exporters.parity.page import measure_page
from nca.exporters.registry import find_target
from nca.exporters.settings import ExportOptions
from nca.exporters.web.page import PageSettings, page_data, script_json
from nca.rule_settings import EIGHT_BIT_STATE, Quantization, RuleSettings
from nca.rulefile import RuleFile, save_rule
from tests.helpers.rules import bounded_rule

pytestmark = [pytest.mark.gl, pytest.mark.usefixtures("quick_thumbnails")]

DYING = RuleSettings(22, 12, "zeros", alive_threshold=0.1)


@pytest.fixture
def rules() -> dict[str, RuleFile]:
    """Two rules on one page, one with more channels than a pass has outputs."""
    return {
        "plain": RuleFile(bounded_rule(RuleSettings(8, 16))),
        "dying": RuleFile(bounded_rule(DYING, update_bias=True)),
    }


@pytest.mark.parametrize("weights", ["inline", "texture"])
def test_every_rule_is_near_torch(gl, rules, weights):
    found = measure_page(page_data(rules, PageSettings(seed=9, weights=weights)), rules, gl)
    assert list(found) == ["plain", "dying"]
    for name, difference in found.items():
        assert difference.largest is not None, difference.reason
        assert 0 < difference.largest < 1e-5, name


@pytest.mark.parametrize(("state", "allowed"), [("rgba16f", 5e-3), ("rgba8", 0.1)])
def test_the_state_is_kept_as_the_page_keeps_it(gl, rules, state, allowed):
    data = page_data(rules, PageSettings(state=state))
    largest = measure_page(data, rules, gl)["plain"].largest
    assert largest is not None
    assert 1e-5 < largest < allowed


def test_fewer_digits_are_farther_from_torch(gl, rules):
    data = page_data(rules, PageSettings(weights="inline", digits=3))
    largest = measure_page(data, rules, gl)["plain"].largest
    assert largest is not None
    assert largest > 1e-4


def test_a_spoiled_page_is_found_out(gl, rules):
    text = json.dumps(page_data(rules, PageSettings()))
    spoiled = text.replace("nca_mask*", "0.9*nca_mask*")
    assert spoiled != text
    for difference in measure_page(json.loads(spoiled), rules, gl).values():
        assert difference.largest is not None
        assert difference.largest > 1e-3


def test_the_state_that_is_compared_lives():
    state = grown_state(bounded_rule(DYING, update_bias=True), 24, 24, 0)
    assert float((state != 0).float().mean()) > 0.05


def test_the_commands_say_it(gl, rules, tmp_path: Path, capsys):
    paths = []
    for name, file in rules.items():
        paths.append(str(tmp_path / f"{name}.safetensors"))
        save_rule(Path(paths[-1]), file.rule)
    for target, out in (("html", "a.html"), ("web-component", "a.js"), ("gallery", "a")):
        assert main(["export", *paths, "--to", target, "--out", str(tmp_path / out)]) == 0
        said = capsys.readouterr().out
        for name in rules:
            line = next(x for x in said.splitlines() if x.startswith(f"{name}: "))
            assert float(line.split()[-1]) < 1e-5
        assert " bytes" in said.splitlines()[0]
    assert (tmp_path / "a.js").read_text().count("customElements.define") == 1


def test_without_graphics_it_says_so(rules, monkeypatch):
    def none() -> None:
        raise GraphicsError("no OpenGL here")

    monkeypatch.setattr(compare, "open_headless", none)
    found = measure_page(page_data(rules, PageSettings()), rules)
    assert str(found["plain"]) == "not measured: no OpenGL here"


@pytest.mark.parametrize("target", ["html", "web-component"])
def test_the_data_that_is_measured_is_in_the_file(rules, target):
    options = ExportOptions(seed=9, weights="inline", grid=32, steps_per_frame=2)
    (file,) = find_target(target).build(rules, options).values()
    data = page_data(rules, PageSettings.of(options))
    assert script_json(data).encode() in file
    unpictured = page_data(rules, PageSettings.of(options), thumbnails=False)
    for written, measured in zip(data["rules"], unpictured["rules"], strict=True):
        assert measured == {**written, "thumbnail": None}


def test_of_many_rules_the_worst_is_reported():
    settings = RuleSettings(4, 8, quantization=Quantization(state=EIGHT_BIT_STATE))
    notes = rounding_notes(bounded_rule(settings))
    found = {f"r{i}": Difference(i * 1e-6, 8, notes=notes) for i in range(MAX_LISTED + 1)}
    unmeasured = found["r0"] = Difference(None, reason="no OpenGL here", notes=notes)
    output, rounding, _ = ExportReport("html", Path("a"), [], found, "tested").lines()
    assert output.startswith("8 of 9 rules measured; the worst is r8: largest difference")
    assert "0.016 apart" in rounding
    unknown = ExportReport("html", Path("a"), [], dict.fromkeys(found, unmeasured), "tested")
    assert unknown.lines()[0] == "all 9 rules: not measured: no OpenGL here"
