"""The emitted shaders against torch, on a real OpenGL implementation."""

import math
import re

import moderngl
import pytest
import torch

from nca.exporters.glsl.emitter import life_source, start_source, step_source
from nca.exporters.glsl.fragments import Capabilities
from nca.exporters.glsl.pieces import number
from nca.exporters.glsl.weights import Store, choose_store, pack_weights
from nca.rescaling import rescaled
from nca.rule import Rule
from nca.rule_settings import Quantization, Quantizer, RuleSettings
from tests.helpers.gl_host import Simulation
from tests.helpers.rules import bounded_rule, published_rules

SIZES = [(4, 8), (8, 32), (12, 96), (16, 64), (24, 128)]
PADDINGS = ["circular", "zeros", "reflect", "replicate"]
RATES = [0.25, 0.5, 1.0]
GLSL_WORDS = """
    void return if for bool int uint float vec2 vec4 ivec2 ivec4 mat4 in out true false min max abs
    clamp all any round roundEven lessThan greaterThanEqual e
"""


def start(rule: Rule, height: int, width: int) -> torch.Tensor:
    """Noise, with a hole of dead cells if the rule has an alive threshold."""
    generator = torch.Generator().manual_seed(5)
    state = torch.rand(1, rule.settings.channels, height, width, generator=generator) - 0.3
    if rule.settings.alive_threshold is not None:
        state[:, :, 3:15, 2:16] = 0
    return state


def largest_differences(
    gl: moderngl.Context,
    rule: Rule,
    store: Store,
    counts: tuple[int, ...],
    capabilities: Capabilities | None = None,
) -> list[float]:
    """Differences to torch after each of these numbers of steps, on a state that is not square."""
    height, width, seed = 20, 28, 0xFEEDBEEF
    simulation = Simulation(gl, rule, (height, width), capabilities or Capabilities(), store)
    expected = start(rule, height, width)
    simulation.write(expected[0])
    done, differences = 0, []
    for count in counts:
        steps = count - done
        expected = rule(expected, steps, seed=seed, first_step=done)
        simulation.run(steps, seed=seed, first_step=done)
        difference = (simulation.read() - expected[0]).abs().max()
        differences.append(float(difference))
        if done == 0 and rule.settings.alive_threshold is not None:
            share = float((expected == 0).float().mean())
            assert 0.01 < share < 0.95, "some cells are to live and some to be dead"
        done = count
    assert float(expected.std()) > 0.01, "a dead state compares nothing"
    return differences


@pytest.mark.gl
@pytest.mark.parametrize(("channels", "hidden"), SIZES)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("alive", [None, 0.1])
def test_steps_are_those_of_torch(gl, channels, hidden, padding, alive):
    for rate in RATES:
        settings = RuleSettings(channels, hidden, padding, rate, alive_threshold=alive)
        rule = bounded_rule(settings, update_bias=alive is not None)
        # Unrolled programs take a while to compile: the larger ones only once.
        small = channels <= 8
        counts = (1, 10, 100) if small or rate == 0.5 else (1, 10)
        differences = largest_differences(gl, rule, "texture", counts)
        if small or (rate == 0.5 and padding == "circular"):
            differences += largest_differences(gl, rule, "inline", (1, 10, 100))
        assert max(differences) < 1e-5, rate


@pytest.mark.gl
@pytest.mark.parametrize("store", ["inline", "texture"])
@pytest.mark.parametrize("draw_buffers", [1, 3, 8])
def test_sizes_that_do_not_fill_groups_and_any_number_of_targets(gl, store, draw_buffers):
    settings = RuleSettings(channels=22, hidden=13, hidden_clip=0.4, alive_threshold=0.1)
    rule = bounded_rule(settings, update_bias=True)
    assert (
        max(largest_differences(gl, rule, store, (1, 20), Capabilities(draw_buffers=draw_buffers)))
        < 1e-5
    )


@pytest.mark.gl
@pytest.mark.parametrize("store", ["inline", "texture"])
def test_any_filters(gl, store):
    filters = torch.zeros(6, 3, 3)
    filters[0, 1, 1] = 1
    filters[1] = torch.randn(3, 3, generator=torch.Generator().manual_seed(1)) * 0.1
    filters[2, 0, 2] = -1
    filters[4] = 1 / 9
    filters[5, 2] = torch.tensor([0.3, -1.0, 0.7])
    rule = Rule(RuleSettings(channels=5, hidden=9), filters)
    with torch.no_grad():
        rule.w2.copy_(torch.randn(5, 9, generator=torch.Generator().manual_seed(2)) * 0.05)
    assert max(largest_differences(gl, rule, store, (1, 10))) < 1e-5


@pytest.mark.gl
@pytest.mark.parametrize("store", ["inline", "texture"])
def test_coarse_textures(gl, store):
    eight_bit = Quantizer(range=4, zero=127 / 255)
    coarse = Quantization(eight_bit, eight_bit, Quantizer(range=2, zero=0), eight_bit)
    rule = bounded_rule(RuleSettings(channels=10, hidden=20, quantization=coarse))
    # A sum that is added up in another order may be rounded to the neighboring level, no further.
    (difference,) = largest_differences(gl, rule, store, (1,))
    assert difference < 1.01 * 4 / 255
    simulation = Simulation(gl, rule, (20, 28), Capabilities(), store)
    state = start(rule, 20, 28)
    simulation.write(state[0])
    simulation.run(1, seed=3)
    equal = (simulation.read() - rule(state, 1, seed=3)[0]).abs() < 1e-6
    assert float(equal.float().mean()) > 0.99
    assert not simulation.read(fill=True)[10:].any()


