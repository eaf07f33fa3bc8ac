import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nca.backends import unroll
from nca.losses.build import build_loss
from nca.losses.settings import LossSettings
from nca.losses.term import Term
from nca.rule import Rule
from nca.rule_settings import EIGHT_BIT_STATE, Quantization, Quantizer, RuleSettings
from nca.rulefile import load_rule
from nca.texture.reparametrize import scale_filters
from nca.texture.settings import train_settings
from nca.texture.state_formats import ByteLevels, loss_by_state, round_weights
from nca.texture.train import train
from tests.helpers.rules import bounded_rule

SCALE = (1.0, 0.25, 0.25, 0.1)


def test_weights_lie_on_255_levels_of_their_filter() -> None:
    rule = bounded_rule(RuleSettings(5, 13))
    before = rule.w1.detach().clone()
    round_weights(rule)
    for k in range(4):
        own = before[:, k::4]
        level = own.abs().max() / 127
        levels = rule.w1[:, k::4] / level
        assert torch.allclose(levels, levels.round(), atol=1e-3)
        assert (rule.w1[:, k::4] - own).abs().max() <= 0.5001 * level
    assert len(rule.w2.unique()) <= 255
    assert not torch.equal(rule.w1, before)


def test_a_second_bias_is_rounded_too() -> None:
    rule = Rule(RuleSettings(6, 8), update_bias=True, generator=torch.Generator().manual_seed(1))
    biases = torch.rand(6, generator=torch.Generator().manual_seed(2)) - 0.5
    with torch.no_grad():
        rule.b2.copy_(biases)
    round_weights(rule)
    levels = rule.b2 / (biases.abs().max() / 127)
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    assert not torch.equal(rule.b2, biases)
    assert torch.equal(rule.with_settings().b2, rule.b2)
    state = torch.rand(2, 6, 12, 12)
    masks = rule.fire_masks(2, 12, 12, 3, seed=0)
    assert torch.allclose(unroll(state, rule, masks), rule.with_settings()(state, 3), atol=1e-5)


def test_zeros_stay_zeros_and_gradients_pass() -> None:
    weights = torch.zeros(3, 4, requires_grad=True)
    rounded = ByteLevels(2)(weights)
    assert torch.equal(rounded, torch.zeros(3, 4))
    (rounded * torch.arange(12).reshape(3, 4)).sum().backward()
    assert torch.equal(weights.grad, torch.arange(12.0).reshape(3, 4))


