"""Rules of classic automata make the steps of a plain numpy version, bit by bit."""

import numpy as np
import pytest
import torch

from nca.automata.construction import ALIVE, AMBER, DUSK, FADE, NIGHT, Classic, build
from nca.automata.notation import NAMES, Totalistic, parse_automaton
from nca.automata.rle import parse_pattern, placed
from nca.errors import InputError
from nca.rule import Rule
from tests.helpers.classic import (
    GLIDER,
    GUN,
    next_cells,
    random_totalistic,
    to_cells,
    to_state,
)

RNG = np.random.default_rng(0)
AUTOMATA = [
    *(each.notation for each in NAMES.values()),
    *("B/S", "B0/S", "B012345678/S012345678", "B1357/S1357", "B/S8/C3", "B8/S0/C256"),
    *("R1/T1/C3", "R1/T8/C3", "R1/T2/C7", "R1/T1/C48"),
    *(str(random_totalistic(RNG)) for _ in range(40)),
]


@pytest.mark.parametrize("notation", AUTOMATA)
def test_every_step_is_that_of_numpy(notation: str) -> None:
    automaton = parse_automaton(notation)
    assert str(automaton) == notation
    classic = build(automaton)
    shape = (16, 9, 11)
    density = RNG.random((16, 1, 1))  # so that all numbers of neighbors occur
    cells = np.where(RNG.random(shape) < 0.5, 1, RNG.integers(0, automaton.states, shape))
    cells *= RNG.random(shape) < density
    state = to_state(classic, cells)
    for _ in range(5):
        state, cells = classic.rule(state, 1), next_cells(automaton, cells)
        assert (to_cells(classic, state) == cells).all()
    assert 16 * len(AUTOMATA) > 1000


def test_thousands_of_steps_leave_no_error() -> None:
    classic = build(parse_automaton("B1357/S1357"))
    cells = RNG.integers(0, 2, (1, 64, 64))
    # This automaton adds its neighbors modulo 2: after 32 steps all sums on 64x64 cells are even.
    last, gone = classic.rule(to_state(classic, cells), 31), torch.zeros(1, 64, 64)
    assert bool(last[:, ALIVE].any())
    assert torch.equal(classic.rule(last, 1)[:, ALIVE], gone)


@pytest.mark.parametrize("notation", ["B3/S23", "B2/S345/C4", "B24/S345/C256", "R1/T1/C14"])
def test_no_sum_is_rounded_in_any_order(notation: str) -> None:
    """All terms of a sum are multiples of one number, and add up to less than 2**24 of it."""
    classic = build(parse_automaton(notation))
    rule, table = classic.rule.requires_grad_(requires_grad=False), classic.states
    if notation == "B3/S23":
        table = torch.cat([table, torch.full_like(table[:1], 1 / FADE)])
    finest = torch.tensor([grain(column) for column in table.T]).repeat_interleave(2)
    most = torch.tensor([1.0, 8.0]).repeat(table.shape[1])  # of a cell, and of its neighbors
    for row, at in zip(rule.w1, rule.b1, strict=True):
        terms = torch.cat([row * finest, at[None]])
        assert float((row.abs() * most).sum() + at.abs()) < 2**24 * grain(terms)
    # Switches are 0 or 1; other hidden units are values of channels.
    second = rule.w2[3:]
    assert float(second.abs().sum(1).max()) + 1 < 2**24 * grain(second) * float(finest[6:].min())


def grain(values: torch.Tensor) -> float:
    """The largest power of two, at most 1, that all values are multiples of."""
    return next(2.0**-k for k in range(25) if not (values * 2.0**k).frac().any())


def test_the_color_is_that_of_the_state() -> None:
    classic = build(parse_automaton("life"))
    state = classic.rule(to_state(classic, RNG.integers(0, 2, (1, 40, 40))), 50)
    night, amber, dusk = (torch.tensor(c)[:, None, None] for c in (NIGHT, AMBER, DUSK))
    assert torch.equal(state[0, :3], night + amber * state[:, 3] + dusk * state[:, 4])
    assert len(state[0, 4].unique()) > 20, "traces fade"


def test_a_glider_moves_and_a_gun_shoots() -> None:
    classic = build(parse_automaton("life"))
    start = placed(parse_pattern(GLIDER), classic.states, (16, 16))[None]
    after = classic.rule(start, 4)[:, ALIVE]
    assert torch.equal(after, start[:, ALIVE].roll((1, 1), (1, 2)))
    gun = parse_pattern(GUN)
    start = placed(gun, classic.states, (100, 100))[None]
    counts = [int(classic.rule(start, 30 * shots)[0, ALIVE].sum()) for shots in range(4)]
    assert counts == [36, 41, 46, 51]
    top, left = (100 - gun.shape[0]) // 2, (100 - gun.shape[1]) // 2
    again = classic.rule(start, 30)[0, ALIVE, top : top + 9, left : left + 36]
    assert torch.equal(again, torch.from_numpy(gun).float()), "the period is 30"


@pytest.mark.parametrize("name", NAMES)
def test_noise_becomes_states(name: str) -> None:
    automaton = parse_automaton(name)
    classic = build(automaton, NAMES[name].density)
    rule = classic.rule
    state = rule(rule.initial_state(1, 48, 48, seed=3), 1)
    if isinstance(automaton, Totalistic):
        wanted = NAMES[name].density or 0.3
        assert abs(float(state[0, ALIVE].mean()) - wanted) < 0.06
    state = rule(state, 2 + 2 * automaton.states)
    assert is_near_states(classic, state)


@pytest.mark.parametrize("tool", ["erase", "plant"])
@pytest.mark.parametrize("name", ["life", "star-wars", "cyclic"])
def test_a_brush_leaves_states(tool: str, name: str) -> None:
    classic = build(parse_automaton(name))
    state = to_state(classic, RNG.integers(0, classic.automaton.states, (1, 24, 24)))
    state[:, :, 6:12, 6:12] = 0.0
    if tool == "plant":
        state[:, 3:, 6:12, 6:12] = 1.0
    assert is_near_states(classic, classic.rule(state, 3))
    if name != "cyclic":
        plain = to_cells(classic, to_state(classic, np.full((1, 1, 1), int(tool == "plant"))))
        cells = to_cells_of(classic, state)
        assert (cells[:, 6:12, 6:12] == plain).all()


def to_cells_of(classic: Classic, state: torch.Tensor) -> np.ndarray:
    """States by their channels, without the color."""
    table, values = classic.states[:, 3:], state[:, 3:]
    return (values[:, None] == table[None, :, :, None, None]).all(2).long().argmax(1).numpy()


def is_near_states(classic: Classic, state: torch.Tensor) -> bool:
    """Whether all cells have states but for what float32 rounds in noise."""
    values, table = state[:, 3:], classic.states[:, 3:]
    if len(table) == 2:
        values, table = values[:, :1], table[:, :1]
    away = (values[:, None] - table[None, :, :, None, None]).abs().amax(2).amin(1)
    return float(away.max()) < 1e-6


def test_the_density_is_bounded() -> None:
    with pytest.raises(InputError, match=r"`density` 0.9: must be 0.0\d to 0.5\d"):
        build(parse_automaton("life"), 0.9)
    with pytest.raises(InputError, match="equally often"):
        build(parse_automaton("cyclic"), 0.5)
    assert isinstance(build(parse_automaton("life"), 0.1).rule, Rule)
