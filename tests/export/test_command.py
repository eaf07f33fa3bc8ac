from pathlib import Path

import pytest

from nca.cli import main
from nca.rule_settings import RuleSettings
from nca.rulefile import save_rule
from tests.helpers.rules import bounded_rule


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    folder = tmp_path / "lava"
    folder.mkdir()
    save_rule(folder / "rule.safetensors", bounded_rule(RuleSettings(4, 8)))
    return folder / "rule.safetensors"


def test_a_page_of_several_rules(
    rule: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "sand.safetensors"
    save_rule(other, bounded_rule(RuleSettings(4, 8), seed=1))
    out = tmp_path / "page.html"
    assert main(["export", str(rule), str(other), "--out", str(out)]) == 0
    text = out.read_text()
    assert '"name":"lava"' in text
    assert '"name":"sand"' in text
    assert f"{out}  {out.stat().st_size:,} bytes" in capsys.readouterr().out


def test_nothing_is_overwritten_unasked(rule: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "page.html"
    out.write_text("mine")
    assert main(["export", str(rule), "--out", str(out)]) == 2
    assert out.read_text() == "mine"
    assert "use --overwrite" in capsys.readouterr().err
    assert main(["export", str(rule), "--out", str(out), "--overwrite"]) == 0
    assert out.read_text() != "mine"


def test_a_grid_is_one_side_or_two_that_are_equal(rule: Path, tmp_path: Path) -> None:
    for number, grid in enumerate(("64", "64x64")):
        out = tmp_path / f"{number}.html"
        assert main(["export", str(rule), "--out", str(out), "--grid", grid]) == 0
        assert '"grid":{"width":64,"height":64}' in out.read_text()


@pytest.mark.gl
def test_shaders_are_measured(rule: Path, tmp_path: Path, capsys, gl) -> None:
    del gl
    assert main(["export", str(rule), "--to", "glsl", "--out", str(tmp_path / "glsl")]) == 0
    said = capsys.readouterr().out
    assert "largest difference from torch after 8 steps" in said
    assert float(said.split("after 8 steps: ")[1].split()[0]) < 1e-5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "html", "--out", "."], "is a folder"),
        (["--to", "html", "--out", "none/a.html"], "no folder"),
        (["--to", "unreal", "--out", "a"], "invalid choice 'unreal'"),
        (["--out", "a.html", "--grid", "3"], "--grid 3: must be 8 to 4096"),
        (["--out", "a.html", "--grid", "64x48"], "'64x48': must be N or NxN"),
        (["--out", "a.html", "--grid", "x"], "'x': must be N or NxN"),
        (["--out", "a.html", "--steps-per-frame", "3"], "power of two"),
    ],
)
def test_wrong_use_gets_one_line(
    rule: Path, words: list[str], said: str, capsys, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(rule), *words]) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["lava"]


def test_two_rules_of_one_name_are_refused(rule: Path, capsys, tmp_path: Path) -> None:
    assert main(["export", str(rule), str(rule), "--out", str(tmp_path / "a.html")]) == 2
    assert "two rules are called 'lava'" in capsys.readouterr().err