@pytest.mark.gl
def test_rounding_does_not_move_unused_channels(gl):
    odd = Quantizer(range=1, zero=0.5)  # zero is not on its grid
    rule = bounded_rule(RuleSettings(5, 8, quantization=Quantization(update=odd)))
    simulation = Simulation(gl, rule, (16, 16), Capabilities(), "inline")
    simulation.run(4, seed=0)
    assert not simulation.read(fill=True)[5:].any()


@pytest.mark.gl
@pytest.mark.parametrize("start", ["zeros", "noise", "center"])
def test_seeds_are_the_same_bits(gl, start):
    settings = RuleSettings(6, 8, start=start, noise_level=0.3)
    rule = bounded_rule(settings)
    simulation = Simulation(gl, rule, (18, 31), Capabilities(), "inline")
    simulation.write(torch.ones(6, 18, 31))
    simulation.paint(nca_tool=3, nca_number=77)
    assert torch.equal(simulation.read(), rule.initial_state(1, 18, 31, seed=77)[0])


@pytest.mark.gl
def test_the_brush_goes_round_the_torus(gl):
    rule = bounded_rule(RuleSettings(8, 8))
    simulation = Simulation(gl, rule, (20, 30), Capabilities(), "inline")
    simulation.write(torch.ones(8, 20, 30))
    simulation.paint(nca_tool=0, nca_stroke=(29.0, 10.5, 33.0, 10.5), nca_radius=2.0, nca_wraps=1)
    rows, columns = torch.where(simulation.read()[7] == 0)
    assert sorted(set(columns.tolist())) == [0, 1, 2, 3, 4, 27, 28, 29]
    assert sorted(set(rows.tolist())) == [9, 10, 11]


@pytest.mark.gl
def test_steering_turns_what_is_perceived(gl):
    """A step with directions rotated by 90 degrees is the rotated step of the rotated state."""
    rule = bounded_rule(RuleSettings(4, 16, update_rate=1.0))
    with torch.no_grad():
        rule.w1.mul_(5)
    simulation = Simulation(gl, rule, (16, 16), Capabilities(steering=True), "inline")
    state = start(rule, 16, 16)
    straight = {"nca_rotation": (1.0, 0.0), "nca_coarseness": 1.0, "nca_dt": 1.0}
    simulation.write(state[0])
    simulation.run(1, seed=0, **straight)
    unturned = simulation.read()
    assert (unturned - rule(state, 1)[0]).abs().max() < 1e-6
    simulation.write(state[0].rot90(1, (1, 2)))
    simulation.run(1, seed=0, **straight | {"nca_rotation": (0.0, -1.0)})
    assert (simulation.read() - unturned.rot90(1, (1, 2))).abs().max() < 1e-6
    simulation.write(state[0])
    simulation.run(1, seed=0, **straight | {"nca_coarseness": 2.0, "nca_dt": 0.25})
    larger = rescaled(rule, 2.0, 0.25)
    assert (simulation.read() - larger(state, 1)[0]).abs().max() < 1e-6


@pytest.mark.gl
def test_the_published_rules(gl, published):
    """Unrounded, each follows torch; rounded, it does up to single levels."""
    exact = published_rules(published, rounded=False)
    for name in list(exact)[::6]:
        assert max(largest_differences(gl, exact[name], "texture", (1, 10))) < 1e-4, name
    for name, rule in list(published_rules(published).items())[::6]:
        grown = rule(torch.zeros(1, 12, 24, 24), 50, seed=1)
        simulation = Simulation(gl, rule, (24, 24), Capabilities(), "texture")
        simulation.write(grown[0])
        simulation.run(1, seed=1, first_step=50)
        expected = rule(grown, 1, seed=1, first_step=50)
        levels = (simulation.read() - expected[0]).abs() / (4 / 255)
        assert float(levels.max()) < 1.01, name
        assert float((levels > 0.5).float().mean()) < 0.02, name


def test_every_name_is_ours():
    settings = RuleSettings(
        channels=6,
        hidden=6,
        padding="zeros",
        alive_threshold=0.1,
        quantization=Quantization(state=Quantizer(4, 0.5)),
    )
    rule = Rule(settings)
    text = step_source(rule, "texture", steering=True) + life_source(rule) + start_source(rule)
    known = re.findall(r"\w+", GLSL_WORDS)
    code = re.sub(r"//.*", "", text)
    names = set(re.findall(r"(?<![\w.])[A-Za-z_]\w*", code)) - set(known)
    assert {name for name in names if not name.startswith("nca_")} == set()
    assert "__" not in text


def test_literals_are_exact():
    for value in (0.0, 1.0, -2.0, 1e-5, 0.1, math.pi, 3e8, -1.17549435e-38, 16777216.0):
        text = number(value)
        assert torch.tensor(float(text)) == torch.tensor(value, dtype=torch.float32)
        assert "." in text or "e" in text


def test_large_rules_go_into_a_texture():
    assert choose_store(Rule(RuleSettings(channels=12, hidden=96))) == "inline"
    assert choose_store(Rule(RuleSettings(channels=64, hidden=128))) == "texture"
    assert choose_store(Rule(RuleSettings(channels=64, hidden=128)), "inline") == "inline"


def test_weights_stay_within_what_every_gpu_takes():
    packed = pack_weights(Rule(RuleSettings(64, 1024), torch.zeros(16, 3, 3)))
    assert packed.shape[0] <= 2048
    assert packed.shape[1:] == (256, 4)


def test_no_second_pass_without_death():
    with pytest.raises(ValueError, match="no second pass"):
        life_source(Rule(RuleSettings()))
