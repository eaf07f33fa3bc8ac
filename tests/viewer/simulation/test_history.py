"""Undo."""

import pytest
import torch

from nca.rule_settings import RuleSettings
from nca.viewer.simulation import history
from nca.viewer.simulation.history import History
from nca.viewer.simulation.simulation import Simulation
from nca.viewer.simulation.stroke import Stroke
from tests.helpers.rules import bounded_rule

pytestmark = pytest.mark.gl


@pytest.fixture
def simulation(gl):
    rules = [bounded_rule(RuleSettings(6, 12), seed=seed) for seed in range(2)]
    simulation = Simulation(gl, rules, (20, 28), seed=3)
    generator = torch.Generator().manual_seed(2)
    simulation.write(torch.rand(6, 20, 28, generator=generator))
    return simulation


def test_strokes_are_taken_back_one_by_one(gl, simulation):
    kept, past = [], History(gl)
    for radius in (3, 6, 9):
        simulation.step(2)
        kept.append((simulation.read(), simulation.field.owner.copy(), simulation.step_number))
        past.remember(simulation)
        simulation.paint("erase", Stroke((10, 10), (10, 10), radius))
        simulation.paint_rule(1, Stroke((20, 10), (20, 10), radius))
        simulation.step()
    for state, owner, step_number in reversed(kept):
        assert past.undo(simulation)
        assert torch.equal(simulation.read(), state)
        assert (simulation.field.owner == owner).all()
        assert simulation.step_number == step_number
    assert not past.undo(simulation)


def test_what_goes_on_after_undo_is_what_would_have_been(gl, simulation):
    past = History(gl)
    past.remember(simulation)
    simulation.step(5)
    expected = simulation.read()
    past.undo(simulation)
    simulation.step(5)
    assert torch.equal(simulation.read(), expected)


def test_the_oldest_are_forgotten(gl, simulation, monkeypatch):
    monkeypatch.setattr(history, "BUDGET", 3 * 16 * 2 * 20 * 28)
    past = History(gl)
    for value in range(6):
        simulation.write(torch.full((6, 20, 28), float(value)))
        past.remember(simulation)
    assert len(past) == 3
    values = []
    while past.undo(simulation):
        values.append(float(simulation.read()[0, 0, 0]))
    assert values == [5, 4, 3]
