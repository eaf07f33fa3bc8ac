"""The meter."""

import math

import pytest
import torch

from nca.rule_settings import RuleSettings
from nca.viewer.meter import Meter, StateRange
from nca.viewer.simulation.simulation import Simulation
from tests.helpers.rules import bounded_rule

pytestmark = pytest.mark.gl


def test_range_and_cells_that_are_not_finite(gl):
    simulation = Simulation(gl, [bounded_rule(RuleSettings(6, 8))], (37, 51))
    state = torch.zeros(6, 37, 51)
    state[5, 36, 50], state[2, 0, 3] = 7.5, -3.25
    simulation.write(state)
    meter = Meter(gl)
    assert meter.measure(simulation) == StateRange(-3.25, 7.5, 0)
    state[4, 20, 20], state[1, 20, 20], state[0, 36, 0] = math.nan, math.inf, -math.inf
    simulation.write(state)
    assert meter.measure(simulation) == StateRange(-3.25, 7.5, 2)


def test_a_result_is_that_of_the_call_before(gl):
    simulation = Simulation(gl, [bounded_rule(RuleSettings(4, 8))], (16, 16))
    meter = Meter(gl)
    results = []
    for value in (1.0, 2.0, 3.0):
        simulation.write(torch.full((4, 16, 16), value))
        results.append(meter.update(simulation))
    assert results[0] is None
    assert [result.high for result in results[1:]] == [1.0, 2.0]
