"""Steps with fields: torch against the window's shaders, and stripes that follow a direction."""

import math

import moderngl
import numpy as np
import pytest
import torch

from nca.fields.directions import angle_of, direction_fields
from nca.fields.steps import simulate_fields, step_with_fields
from nca.fields.texels import Fields, byte_of, neutral
from nca.rescaling import rescaled
from nca.rule import Rule
from nca.rule_settings import EIGHT_BIT_STATE, Quantization, RuleSettings
from nca.viewer.headless import simulate_gl
from nca.viewer.simulation.simulation import Simulation
from nca.viewer.simulation.steering import Steering
from nca.viewer.simulation.stroke import Stroke
from tests.helpers.rules import bounded_rule, striped_rule

HEIGHT, WIDTH = 20, 28


def mixed_texels(*, sizes: bool = True) -> torch.Tensor:
    """Every byte of every field somewhere, [HEIGHT, WIDTH, 4]."""
    generator = torch.Generator().manual_seed(3)
    texels = torch.randint(256, (HEIGHT, WIDTH, 4), dtype=torch.uint8, generator=generator)
    texels[:, ::3] = neutral(HEIGHT, WIDTH)[:, ::3]
    if not sizes:
        texels[..., 1] = 128
    return texels


def started(settings: RuleSettings) -> tuple[Rule, torch.Tensor]:
    rule = bounded_rule(settings)
    generator = torch.Generator().manual_seed(5)
    return rule, torch.rand(1, settings.channels, HEIGHT, WIDTH, generator=generator) - 0.3


def test_neutral_fields_change_no_bit():
    for settings in (RuleSettings(6, 8, alive_threshold=0.1), RuleSettings(4, 8, "zeros", 1.0)):
        rule, state = started(settings)
        fields = Fields(neutral(HEIGHT, WIDTH))
        for step in range(3):
            mask = rule.fire_masks(1, HEIGHT, WIDTH, 1, seed=7, first_step=step)[0]
            expected = rule.step(state, mask)
            state = step_with_fields(rule, state, fields, step=step, seed=7)
            assert torch.equal(state, expected)


def test_equal_fields_are_the_settings_of_the_whole_grid():
    rule, state = started(RuleSettings(4, 8, update_rate=0.25))
    texels = neutral(HEIGHT, WIDTH)
    texels[..., 1:] = torch.tensor(
        [byte_of("size", 2), byte_of("pace", 0.5), byte_of("share", 1.5)]
    )
    after = step_with_fields(rule, state, Fields(texels), step=0, seed=7)
    size = float(Fields(texels).size[0, 0])
    assert abs(size - 2) < 0.02
    whole = rescaled(rule.with_settings(update_rate=0.375), size, 0.5 / size**2)
    assert (after - whole(state, 1, seed=7)).abs().max() < 1e-6
    texels[...] = torch.tensor([64, 128, 128, 128])
    turned = step_with_fields(
        rule.with_settings(update_rate=1.0), state, Fields(texels), step=0, seed=0
    )
    back = rule.with_settings(update_rate=1.0)(state.rot90(1, (2, 3)), 1).rot90(-1, (2, 3))
    assert (turned - back).abs().max() < 1e-6


@pytest.mark.gl
@pytest.mark.parametrize("store", ["inline", "texture"])
@pytest.mark.parametrize(
    "settings",
    [
        RuleSettings(6, 8, alive_threshold=0.1),
        RuleSettings(12, 32, "reflect", 0.25),
        RuleSettings(24, 16, "zeros", 1.0),
    ],
    ids=lambda s: str(s.channels),
)
def test_the_window_steps_as_torch_does(
    gl: moderngl.Context, settings: RuleSettings, store: str
) -> None:
    rule, state = started(settings)
    fields = Fields(mixed_texels())
    simulation = Simulation(gl, [rule], (HEIGHT, WIDTH), seed=9, store=store)
    simulation.steering.rotation, simulation.steering.coarseness = 0.3, 1.5
    simulation.fields.write(fields.texels.numpy())
    simulation.write(state[0])
    larger = rescaled(rule, 1.5, 1 / 1.5**2)
    # The rotation of the whole grid is a byte here.
    simulation.steering.rotation = 2 * math.pi * 30 / 256
    turned = fields.texels.clone()
    turned[..., 0] += 30
    expected = state
    for step in range(10):
        expected = step_with_fields(
            larger, expected, Fields(turned), step=step, seed=9, coarseness=1.5
        )
    simulation.step(10)
    assert (simulation.read() - expected[0]).abs().max() < 1e-5
    assert expected.std() > 0.01
    simulation.release()


@pytest.mark.gl
def test_neutral_shaders_change_no_bit(gl):
    rule, state = started(
        RuleSettings(8, 16, quantization=Quantization(state=EIGHT_BIT_STATE), hidden_clip=0.5)
    )
    results = []
    for used in (False, True):
        simulation = Simulation(gl, [rule], (HEIGHT, WIDTH), seed=9)
        simulation.steering = Steering(0.3, 1.5, 0.7)
        simulation.fields.used = used
        simulation.write(state[0])
        simulation.step(20)
        results.append(simulation.read())
        simulation.release()
    assert torch.equal(*results)


@pytest.mark.gl
def test_stripes_follow_a_painted_direction(gl):
    """Within 10 degrees by the structure tensor, in the window and in torch."""
    rule, side = striped_rule(), 96
    simulation = Simulation(gl, [rule], (side, side), seed=1)
    simulation.fields.paint(
        "direction", byte_of("direction", math.radians(65)), Stroke((24, 0), (24, side), 24.5)
    )
    simulation.step(150)
    gray = simulation.read()[0]
    assert abs(math.degrees(angle_of(gray[:, 8:40])) - 65) < 10
    unpainted = math.degrees(angle_of(gray[:, 56:88]))
    assert min(unpainted, 180 - unpainted) < 10
    fields = Fields(torch.from_numpy(simulation.fields.texels))
    start = rule.initial_state(1, side, side, seed=1)
    (expected,) = simulate_fields(rule, start, [150], fields, seed=1)
    assert (gray - expected[0, 0]).abs().mean() < 1e-3
    simulation.release()
    whole = direction_fields(torch.full((side, side), math.radians(150)))
    (drawn,) = simulate_gl(rule, start, [150], seed=1, fields=whole)
    assert abs(math.degrees(angle_of(drawn[0, 0])) - 150) < 10


@pytest.mark.gl
def test_brushes_set_one_field_and_return_it_to_neutral(gl):
    simulation = Simulation(gl, [bounded_rule(RuleSettings(4, 8))], (HEIGHT, WIDTH))
    fields, stroke = simulation.fields, Stroke((1, 10.5), (1, 10.5), 2)
    fields.paint("pace", 0, stroke)
    rows, columns = np.nonzero((fields.texels != (0, 128, 128, 128)).any(2))
    assert sorted(set(columns)) == [0, 1, 2, WIDTH - 1]
    assert sorted(set(rows)) == [9, 10, 11]
    assert fields.used
    state = torch.rand(4, HEIGHT, WIDTH)
    simulation.write(state)
    simulation.step(5)
    still = (simulation.read() == state).all(0)
    assert still[rows, columns].all()
    assert still[:, 10].float().mean() < 0.3
    fields.paint("pace", None, stroke)
    assert not fields.used
    simulation.release()
