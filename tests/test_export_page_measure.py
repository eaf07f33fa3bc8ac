"""What an export of a page says about its distance from torch, by the text in the written file."""

from pathlib import Path

import pytest

from nca.cli import main
from nca.export import hosts
from nca.export.command import LISTED, measured_lines
from nca.export.component import export_component
from nca.export.hosts import Difference, grown_state
from nca.export.html import PageSettings, export_html
from nca.export.page_measure import measure_page
from nca.rule import EIGHT_BIT_STATE, Quantization, RuleSettings
from nca.rulefile import RuleFile, save_rule
from tests.rules import bounded_rule

pytestmark = [pytest.mark.gl, pytest.mark.usefixtures("quick_thumbnails")]

DYING = RuleSettings(22, 12, "zeros", alive_threshold=0.1)


@pytest.fixture
def rules() -> dict[str, RuleFile]:
    """Two rules on one page, one with more channels than a pass has outputs."""
    return {
        "plain": RuleFile(bounded_rule(RuleSettings(8, 16))),
        "dying": RuleFile(bounded_rule(DYING, update_bias=True)),
    }


@pytest.mark.parametrize("write", [export_html, export_component])
@pytest.mark.parametrize("weights", ["inline", "texture"])
def test_every_rule_is_near_torch(gl, rules, tmp_path, write, weights):
    out = tmp_path / "out"
    write(rules, out, PageSettings(seed=9, weights=weights))
    found = measure_page(out, rules, gl)
    assert list(found) == ["plain", "dying"]
    for name, difference in found.items():
        assert difference.largest is not None, difference.reason
        assert 0 < difference.largest < 1e-5, name


@pytest.mark.parametrize(("state", "allowed"), [("rgba16f", 5e-3), ("rgba8", 0.1)])
def test_the_state_is_kept_as_the_page_keeps_it(gl, rules, tmp_path, state, allowed):
    export_html(rules, tmp_path / "page.html", PageSettings(state=state))
    largest = measure_page(tmp_path / "page.html", rules, gl)["plain"].largest
    assert largest is not None
    assert 1e-5 < largest < allowed


def test_a_spoiled_page_is_found_out(gl, rules, tmp_path):
    path = tmp_path / "page.html"
    export_html(rules, path)
    text = path.read_text()
    path.write_text(text.replace("nca_mask *", "0.9 * nca_mask *"))
    assert path.read_text() != text
    for difference in measure_page(path, rules, gl).values():
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
            assert float(line.split()[1]) < 1e-5
        assert " bytes" in said.splitlines()[0]
    assert (tmp_path / "a.js").read_text().count("customElements.define") == 1


def test_without_graphics_it_says_so(rules, tmp_path, monkeypatch):
    def none() -> None:
        raise hosts.GraphicsError("no OpenGL here")

    monkeypatch.setattr(hosts, "open_headless", none)
    export_html(rules, tmp_path / "page.html")
    found = measure_page(tmp_path / "page.html", rules)
    assert str(found["plain"]) == "not measured: no OpenGL here"


def test_digits_are_kept_in_the_page(rules, tmp_path):
    sizes = []
    for digits in (9, 5):
        report = export_html(
            rules, tmp_path / "p.html", PageSettings(weights="inline", digits=digits)
        )
        sizes.append(report.bytes)
    assert sizes[1] < 0.95 * sizes[0]


def test_of_many_rules_the_furthest_is_told():
    settings = RuleSettings(4, 8, quantization=Quantization(state=EIGHT_BIT_STATE))
    rules = {f"r{i}": RuleFile(bounded_rule(settings)) for i in range(LISTED + 1)}
    found = {name: Difference(i * 1e-6, 8) for i, name in enumerate(rules)}
    found["r0"] = Difference(None, reason="no OpenGL here")
    told, rounding = measured_lines(rules, found)
    assert told.startswith("8 of 9 rules measured; the furthest is r8: 8e-06 largest")
    assert "0.016 apart" in rounding
    unknown = dict.fromkeys(rules, found["r0"])
    assert measured_lines(rules, unknown)[0] == "all 9 rules: not measured: no OpenGL here"
