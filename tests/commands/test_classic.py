"""`nca classic`: the file that it writes, and its names."""

from pathlib import Path

import pytest

from nca.automata.construction import ALIVE
from nca.automata.notation import NAMES
from nca.cli import main
from nca.rulefile import load_rule


def test_a_rule_file_is_written_with_its_states(tmp_path: Path, capsys) -> None:
    out = tmp_path / "life.safetensors"
    assert main(["classic", "life", "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    file = load_rule(out)
    assert file.text("automaton") == "B3/S23"
    assert file.states is not None
    assert file.states[:, ALIVE].tolist() == [0, 1]
    assert main(["info", str(out)]) == 0
    assert "automaton: B3/S23" in capsys.readouterr().out
    assert main(["classic", "B36/S23", "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["classic", "B36/S23", "--density", "0.1", "--out", str(out), "--overwrite"]) == 0
    assert load_rule(out).text("automaton") == "B36/S23"


def test_a_name_has_its_own_density(tmp_path: Path) -> None:
    out = tmp_path / "a.safetensors"
    assert main(["classic", "majority", "--out", str(out)]) == 0
    rule = load_rule(out).rule
    assert 0.45 < float(rule(rule.initial_state(1, 64, 64), 1)[0, ALIVE].mean()) < 0.55


def test_names_are_listed(capsys) -> None:
    assert main(["classic", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [[n, each.notation] for n, each in NAMES.items()]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "an automaton and --out are needed"),
        (["life"], "an automaton and --out are needed"),
        (["lfie", "--out", "x"], "did you mean life?"),
        (["life", "--out", "x", "--density", "0.9"], "--density 0.9: must be"),
        (["life", "--out", "x", "--density", "2"], "--density 2.0: must be 0 to 1"),
    ],
)
def test_wrong_words_are_refused(words: list[str], said: str, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["classic", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert list(tmp_path.iterdir()) == []
