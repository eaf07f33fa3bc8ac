"""Export by the extension or by the target's name, and the window."""

from pathlib import Path

import pytest

import nca
from nca.api import export as module
from nca.errors import InputError
from nca.exporters.registry import target_names
from nca.gallery import gallery_path
from nca.rule_settings import RuleSettings
from nca.rulefile import load_rule
from nca.viewer.settings import ViewSettings
from tests.helpers.rules import bounded_rule

RULE = bounded_rule(RuleSettings(channels=4, hidden=8))


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("leaf.html", "leaf.html"),
        ("leaf.js", "leaf.js"),
        ("leaf.fs", "leaf.fs"),
        ("leaf.isf", "leaf.fs"),
        ("leaf.frag", "leaf.frag"),
        ("leaf.glsl", "leaf/manifest.json"),
        ("leaf.WGSL", "leaf/nca.wgsl"),
        ("leaf.gd", "leaf/nca_texture.gd"),
    ],
)
def test_the_ending_names_the_target(path: str, written: str, tmp_path: Path) -> None:
    out = nca.export(RULE, tmp_path / path)
    assert (tmp_path / written).is_file()
    assert out in (tmp_path / written, (tmp_path / written).parent)
    assert len(list(tmp_path.iterdir())) == 1
    assert nca.export(RULE, str(tmp_path / path)) == out  # over the one before


def test_a_target_has_a_name(tmp_path: Path) -> None:
    folder = nca.export(RULE, tmp_path / "toy", target="shadertoy")
    assert (folder / "shadertoy.json").is_file()


def test_a_page_has_the_name_of_its_file_and_several_rules_their_own(tmp_path: Path) -> None:
    page = nca.export(RULE, tmp_path / "my leaf.html").read_text()
    assert "<title>my leaf</title>" in page
    page = nca.export({"one": RULE, "two": "scales"}, tmp_path / "both.html").read_text()
    assert "<title>one, two</title>" in page
    assert load_rule(gallery_path("scales")).text("author") in page


def test_a_rule_in_training_is_exported_as_it_is(tmp_path: Path) -> None:
    RULE.requires_grad_()
    assert nca.export(RULE, tmp_path / "leaf.html").is_file()


@pytest.mark.parametrize(
    ("path", "target", "said"),
    [
        (
            "leaf.hlsl",
            None,
            r"`path` \S+leaf.hlsl: its file extension must be one of .html, .js",
        ),
        ("leaf", None, "`path` .*or set `target`, one of comfyui, gallery"),
        ("leaf.html", "unreal", f"`target` unreal: must be one of {', '.join(target_names())}"),
        ("none/leaf.html", None, "cannot write .* there is no folder"),
    ],
)
def test_wrong_places_and_targets_are_named(path, target, said, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        nca.export(RULE, tmp_path / path, target)
    assert list(tmp_path.iterdir()) == []


def test_a_window_shows_rules_and_files(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []

    def open_window(settings: ViewSettings) -> None:
        seen.extend((p.parent.name, load_rule(p).rule.weight_count()) for p in settings.rules)

    monkeypatch.setattr(module, "open_window", open_window)
    nca.view(RULE)
    nca.view([RULE, "scales"])
    counts = [RULE.weight_count(), nca.load("scales").weight_count()]
    assert seen == [("0", counts[0]), ("0", counts[0]), ("rules", counts[1])]
    with pytest.raises(InputError, match="`rule` of type int"):
        nca.view([5])
