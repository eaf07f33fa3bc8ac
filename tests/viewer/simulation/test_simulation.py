"""The desktop simulation against torch, on a real OpenGL implementation."""

import numpy as np
import pytest
import torch
from PIL import Image

from nca.backends.simulate import simulate
from nca.errors import InputError
from nca.rescaling import rescaled
from nca.rule import CALM_AFTER, Rule
from nca.rule_settings import RuleSettings
from nca.viewer.headless import simulate_gl
from nca.viewer.simulation.simulation import Simulation
from nca.viewer.simulation.stroke import Stroke
from tests.helpers.rules import bounded_rule, published_rules

HEIGHT, WIDTH, STEPS_SEED = 20, 28, 0xFEEDBEEF

pytestmark = pytest.mark.gl


def noise(rule: Rule, height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    state = torch.rand(1, rule.settings.channels, height, width, generator=generator) - 0.3
    if rule.settings.alive_threshold is not None:
        state[:, :, 3:15, 2:16] = 0
    return state


@pytest.mark.parametrize("store", ["inline", "texture"])
@pytest.mark.parametrize(
    "settings",
    [
        RuleSettings(4, 8),
        RuleSettings(6, 8, alive_threshold=0.1),
        RuleSettings(12, 32, "reflect", 0.25),
        RuleSettings(16, 32, "zeros", 1.0, alive_threshold=0.1),
        RuleSettings(24, 48, "replicate"),
        RuleSettings(36, 24),
    ],
    ids=lambda s: f"{s.channels}-{s.padding}-{s.alive_threshold}",
)
def test_steps_are_those_of_torch(gl, settings, store):
    rule = bounded_rule(settings)
    expected = noise(rule)
    targets = 4 if settings.channels > 16 else None  # more channels than a pass can draw
    simulation = Simulation(
        gl, [rule], (HEIGHT, WIDTH), seed=STEPS_SEED, store=store, targets=targets
    )
    simulation.write(expected[0])
    done = 0
    for stop in (1, 10, 100):
        expected = rule(expected, stop - done, seed=STEPS_SEED, first_step=done)
        simulation.step(stop - done)
        done = stop
        assert (simulation.read() - expected[0]).abs().max() < 1e-5
    assert expected.std() > 0.01
    simulation.release()


def test_the_published_rules_look_as_in_torch(gl, published):
    rule = published_rules(published)["bubbly_0101"]
    state = torch.zeros(1, 12, 32, 32)
    (after,) = simulate_gl(rule, state, [60], seed=3)
    # Values are rounded to a grid of 4 / 255: one level of difference here and there is the limit
    # of float32, and it spreads.
    expected = rule(state, 60, seed=3)
    assert (rule.to_rgb(after) - rule.to_rgb(expected)).abs().mean() < 0.004
    assert rule.to_rgb(after).std() > 0.05


@pytest.mark.slow
def test_all_published_rules_step_as_torch_does(gl, published):
    rules = published_rules(published, rounded=False)
    assert len(rules) == 66
    generator = torch.Generator().manual_seed(1)
    state = torch.rand(1, 12, 24, 24, generator=generator) - 0.5
    simulation = Simulation(gl, list(rules.values())[:1], (24, 24), seed=9, store="texture")
    for name, rule in rules.items():
        simulation.set_rule(0, rule)
        simulation.write(state[0])
        simulation.step_number = 0
        for stop in (1, 10):
            simulation.step(stop - simulation.step_number)
            expected = rule(state, stop, seed=9)[0]
            difference = (simulation.read() - expected).abs().max()
            # Some of these grow to values of several units without their rounding.
            assert difference < 1e-5 * max(1.0, float(expected.abs().max())), (name, stop)


def test_every_sample_has_its_own_seed(gl):
    rule = bounded_rule(RuleSettings(5, 12))
    state = torch.cat([noise(rule), noise(rule).flip(-1)])
    stops = [0, 3, 9]
    for stop, got in zip(stops, simulate_gl(rule, state, stops, seed=11), strict=True):
        assert got.shape == state.shape
        assert (got - rule(state, stop, seed=11)).abs().max() < 1e-5


def test_two_rules_with_a_share_each(gl):
    rules = [
        bounded_rule(RuleSettings(4, 8), seed=1),
        bounded_rule(RuleSettings(12, 16, update_rate=0.7), seed=2),
        bounded_rule(RuleSettings(8, 16, alive_threshold=0.1), seed=3),
    ]
    simulation = Simulation(gl, rules, (HEIGHT, WIDTH), seed=STEPS_SEED)
    owner = np.zeros((HEIGHT, WIDTH), np.uint8)
    owner[:, 9:18] = 1
    owner[5:, 18:] = 2
    simulation.field.restore(owner)
    simulation.show_field()
    field = simulation.field.shares
    state = noise(rules[1])[0]
    simulation.write(state)
    expected = state.clone()
    shares = torch.from_numpy(field.astype("float32")) / 255
    numbers = torch.from_numpy(field.astype("int64"))
    for step in range(10):
        mixed = torch.zeros_like(expected)
        for number, rule in enumerate(rules):
            channels = rule.settings.channels
            own = expected.clone()
            own[:channels] = rule(expected[None, :channels], 1, seed=STEPS_SEED, first_step=step)[0]
            share = (numbers[..., 0] == number) * shares[..., 1]
            share = share + (numbers[..., 2] == number) * shares[..., 3]
            mixed += share * own
        expected = mixed
    simulation.step(10)
    assert (simulation.read() - expected).abs().max() < 1e-5
    assert expected.std() > 0.01


def test_cells_given_to_another_rule_start_from_its_seed(gl):
    settings = (
        RuleSettings(8, 16),
        RuleSettings(12, 16, start="noise", noise_level=0.4),
        RuleSettings(4, 16, start="center"),
    )
    rules = [bounded_rule(own, seed=seed) for seed, own in enumerate(settings)]
    simulation = Simulation(gl, rules, (HEIGHT, WIDTH), seed=7)
    start = noise(rules[1])[0]
    simulation.write(start)
    simulation.paint_rule(1, Stroke((8.5, 8.5), (8.5, 8.5), 5))
    mine = torch.from_numpy(simulation.field.owner == 1)
    painted = simulation.read()
    assert torch.equal(painted[:, ~mine], start[:, ~mine])
    assert torch.equal(
        painted[:, mine], rules[1].initial_state(1, HEIGHT, WIDTH, seed=7)[0][:, mine]
    )
    assert painted[:, mine].std() > 0.1

    # Existing channels of this rule are left alone, and another rule that takes them starts with
    # zeros.
    simulation.step()
    before = simulation.read()
    simulation.paint_rule(1, Stroke((8.5, 8.5), (8.5, 8.5), 5))
    assert torch.equal(simulation.read(), before)
    simulation.paint_rule(0, Stroke((4.5, 8.5), (4.5, 8.5), 2))
    taken = mine & torch.from_numpy(simulation.field.owner == 0)
    assert taken.sum() > 4
    assert simulation.read()[:, taken].eq(0).all()

    # An initial cell in the middle is not one elsewhere.
    before = simulation.read()
    simulation.paint_rule(2, Stroke((20.5, 8.5), (20.5, 8.5), 3))
    assert torch.equal(simulation.read(), before)
    simulation.paint_rule(1)
    simulation.step_number = 0
    assert simulation.field.present == [1]


def test_seeds_are_those_of_the_rule(gl):
    for start, tool in (
        ("zeros", "start"),
        ("noise", "start"),
        ("center", "start"),
        ("center", "plant"),
    ):
        rule = bounded_rule(RuleSettings(6, 8, start=start, noise_level=0.3))
        simulation = Simulation(gl, [rule], (HEIGHT, WIDTH), seed=7)
        simulation.step(3)
        simulation.reset(tool)
        assert torch.equal(simulation.read(), rule.initial_state(1, HEIGHT, WIDTH, seed=7)[0])
        assert simulation.step_number == 0


def test_brush_erases_a_disk_across_the_border_of_a_torus(gl):
    rule = bounded_rule(RuleSettings(8, 8))
    simulation = Simulation(gl, [rule], (HEIGHT, WIDTH))
    simulation.write(torch.ones(8, HEIGHT, WIDTH))
    simulation.paint("erase", Stroke((0.5, 10.5), (0.5, 10.5), 3.0))
    state = simulation.read()
    assert state[:, 10, [0, 2, WIDTH - 2]].eq(0).all()
    assert state[:, 10, [3, WIDTH - 3]].eq(1).all()
    assert state[:, [7, 13], 0].eq(1).all()
    assert 20 <= int((state[0] == 0).sum()) <= 32  # pi * 3 * 3 = 28


def test_painted_noise_is_new_noise_each_time(gl):
    rule = bounded_rule(RuleSettings(4, 8))
    simulation = Simulation(gl, [rule], (HEIGHT, WIDTH))
    stroke = Stroke((10, 10), (14, 10), 4)
    simulation.paint("noise", stroke)
    first = simulation.read()
    simulation.step()
    simulation.paint("noise", stroke)
    assert first.std() > 0.05
    assert not torch.equal(first[:, 10, 8:14], simulation.read()[:, 10, 8:14])


def test_a_new_rule_keeps_the_state(gl):
    rule, other = (bounded_rule(RuleSettings(8, 8), seed=seed) for seed in (0, 1))
    for store in ("inline", "texture"):
        simulation = Simulation(gl, [rule], (HEIGHT, WIDTH), seed=2, store=store)
        state = noise(rule)
        simulation.write(state[0])
        simulation.set_rule(0, other)
        simulation.step()
        assert (simulation.read() - other(state, 1, seed=2)[0]).abs().max() < 1e-5
        larger = bounded_rule(RuleSettings(12, 8))
        simulation.write(state[0])
        simulation.set_rule(1, larger)
        assert simulation.channels == 12
        assert torch.equal(simulation.read()[:8], state[0])
        assert simulation.read()[8:].eq(0).all()


def test_update_rate_and_turn_can_be_changed(gl):
    rule = bounded_rule(RuleSettings(4, 8, update_rate=0.5))
    state = noise(rule)
    simulation = Simulation(gl, [rule], (HEIGHT, WIDTH))
    for rate, least, most in ((0.1, 0.05, 0.15), (0.9, 0.85, 0.95), (1.0, 1.0, 1.0)):
        simulation.write(state[0])
        simulation.steering.update_rate = rate
        simulation.step()
        fired = (simulation.read() != state[0]).any(0).float().mean()
        assert least <= fired <= most


def test_a_picture_is_stamped_into_the_colors(gl):
    settings = RuleSettings(6, 8, rgb_scale=0.5, rgb_offset=0.25)
    rule = bounded_rule(settings)
    simulation = Simulation(gl, [rule], (HEIGHT, WIDTH))
    start = noise(rule)
    simulation.write(start[0])
    simulation.stamp(Image.new("RGB", (4, 4), (255, 128, 0)), (WIDTH - 2, 3, 4, 5))
    state = simulation.read()
    covered = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    covered[3:8, [0, 1, WIDTH - 2, WIDTH - 1]] = True
    color = rule.to_rgb(state[None])[0][:, covered]
    assert (color - torch.tensor([1.0, 128 / 255, 0.0])[:, None]).abs().max() < 1e-6
    assert torch.equal(state[:, ~covered], start[0][:, ~covered])
    assert torch.equal(state[3:], start[0, 3:])
    simulation.stamp(Image.new("RGB", (4, 4), "black"), (0, 0, WIDTH, HEIGHT), 0.25)
    expected = 0.75 * state[:3] + 0.25 * (0 - 0.25) / 0.5
    assert (simulation.read()[:3] - expected).abs().max() < 1e-6


def test_a_stamp_lives_where_cells_can_die(gl):
    rule = bounded_rule(RuleSettings(6, 8, alive_threshold=0.1))
    simulation = Simulation(gl, [rule], (HEIGHT, WIDTH))
    simulation.write(torch.zeros(6, HEIGHT, WIDTH))
    simulation.stamp(Image.new("RGB", (4, 4), "red"), (4, 4, 5, 5))
    assert simulation.read()[3].sum() == 25


def test_the_wrong_shape_is_refused(gl):
    simulation = Simulation(gl, [bounded_rule(RuleSettings(4, 8))], (8, 8))
    with pytest.raises(InputError, match=r"must be \[4, 8, 8\], not \[4, 8, 9\]"):
        simulation.write(torch.zeros(4, 8, 9))


def test_a_rule_without_cells_costs_nothing_and_one_alone_is_itself(gl):
    rules = [bounded_rule(RuleSettings(8, 8), seed=seed) for seed in (1, 2)]
    simulation = Simulation(gl, rules, (HEIGHT, WIDTH), seed=4)
    simulation.paint_rule(1)
    state = noise(rules[1])
    simulation.write(state[0])
    simulation.step(5)
    assert (simulation.read() - rules[1](state, 5, seed=4)[0]).abs().max() < 1e-5


@pytest.mark.parametrize("backend", ["torch", "native"])
def test_a_calm_run_is_that_of_torch(gl, monkeypatch, backend):
    monkeypatch.setattr("nca.backends.simulate.CALM_AFTER", 5)
    monkeypatch.setattr("nca.viewer.simulation.steering.CALM_AFTER", 5)
    rule = bounded_rule(RuleSettings(6, 12, update_rate=0.25))
    state, stops = noise(rule), (4, 5, 6, 15)
    calm = list(simulate(rule, state, stops, seed=4, backend=backend, calm=True))
    usual = list(simulate(rule, state, stops, seed=4, backend=backend))
    for expected, got in zip(calm, simulate_gl(rule, state, stops, seed=4, calm=True), strict=True):
        assert (got - expected).abs().max() < 1e-5
    same = [torch.equal(one, other) for one, other in zip(calm, usual, strict=True)]
    assert same == [True, True, False, False]


DISTURBANCES = {
    "a stroke": lambda s: s.paint("erase", Stroke((5.0, 5.0), (9.0, 9.0), 4.0)),
    "another state": lambda s: s.write(s.read()),
    "a stamp": lambda s: s.stamp(Image.new("RGB", (8, 8), "red"), (2.0, 2.0, 8.0, 8.0)),
    "a reset": lambda s: s.reset("noise"),
    "another rule": lambda s: s.set_rule(0, bounded_rule(RuleSettings(4, 8), seed=1)),
    "its cells": lambda s: s.paint_rule(0, Stroke((5.0, 5.0), (9.0, 9.0), 4.0)),
}


def test_a_half_calm_run_has_more_cells_and_shorter_steps(gl, monkeypatch):
    monkeypatch.setattr("nca.viewer.simulation.steering.CALM_AFTER", 0)
    rule = bounded_rule(RuleSettings(6, 12, update_rate=0.5))
    simulation = Simulation(gl, [rule], (HEIGHT, WIDTH), seed=4)
    state = noise(rule)
    simulation.write(state[0])
    simulation.steering.update_rate, simulation.steering.calm = 0.25, 0.5
    simulation.step(10)
    expected = rescaled(rule.with_settings(update_rate=0.625), 1.0, 0.25 / 0.625)(state, 10, seed=4)
    assert (simulation.read() - expected[0]).abs().max() < 1e-5
    simulation.release()


@pytest.mark.parametrize("disturbance", DISTURBANCES)
def test_what_changes_a_calm_state_brings_the_usual_firing_back(gl, disturbance):
    simulation = Simulation(gl, [bounded_rule(RuleSettings(4, 8))], (HEIGHT, WIDTH))

    def part_that_fires() -> float:
        before = simulation.read()
        simulation.step()
        return float((simulation.read() != before).any(0).float().mean())

    simulation.write(noise(simulation.rules[0])[0])
    simulation.steering.calm = 1.0
    simulation.quiet = CALM_AFTER
    assert part_that_fires() > 0.95
    DISTURBANCES[disturbance](simulation)
    assert part_that_fires() < 0.7
    simulation.release()
