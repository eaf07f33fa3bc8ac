"""The code and figures in docs/explanation/classic-automata.md."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nca.automata.construction import build
from nca.automata.notation import parse_automaton
from nca.rule import Rule
from tests.helpers.classic import next_cells

ROOT = Path(__file__).parents[2]


def test_life_in_few_weights_is_life() -> None:
    text = (ROOT / "docs/explanation/classic-automata.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "life", "exec"), names)
    life = names["life"]
    assert isinstance(life, Rule)
    assert f"Life in {life.weight_count()} weights" in text
    automaton = parse_automaton("life")
    assert f"writes {build(automaton).rule.weight_count()} weights" in text
    cells = np.random.default_rng(0).integers(0, 2, (1, 30, 40))
    state = torch.zeros(1, 4, 30, 40)
    state[:, 3] = torch.from_numpy(cells)
    for _ in range(40):
        state, cells = life(state, 1), next_cells(automaton, cells)
        assert torch.equal(state[:, 3], torch.from_numpy(cells).float())
