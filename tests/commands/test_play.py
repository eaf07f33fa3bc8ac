from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from nca.commands.play import play, play_over
from nca.commands.settings import PlaySettings
from nca.errors import InputError
from nca.images import read_image, to_tensor
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import save_rule
from tests.helpers.rules import bounded_rule


def photo() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    rough = torch.rand(1, 3, 5, 7, generator=generator)
    return torch.nn.functional.interpolate(rough, (40, 56), mode="bicubic")[0].clamp(0, 1)


def test_a_rule_that_does_nothing_leaves_the_photograph() -> None:
    result = play_over(Rule(RuleSettings(4, 8)), photo(), (1,), 3, 0.5)
    assert torch.allclose(result, photo(), atol=1e-6)


def test_scales_do_different_work() -> None:
    """Fine runs keep the details of a still photograph, coarse runs alone lose them."""
    still = Rule(RuleSettings(4, 8))
    noisy = (photo() + 0.1 * torch.randn(3, 40, 56, generator=torch.Generator())).clamp(0, 1)
    joined = (play_over(still, noisy, (4, 2, 1), 1, 0.5) - noisy).abs().mean()
    coarse = (play_over(still, noisy, (4,), 1, 0.5) - noisy).abs().mean()
    assert joined < 0.5 * coarse


def test_strength_draws_to_the_photograph() -> None:
    rule = bounded_rule(RuleSettings(6, 16))
    distances = [
        float((play_over(rule, photo(), (2, 1), 12, strength) - photo()).abs().mean())
        for strength in (0.0, 0.3, 1.0)
    ]
    assert distances[0] > 2 * distances[1]
    assert distances[1] > distances[2]


def test_play_writes_a_picture(tmp_path: Path) -> None:
    save_rule(tmp_path / "r.safetensors", bounded_rule(RuleSettings(4, 8)))
    Image.effect_noise((90, 60), 50).save(tmp_path / "p.png")
    settings = PlaySettings(
        tmp_path / "r.safetensors", tmp_path / "p.png", tmp_path / "o.png", size=60, steps=4
    )
    assert to_tensor(read_image(play(settings))).shape == (3, 40, 60)
    with pytest.raises(InputError, match="`scales` 0: must be 1 to 64"):
        PlaySettings(settings.rule, settings.picture, settings.out, scales=(0,))


def test_the_photograph_is_not_written_over(tmp_path: Path) -> None:
    save_rule(tmp_path / "r.safetensors", bounded_rule(RuleSettings(4, 8)))
    Image.effect_noise((90, 60), 50).save(tmp_path / "p.png")
    before = (tmp_path / "p.png").read_bytes()
    settings = PlaySettings(tmp_path / "r.safetensors", tmp_path / "p.png", tmp_path / "p.png")
    with pytest.raises(InputError, match=r"p\.png: is the photograph itself"):
        play(settings)
    assert (tmp_path / "p.png").read_bytes() == before
    with pytest.raises(InputError, match=r"unknown image format '\.pix'"):
        play(replace(settings, rule=tmp_path / "none", out=tmp_path / "o.pix"))


def test_a_rule_that_grows_lives_everywhere() -> None:
    alive = bounded_rule(RuleSettings(6, 16, alive_threshold=0.1, start="center"))
    result = play_over(alive, photo(), (1,), 4, 1.0)
    assert (result - photo()).abs().mean() < 0.1
