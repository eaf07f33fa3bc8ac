from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from nca.errors import InputError
from nca.images import read_square
from nca.rule import DILATED_FILTERS, filter_tensor
from nca.rule_settings import Quantization, Quantizer, RuleSettings
from nca.rulefile import save_rule
from nca.texture.callbacks.keep_best import Score
from nca.texture.settings import TrainSettings, train_settings
from nca.texture.starting_rule import filter_units, starting_rule, with_sizes_of_parent
from nca.texture.train import TextureTraining
from tests.helpers.rules import bounded_rule, published_rules


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    Image.effect_noise((40, 40), 60).convert("RGB").save(tmp_path / "noise.png")
    return train_settings(
        tmp_path / "noise.png", tmp_path / "run", "tiny", size=32, grid=16,
        late_grid=16, steps=(3, 6), late_steps=(3, 6), pool_size=8, iterations=4, quiet=True,
        features="random", from_rule=tmp_path / "parent.safetensors", learning_rate=1e-4,
    )  # fmt: skip


def test_a_warm_start_is_the_parent_with_all_that_is_its_own(settings: TrainSettings) -> None:
    eight_bit = Quantizer(range=4, zero=127 / 255)
    parent = bounded_rule(
        RuleSettings(
            6, 20, rgb_scale=0.5, hidden_clip=2.0, padding="zeros", update_rate=1.0,
            start="noise", noise_level=0.25, quantization=Quantization(state=eight_bit),
        ),
        update_bias=True,
    )  # fmt: skip
    assert settings.task.from_rule is not None
    save_rule(settings.task.from_rule, parent)
    adopted = with_sizes_of_parent(settings)
    options = adopted.rule
    assert (options.channels, options.hidden, options.padding) == (6, 20, "zeros")
    assert (options.update_rate, options.noise) == (1.0, 0.25)
    own = replace(parent.settings, rgb_scale=1.0, hidden_clip=None, quantization=Quantization())
    rule = starting_rule(adopted, generator(), own)
    assert rule.settings == parent.settings
    state = torch.rand(1, 6, 12, 12, generator=generator()) - 0.5
    assert torch.allclose(rule(state, 5), parent(state, 5), atol=4.1 / 255)


def test_a_published_rule_learns_through_its_rounding(
    settings: TrainSettings, published: Path
) -> None:
    parent = next(iter(published_rules(published).values()))
    assert settings.task.from_rule is not None
    save_rule(settings.task.from_rule, parent)
    adopted = with_sizes_of_parent(settings.override(iterations=2))
    training = TextureTraining(adopted, read_square(settings.picture, 32))
    settings.out.mkdir()
    training.best.score = lambda *_: Score((0, 0), 0)
    before = [weight.detach().clone() for weight in training.task.rule.parameters()]
    training.fit()
    after = list(training.task.rule.parameters())
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_filters_that_are_weaker_are_trained_in_larger_units() -> None:
    scale = (1.0, 0.25, 0.25, 0.1)
    assert filter_units(filter_tensor(), scale) == pytest.approx(scale)
    weaker = filter_tensor() / torch.tensor([1.0, 8, 8, 8])[:, None, None]
    assert filter_units(weaker, scale) == pytest.approx((1, 2, 2, 0.8))
    assert filter_units(weaker[:3], scale) == (1, 1, 1)
    dilated = torch.tensor(DILATED_FILTERS)
    assert filter_units(dilated, scale) == pytest.approx((*scale, *scale[1:]))


def test_dilated_filters_come_with_a_new_rule_and_from_a_parent(settings: TrainSettings) -> None:
    picture = read_square(settings.picture, 32)
    dilated = TextureTraining(settings.override(from_rule=None, dilation=3), picture).task.rule
    assert dilated.dilations == (1, 1, 1, 1, 3, 3, 3)
    assert settings.task.from_rule is not None
    save_rule(settings.task.from_rule, dilated)
    child = TextureTraining(with_sizes_of_parent(settings), picture).task.rule
    assert child.dilations == dilated.dilations
    assert torch.equal(child.filters, dilated.filters)


def test_a_parent_that_is_not_there_is_named(settings: TrainSettings) -> None:
    with pytest.raises(InputError, match=r"cannot read .*parent\.safetensors"):
        with_sizes_of_parent(settings)
