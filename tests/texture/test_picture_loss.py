from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from nca.decoder import DecoderSettings
from nca.errors import InputError
from nca.rule_settings import RuleSettings
from nca.rulefile import load_rule, save_rule
from nca.texture.picture_loss import FinePicture, picture_loss
from nca.texture.settings import TrainSettings, train_settings
from nca.texture.tasks.base import repeated
from nca.texture.train import FILES, train
from tests.helpers.rules import with_random_decoder


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    Image.effect_noise((140, 130), 60).convert("RGB").save(tmp_path / "a.png")
    Image.effect_noise((128, 128), 20).convert("RGB").save(tmp_path / "b.png")
    return train_settings(
        tmp_path / "a.png", tmp_path / "run", "tiny", decoder=4, size=128, grid=16, late_grid=16,
        steps=(3, 6), late_steps=(4, 8), pool_size=8, batch_size=2, iterations=2, quiet=True,
        features="random",
    )  # fmt: skip


@pytest.mark.parametrize("padding", ["circular", "zeros"])
def test_the_loss_sees_a_crop_and_the_layout(settings: TrainSettings, padding: str) -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(3, 128, 128, generator=generator)
    rule = with_random_decoder(RuleSettings(4, 8, padding, decoder=DecoderSettings(4)))
    loss = picture_loss(settings.override(padding=padding), target, generator, "2")
    state = torch.rand(2, 4, 40, 48).requires_grad_()
    terms = loss(rule, state)
    assert {name.partition("/")[0] for name in terms} == {"texture2", "layout2"}
    assert all(value.shape == (2,) for value in terms.values())
    torch.stack(list(terms.values())).sum().backward()
    assert (state.grad.abs().sum(1) > 0).all()  # the layout depends on every cell
    assert all(weight.grad.abs().sum() > 0 for weight in rule.decoder.parameters())
    scores = []
    for _ in range(2):
        with repeated(generator), torch.no_grad():
            scores.append(loss(rule, state))
    assert str(scores[0]) == str(scores[1])


@pytest.mark.parametrize("padding", ["circular", "zeros"])
def test_crops_are_in_the_picture(settings: TrainSettings, padding: str) -> None:
    settings = settings.override(padding=padding)
    loss = picture_loss(settings, torch.rand(3, 128, 128), torch.Generator())
    assert isinstance(loss, FinePicture)
    tops, lefts = set(), set()
    for place in range(100):
        top, left, height, width = loss._window(4, (40, 20), 128, (place / 100, 0.999))
        assert (height, width) == (32, 20)
        assert top * 4 % 1 == 0
        tops.add(top)
        lefts.add(left)
    assert (min(tops), max(tops)) == ((0, 39.5) if padding == "circular" else (0, 8))
    assert lefts == ({19.75} if padding == "circular" else {0})


@pytest.mark.parametrize("also", [False, True])
def test_rule_and_decoder_are_trained_together(settings: TrainSettings, also: bool) -> None:
    settings = settings.override(also=(settings.picture.with_name("b.png"),) if also else ())
    trained = train(settings)
    assert {path.name for path in settings.out.iterdir()} >= set(FILES)
    rule = load_rule(settings.out / "rule.safetensors").rule
    assert rule.settings.decoder == DecoderSettings(4)
    assert rule.decoder.w2.abs().max() > 0
    assert torch.equal(rule.decoder.w1, trained.rule.decoder.w1)
    with Image.open(settings.out / "growth.webp") as film:
        assert film.height == 2 * 64
    again = train(settings.override(out=settings.out.with_name("again"), from_rule=settings.out /
                                    "rule.safetensors", decoder=0))  # fmt: skip
    assert again.rule.settings.decoder == DecoderSettings(4)


def test_a_rule_without_a_decoder_can_get_one(settings: TrainSettings, tmp_path: Path) -> None:
    parent = with_random_decoder(RuleSettings(5, 6, decoder=DecoderSettings(4, hidden=(16, 16))))
    save_rule(tmp_path / "fine", parent)
    parent.decoder, parent.settings = None, RuleSettings(5, 6)
    save_rule(tmp_path / "plain", parent)
    for name, hidden in (("plain", (32,)), ("fine", (16, 16))):
        rule = train(settings.override(from_rule=tmp_path / name, out=None)).rule
        assert rule.settings.decoder == DecoderSettings(4, hidden=hidden)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"decoder": 1}, "`decoder` 1: must be one of 0, 2, 3"),
        ({"decoder": 3}, "`size` 128: must be a multiple of `decoder` 3"),
        ({"decoder": 8}, "`size` 128: must be at least 256 with `decoder` 8"),
        ({"size": 132}, "a.png: has 140x130 pixels, too few for `size` 132 with a `decoder`"),
        ({"also": "b.png", "size": 132}, "has 140x130 pixels, too few"),
        ({"restore": True}, "`decoder` and `restore` exclude each other"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    settings: TrainSettings, values: dict[str, Any], said: str
) -> None:
    if "also" in values:
        values |= {"also": (settings.picture.with_name(values["also"]),)}
    with pytest.raises(InputError, match=said):
        train(settings.override(**values))
