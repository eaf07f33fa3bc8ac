"""Classic automata in plain NumPy, and patterns for them."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nca.automata.construction import Classic
from nca.automata.notation import Automaton, Cyclic, Totalistic

Cells = npt.NDArray[np.int64]  # numbers of states, [..., height, width]

GLIDER = "x = 3, y = 3, rule = B3/S23\nbob$2bo$3o!"
GUN = """#N Gosper glider gun
x = 36, y = 9, rule = B3/S23
24bo$22bobo$12b2o6b2o12b2o$11bo3bo4b2o12b2o$2o8bo5bo3b2o$2o8bo3bob2o4b
obo$10bo5bo7bo$11bo3bo$12b2o!
"""


def next_cells(automaton: Automaton, cells: Cells) -> Cells:
    """Compute a step on a grid that wraps around."""
    if isinstance(automaton, Cyclic):
        following = (cells + 1) % automaton.states
        around = neighbors(cells[None] == np.arange(automaton.states).reshape(-1, 1, 1, 1))
        count = np.take_along_axis(around, following[None], 0)[0]
        return np.where(count >= automaton.threshold, following, cells)
    count = neighbors(cells == 1)
    dying = np.where(cells + 1 < automaton.states, cells + 1, 0)
    born = np.isin(count, list(automaton.birth)).astype(np.int64)
    alive = np.where(np.isin(count, list(automaton.survival)), 1, dying)
    return np.where(cells == 0, born, np.where(cells == 1, alive, dying))


def neighbors(counted: npt.NDArray[np.bool_]) -> Cells:
    places = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
    return sum(np.roll(counted.astype(np.int64), place, (-2, -1)) for place in places)  # type: ignore[return-value]


def to_state(classic: Classic, cells: Cells) -> Tensor:
    """Convert cells to the channels of a rule's state, [B, C, height, width]."""
    return classic.states[torch.from_numpy(cells)].permute(0, 3, 1, 2).contiguous()


def to_cells(classic: Classic, state: Tensor) -> Cells:
    """Convert channels, [B, C, height, width], to state numbers; each value must be exact.

    With two states, color and age also depend on earlier steps.
    """
    table = classic.states
    first = 3 if table.shape[0] > 2 else 0
    if first == 0:
        table, state = table[:, 3:4], state[:, 3:4]
    same = (state[:, None] == table[None, :, :, None, None]).all(2)
    assert bool((same.sum(1) == 1).all()), "a cell has no state"
    return same.long().argmax(1).numpy()


def random_totalistic(rng: np.random.Generator) -> Totalistic:
    birth, survival = (frozenset(np.flatnonzero(rng.random(9) < 0.4).tolist()) for _ in "BS")
    return Totalistic(birth, survival, int(rng.choice([2, 2, 3, 4, 5, 9, 25, 256])))
