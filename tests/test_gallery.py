"""The rules that come with the package: complete, measured, and alive."""

import json
from pathlib import Path

import pytest
import torch

from nca.backends.simulate import simulate
from nca.cli import main
from nca.errors import InputError
from nca.exporters.command import export_rules
from nca.exporters.settings import ExportSettings
from nca.exporters.web.target import WebTarget
from nca.gallery import KINDS, gallery, gallery_path, kind_of, picture_of
from nca.pictures import MATERIALS, PICTURES
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import load_rule, save_rule


@pytest.mark.parametrize("name", gallery(*KINDS))
def test_a_rule_of_the_gallery_is_of_a_bundled_picture_and_stable(name: str) -> None:
    file = load_rule(gallery_path(name))
    kind, picture = kind_of(name), picture_of(name)
    assert picture in (MATERIALS if kind == "material" else PICTURES)
    assert (file.rule.decoder is not None) == (kind == "fine")
    assert bool(file.rule.settings.maps) == (kind == "material")
    path = gallery_path(name)
    assert file.info["training"]["target"] == (picture if kind == "material" else f"{name}.png")
    folder = path.parents[1] / "reports" if kind == "plain" else path.parent
    report = folder / f"{name}.json"
    figures = json.loads(report.read_text(encoding="utf-8"))["rules"][name]
    assert figures["verdict"] == "stable"
    assert figures["weights"] == file.rule.weight_count()


@pytest.mark.parametrize("name", gallery(*KINDS))
def test_a_rule_of_the_gallery_names_no_folder(name: str, tmp_path: Path) -> None:
    file = load_rule(gallery_path(name))  # which leaves out folders
    save_rule(tmp_path / "again", file.rule, file.info)
    assert (tmp_path / "again").read_bytes() == gallery_path(name).read_bytes()


@pytest.mark.parametrize("name", gallery(*KINDS))
def test_a_rule_of_the_gallery_grows(name: str) -> None:
    rule = load_rule(gallery_path(name)).rule
    (state,) = simulate(rule, rule.initial_state(1, 48, 48, seed=3), [150], seed=3)
    shown = rule.to_rgb(state).clamp(0, 1)
    assert torch.isfinite(state).all()
    assert float(shown.std()) > 0.05  # of one color it would be 0


def test_the_first_one_is_shown_first() -> None:
    assert gallery()[0] == "scales"
    with pytest.raises(InputError, match="no rule is called 'moon'; there are scales"):
        gallery_path("moon")


def test_commands_take_names_of_bundled_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["info", "lava"]) == 0
    assert "gallery/rules/lava.safetensors" in capsys.readouterr().out
    save_rule("lava", Rule(RuleSettings(4, 5)))  # a file comes first
    assert main(["info", "lava"]) == 0
    assert "4 channels, 5 hidden" in capsys.readouterr().out
    assert main(["export", "coral", "--to", "isf", "--out", "coral.fs"]) == 0
    assert (tmp_path / "coral.fs").exists()


def test_without_rules_the_gallery_is_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A browser would run every rule, which is tested elsewhere.
    monkeypatch.setattr(WebTarget, "measure", lambda *_: {})
    export_rules(ExportSettings(out=tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text()
    for name in gallery():
        assert json.dumps({"name": name})[1:-1].replace(": ", ":") in page


@pytest.mark.gl
def test_without_rules_the_gallery_is_viewed(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["view", "--headless", "--grid", "32x24", "--steps", "1", "--stats", "json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["rules"] == gallery("plain", "fine")
