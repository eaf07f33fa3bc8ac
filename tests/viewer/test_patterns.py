"""Patterns of classic automata in the viewer."""

from pathlib import Path

import moderngl
import numpy as np
import pytest
import torch

from nca.automata.construction import ALIVE, build
from nca.automata.notation import parse_automaton
from nca.automata.rle import parse_pattern
from nca.cli import main
from nca.rulefile import save_rule
from nca.viewer.actions import Actions
from nca.viewer.files.state_file import load_state
from nca.viewer.files.watch import INTERVAL
from tests.helpers.classic import GLIDER, GUN
from tests.helpers.players import clock_of, make_player, rule_file

pytestmark = pytest.mark.gl


def classic_file(folder: Path, name: str = "life") -> Path:
    path = folder / f"{name}.safetensors"
    file = build(parse_automaton(name)).file()
    save_rule(path, file.rule, file.info)
    return path


def pattern_file(folder: Path, text: str) -> Path:
    (folder / "pattern.rle").write_text(text)
    return folder / "pattern.rle"


def test_a_dropped_gun_shoots_and_can_be_undone(gl: moderngl.Context, tmp_path: Path) -> None:
    player = make_player(gl, tmp_path, classic_file(tmp_path), grid="64x48")
    player.run_steps(3)
    before = player.simulation.read()
    Actions(player).open_files([pattern_file(tmp_path, GUN)])
    assert player.message == "pattern.rle is in the middle"
    gun = torch.from_numpy(parse_pattern(GUN)).float()
    middle = (ALIVE, slice(19, 28), slice(14, 50))
    state = player.simulation.read()
    assert torch.equal(state[middle], gun)
    assert state[ALIVE].sum() == gun.sum()
    player.run_steps(30)
    state = player.simulation.read()
    assert torch.equal(state[middle], gun)
    assert state[ALIVE].sum() == gun.sum() + 5
    player.undo()
    assert torch.equal(player.simulation.read(), before)
    player.release()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GUN, "a: a pattern needs a rule made by nca classic"),
        ("x = 2, y = 2\n4o!", "cells outside its size, 2x2"),
    ],
)
def test_a_pattern_that_does_not_fit_changes_nothing(
    gl: moderngl.Context, tmp_path: Path, text: str, said: str
) -> None:
    player = make_player(gl, tmp_path, rule_file(tmp_path))
    before = player.simulation.read()
    Actions(player).open_files([pattern_file(tmp_path, text)])
    assert said in player.message
    assert torch.equal(player.simulation.read(), before)
    player.release()


def test_the_states_are_those_of_the_rule_that_has_the_cells(
    gl: moderngl.Context, tmp_path: Path
) -> None:
    life = classic_file(tmp_path)
    player = make_player(gl, tmp_path, rule_file(tmp_path, channels=4, hidden=8), life)
    actions = Actions(player)
    actions.fill_rule()
    actions.open_files([pattern_file(tmp_path, GLIDER)])
    assert player.simulation.read()[ALIVE].sum() == 5
    actions.open_files([classic_file(tmp_path, "cyclic-313")])
    actions.fill_rule()
    actions.open_files([pattern_file(tmp_path, GLIDER.replace("3o", "AB"))])
    assert player.simulation.read()[4:7].sum((1, 2)).tolist() == [32 * 24 - 4, 3, 1]
    rule_file(tmp_path, "new").replace(life)  # a rule without states
    clock_of(player).now += INTERVAL
    player.advance()
    assert player.files.states[1] is None
    player.release()


def test_a_headless_run_starts_from_a_pattern(tmp_path: Path) -> None:
    words = ["--state", str(pattern_file(tmp_path, GLIDER)), "--steps", "40", "--grid", "32x24",
             "--state-out", str(tmp_path / "a.npz")]  # fmt: skip
    assert main(["view", str(classic_file(tmp_path)), "--headless", *words]) == 0
    alive = load_state(tmp_path / "a.npz").state[ALIVE].numpy()
    rows, columns = np.nonzero(alive)
    y, x = np.nonzero(parse_pattern(GLIDER))  # ten cells further down and to the right, or beyond
    assert {*zip(rows, columns, strict=True)} == {*zip((y + 20) % 24, x + 24, strict=True)}


@pytest.mark.parametrize("tool", ["noise", "erase", "plant"])
def test_a_brush_leaves_living_and_dead_cells(
    gl: moderngl.Context, tmp_path: Path, tool: str
) -> None:
    player = make_player(gl, tmp_path, classic_file(tmp_path))
    player.simulation.paint("erase")
    player.run_steps(1)
    player.simulation.paint(tool)
    player.run_steps(1)
    alive = player.simulation.read()[ALIVE]
    share = {"noise": 0.3, "erase": 0.0, "plant": 0.0}[tool]  # planted everywhere, all starve
    assert abs(float(alive.mean()) - share) < 0.1
    player.run_steps(3)
    alive = player.simulation.read()[ALIVE]
    assert (alive - alive.round()).abs().max() < 1e-6
    player.release()
