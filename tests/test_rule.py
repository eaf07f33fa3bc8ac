import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nca.rule import DEFAULT_FILTERS, Rule, dense_kernels
from nca.rule_settings import Quantization, Quantizer, RuleSettings
from tests.helpers.rules import bounded_rule

NUMPY_PADDING = {"circular": "wrap", "zeros": "constant", "reflect": "reflect", "replicate": "edge"}


def random_rule(settings: RuleSettings, *, update_bias: bool = False) -> Rule:
    generator = torch.Generator().manual_seed(0)
    rule = Rule(settings, update_bias=update_bias, generator=generator)
    torch.nn.init.normal_(rule.w2, std=0.1, generator=generator)
    if rule.b2 is not None:
        torch.nn.init.normal_(rule.b2, std=0.1, generator=generator)
    return rule


def numpy_step(rule: Rule, state: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """One step cell by cell in float64, straight from the formula. State [C, H, W]."""
    channels, height, width = state.shape
    padded = np.pad(state, ((0, 0), (1, 1), (1, 1)), mode=NUMPY_PADDING[rule.settings.padding])
    filters = rule.filters.double().numpy()
    w1, b1, w2 = (t.detach().double().numpy() for t in (rule.w1, rule.b1, rule.w2))
    b2 = 0.0 if rule.b2 is None else rule.b2.detach().double().numpy()
    after = state.copy()
    for y in range(height):
        for x in range(width):
            if not mask[y, x]:
                continue
            window = padded[:, y : y + 3, x : x + 3]
            perception = [(window[c] * f).sum() for c in range(channels) for f in filters]
            hidden = np.maximum(w1 @ perception + b1, 0)
            hidden = np.minimum(hidden, rule.settings.hidden_clip or np.inf)
            after[:, y, x] += w2 @ hidden + b2
    return after


@pytest.mark.parametrize("padding", list(NUMPY_PADDING))
@pytest.mark.parametrize(("clip", "bias"), [(None, False), (0.3, True)])
def test_step_equals_the_formula(padding: str, clip: float | None, bias: bool) -> None:
    settings = RuleSettings(channels=5, hidden=7, padding=padding, hidden_clip=clip)
    rule = random_rule(settings, update_bias=bias)
    state = torch.randn(2, 5, 6, 9, generator=torch.Generator().manual_seed(1))
    mask = torch.rand(2, 6, 9, generator=torch.Generator().manual_seed(2)) < 0.5
    after = rule.step(state, mask)
    for i in range(2):
        expected = numpy_step(rule, state[i].double().numpy(), mask[i].numpy())
        assert np.abs(after[i].detach().numpy() - expected).max() < 1e-5


def test_perception_is_interleaved() -> None:
    rule = Rule(RuleSettings(channels=4))
    state = torch.zeros(1, 4, 5, 5)
    state[0, 2, 2, 2] = 1
    perceived = rule.perceive(state)[0]
    # A single one, correlated with a filter, shows the filter turned by half a turn.
    for k, taps in enumerate(DEFAULT_FILTERS):
        turned = torch.tensor(taps).flip(0, 1)
        assert torch.equal(perceived[2 * 4 + k, 1:4, 1:4], turned)
    assert perceived[:8].abs().sum() == 0


def test_lesson_rule_has_168_weights_and_the_reference_rule_5856() -> None:
    # fast.ai lesson 20 has w1 with bias, w2 without; Niklasson et al. print 5,856.
    assert Rule(RuleSettings(channels=4, hidden=8)).weight_count() == 168
    assert Rule(RuleSettings(channels=12, hidden=96)).weight_count() == 5856


def test_fresh_rule_does_nothing_but_has_gradients() -> None:
    rule = Rule(RuleSettings(), generator=torch.Generator().manual_seed(0))
    state = torch.zeros(1, 8, 8, 8)
    after = rule.step(state, torch.ones(1, 8, 8))
    assert torch.equal(after, state)
    (after - 1).square().sum().backward()
    assert rule.w2.grad is not None
    assert rule.w2.grad.abs().sum() > 0


def test_forward_goes_on_where_it_stopped_and_samples_are_independent() -> None:
    rule = bounded_rule(RuleSettings())
    state = rule.initial_state(3, 12, 10)
    whole = rule(state, 9, seed=4)
    parts = rule(rule(state, 4, seed=4), 5, seed=4, first_step=4)
    assert torch.equal(whole, parts)
    alone = rule(state[2:], 9, seed=6)
    assert torch.allclose(whole[2:], alone, atol=1e-6)


def test_alive_cells_need_a_living_neighbor() -> None:
    rule = Rule(RuleSettings(alive_threshold=0.1, padding="zeros"))
    state = torch.ones(1, 8, 9, 9)
    state[:, 3] = 0
    state[0, 3, 4, 4] = 1
    after = rule.step(state, torch.zeros(1, 9, 9))
    living = after[0, 0] != 0
    expected = torch.zeros(9, 9, dtype=torch.bool)
    expected[3:6, 3:6] = True
    assert torch.equal(living, expected)


def test_quantizer_gives_the_values_of_an_8_bit_texture() -> None:
    quantizer = Quantizer(range=4, zero=127 / 255)
    values = torch.linspace(-3, 3, 1001)
    bytes_ = ((values / 4 + 127 / 255).clamp(0, 1) * 255).round()
    assert torch.allclose(quantizer(values), (bytes_ / 255 - 127 / 255) * 4)
    assert quantizer(torch.zeros(())) == 0
    assert len(quantizer(values).unique()) <= 256


def test_quantized_step_stays_on_its_grid() -> None:
    grid = Quantizer(range=4, zero=127 / 255)
    settings = RuleSettings(quantization=Quantization(grid, grid, Quantizer(2, 0), grid))
    after = random_rule(settings)(torch.zeros(1, 8, 8, 8), 3)
    assert after.abs().max() > 0
    assert torch.equal(after, grid(after))


def test_initial_states() -> None:
    noise = Rule(RuleSettings(start="noise", noise_level=0.5)).initial_state(2, 16, 16, seed=1)
    assert noise.abs().max() <= 0.25
    assert not torch.equal(noise[0], noise[1])
    center = Rule(RuleSettings(start="center")).initial_state(1, 9, 9)[0]
    assert center.sum() == 5
    assert center[3:, 4, 4].sum() == 5


@pytest.mark.parametrize("dilations", [(), (1, 1, 1, 1, 2, 3, 3)])
def test_the_sum_of_dense_kernels_is_the_first_layer(dilations: tuple[int, ...]) -> None:
    rule = random_rule(RuleSettings(channels=6, hidden=11, dilations=dilations))
    state = torch.randn(1, 6, 8, 8)
    folded = sum(
        F.conv2d(rule.pad(state, dilation), kernel, dilation=dilation)
        for dilation, kernel in dense_kernels(rule).items()
    )
    layered = F.conv2d(rule.perceive(state), rule.w1[:, :, None, None])
    assert torch.allclose(folded, layered, atol=1e-5)


def test_the_taps_of_a_dilated_filter_are_some_cells_apart() -> None:
    rule = Rule(RuleSettings(4, dilations=(1, 1, 1, 1, 3, 3, 3)))
    state = torch.zeros(1, 4, 9, 9)
    state[0, 2, 4, 1] = 1  # 3 cells left of (4, 4), which also sees it past the border
    near, far = rule.perceive(state)[0, 2 * 7 + 1], rule.perceive(state)[0, 2 * 7 + 4]
    assert near[4, 2] == -2
    assert near[4, 4] == 0
    assert far[4, 4] == -2
    assert far[4, 5] == 0
    assert far[1, 4] == far[7, 4] == -1
    assert far[4, 7] == 2


def test_every_filter_needs_a_dilation() -> None:
    with pytest.raises(ValueError, match="dilations must be 4 numbers, one for each filter, not 2"):
        Rule(RuleSettings(dilations=(1, 2)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"channels": 3}, "channels must be 4 to 64, not 3"),
        ({"channels": 65}, "not 65"),
        ({"channels": 8.0}, "a whole number, not 8.0"),
        ({"hidden": 0}, "hidden must be 1 to 1024, not 0"),
        ({"padding": "mirror"}, "padding must be one of"),
        ({"dilations": (1, 4)}, "dilations must be numbers from 1 to 3 in ascending order"),
        ({"dilations": (3, 1)}, r"in ascending order, not \(3, 1\)"),
        ({"dilations": 3}, "not 3"),
        ({"update_rate": 0.0}, "update_rate must be above 0"),
        ({"update_rate": math.nan}, "not nan"),
        ({"rgb_scale": math.inf}, "rgb_scale must be a finite number"),
        ({"start": "ones"}, "start must be one of"),
        ({"noise_level": -1.0}, "noise_level"),
        ({"hidden_clip": 0.0}, "hidden_clip"),
    ],
)
def test_settings_out_of_range_are_named(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(RuleSettings(), **changes)


@pytest.mark.parametrize(
    "quantizer",
    [{"range": 0, "zero": 0}, {"range": 1, "zero": 2}, {"range": 1, "zero": 0, "levels": 1}],
)
def test_quantizers_out_of_range_are_refused(quantizer: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="quantizer"):
        Quantizer(**quantizer)


def test_settings_survive_a_trip_through_a_dictionary() -> None:
    settings = RuleSettings(
        channels=12, alive_threshold=0.1, quantization=Quantization(hidden=Quantizer(2, 0))
    )
    assert RuleSettings.from_dict(settings.to_dict()) == settings


def test_rule_files_call_the_start_seed_state() -> None:
    assert RuleSettings(start="center").to_dict()["seed_state"] == "center"
    assert RuleSettings.from_dict({"seed_state": "noise"}).start == "noise"
    with pytest.raises(ValueError, match="unknown setting 'start'"):
        RuleSettings.from_dict({"start": "noise"})


def test_programs_without_calm_rules_read_all_others() -> None:
    assert "calm" not in RuleSettings().to_dict()
    assert RuleSettings(calm=True).to_dict()["calm"] is True


@pytest.mark.parametrize("own", [False, True])
def test_a_run_is_calm_as_asked_for_or_as_the_rule_says(own: bool) -> None:
    settings = RuleSettings(calm=own)
    assert [settings.runs_calm(calm) for calm in ("auto", "on", "off")] == [own, True, False]


@pytest.mark.parametrize(
    "data",
    [
        {"chanels": 8},
        {"channels": "8"},
        {"rgb_scale": "1"},
        {"quantization": {"state": {"rnge": 1}}},
        {"quantization": 5},
        {"calm": 1},
        {"padding": ["circular"]},
    ],
)
def test_settings_from_a_bad_dictionary_are_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"chanels|type|number|padding|calm"):
        RuleSettings.from_dict(data)