def test_rounded_values_have_the_gradient_of_the_identity_also_beyond_the_ends() -> None:
    value = torch.tensor([-9.0, 0.3, 0.301, 9.0], requires_grad=True)
    rounded = EIGHT_BIT_STATE(value)
    assert rounded[1] == rounded[2]
    assert rounded.abs().max() < 2.01
    (rounded * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert value.grad is not None
    assert value.grad.tolist() == [1, 2, 3, 4]


def test_a_rounded_state_unrolls_as_step_by_step() -> None:
    rule = bounded_rule(RuleSettings(6, 16, quantization=Quantization(state=EIGHT_BIT_STATE)))
    # Another state may have a value so near to the middle of two levels that it goes to either.
    values = torch.rand(2, 6, 12, 10, generator=torch.Generator().manual_seed(0))
    state = EIGHT_BIT_STATE(values - 0.3).requires_grad_()
    masks = rule.fire_masks(2, 12, 10, 6, seed=3)
    after = unroll(state, rule, masks)
    expected = state
    for mask in masks:
        expected = rule.step(expected, mask)
    assert torch.allclose(after, expected, atol=1e-5)
    gradients = [torch.autograd.grad(x.square().sum(), state)[0] for x in (after, expected)]
    assert torch.allclose(*gradients, atol=1e-4)
    assert gradients[0].abs().mean() > 1e-3


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    stripes = np.tile((np.arange(64) // 8 % 2 * 200 + 20).astype(np.uint8), (64, 1))
    Image.fromarray(stripes).convert("RGB").save(tmp_path / "stripes.png")
    return tmp_path / "stripes.png"


def test_a_rule_for_8_bits_is_kept_rounded(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nca.texture.callbacks.keep_best.STOPS", (10,))
    monkeypatch.setattr("nca.texture.callbacks.keep_best.LONG", 20)
    monkeypatch.setattr("nca.texture.state_formats.FORMAT_STEPS", 20)
    monkeypatch.setattr("nca.texture.results.PREVIEW_STEPS", (1, 2, 3))
    monkeypatch.setattr("nca.texture.results.GROWTH_STEPS", 20)
    settings = train_settings(
        picture, tmp_path / "run", "tiny", size=32, grid=16, late_grid=24,
        steps=(3, 6), late_steps=(4, 8), pool_size=8, iterations=6, quiet=True, state="rgba8",
    )  # fmt: skip
    trained = train(settings)
    loaded = load_rule(settings.out / "rule.safetensors")
    assert loaded.rule.settings.quantization == Quantization(state=EIGHT_BIT_STATE)
    assert loaded.rule.w2.abs().max() > 0
    for name, filters in (("w1", 4), ("b1", 1), ("w2", 1)):
        weights = loaded.rule.get_parameter(name).detach()
        assert torch.allclose(ByteLevels(filters)(weights), weights, rtol=1e-5), name
    report = json.loads((settings.out / "settings.json").read_text())
    assert report["state"] == "rgba8"
    assert loaded.info["training"]["loss_by_state"] == trained.loss_by_state
    assert list(trained.loss_by_state) == ["rgba32f", "rgba16f", "rgba8"]


def texture_loss(target: torch.Tensor, statistic: str, generator: torch.Generator) -> Term:
    return build_loss(target, LossSettings(features="random", statistic=statistic), generator)


def score_of(loss: Term) -> Callable[[Rule, torch.Tensor, torch.Tensor], torch.Tensor]:
    """The sum of the loss of every state by itself."""

    def score(rule: Rule, state: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        images = rule.to_rgb(state).split(1)
        return torch.cat([torch.stack(list(loss(image).values())).sum(0) for image in images])

    return score


def test_the_loss_of_every_format_is_that_of_such_a_state() -> None:
    generator = torch.Generator().manual_seed(0)
    rule = bounded_rule(RuleSettings(4, 8, start="noise", noise_level=0.9))
    loss = texture_loss(torch.rand(1, 3, 32, 32), "gram", generator)
    scores = loss_by_state(rule, score_of(loss), 16, seed=5)
    rounding = rule.with_settings(quantization=Quantization(state=EIGHT_BIT_STATE))
    for name, model in (("rgba32f", rule), ("rgba8", rounding)):
        state = model(rule.initial_state(2, 16, 16, seed=5), 300, seed=5)
        expected = torch.stack(list(loss(rule.to_rgb(state)).values())).sum(0).max()
        assert scores[name] == pytest.approx(float(expected), rel=0.02), name
    assert scores["rgba8"] != pytest.approx(scores["rgba32f"], rel=1e-3)
    with torch.no_grad():
        rule.w2 += 5
    assert loss_by_state(rule, score_of(loss), 16, seed=5)["rgba32f"] is None


def test_the_loss_by_format_is_that_of_the_worse_run() -> None:
    generator = torch.Generator().manual_seed(0)
    rule = bounded_rule(RuleSettings(4, 8, start="noise", noise_level=0.9))
    target = torch.rand(1, 3, 32, 32, generator=generator)
    loss = texture_loss(target, "lesson20", generator)
    scores = loss_by_state(rule, score_of(loss), 16, seed=5)
    # The lesson's loss of two pictures is that of their sum.
    runs = rule.to_rgb(rule(rule.initial_state(2, 16, 16, seed=5), 300, seed=5)).split(1)
    each = [float(torch.stack(list(loss(run).values())).sum()) for run in runs]
    assert scores["rgba32f"] == pytest.approx(max(each), rel=0.02)


def test_masks_of_all_steps_are_never_there_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = bounded_rule(RuleSettings(4, 8, start="noise", noise_level=0.9))
    loss = texture_loss(torch.rand(1, 3, 32, 32), "gram", torch.Generator())
    made = []

    def fire_masks(self: Rule, *size: int, seed: int, first_step: int = 0) -> torch.Tensor:
        masks = real(self, *size, seed=seed, first_step=first_step)
        made.append((first_step, masks))
        return masks

    real = Rule.fire_masks
    monkeypatch.setattr(Rule, "fire_masks", fire_masks)
    loss_by_state(rule, score_of(loss), 16, seed=5)
    assert max(masks.numel() for _, masks in made) == 2 * 16 * 16
    assert [step for step, _ in made] == list(range(300))
    assert torch.equal(torch.cat([masks for _, masks in made]), real(rule, 2, 16, 16, 300, seed=5))


def test_rounding_and_scaled_filters_fold_together() -> None:
    rule = Rule(RuleSettings(), generator=torch.Generator().manual_seed(1))
    scale_filters(rule, SCALE, fresh=True)
    round_weights(rule)
    copy = rule.with_settings()
    assert torch.equal(copy.w1, rule.w1)
    assert {name for name, _ in copy.named_parameters()} == {"w1", "b1", "w2"}
    assert rule.with_settings(
        quantization=Quantization(hidden=Quantizer(2, 0))
    ).settings.quantization.hidden
