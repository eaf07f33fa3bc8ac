"""Load, save and grow."""

from pathlib import Path

import numpy as np
import pytest
import torch

import nca
from nca.errors import InputError
from nca.gallery import gallery_path
from nca.images import to_image
from nca.rule_settings import RuleSettings
from tests.helpers.rules import bounded_rule


def test_a_rule_is_saved_and_loaded(tmp_path: Path) -> None:
    rule = bounded_rule(RuleSettings())
    path = nca.save(rule, str(tmp_path / "rule.safetensors"))
    assert path == tmp_path / "rule.safetensors"
    for given in (path, str(path)):
        loaded = nca.load(given)
        assert loaded.settings == rule.settings
        assert torch.equal(loaded.w1, rule.w1)


def test_a_bundled_rule_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scales").mkdir()  # words are the name all the same
    assert torch.equal(nca.load("scales").w1, nca.load(gallery_path("scales")).w1)
    with pytest.raises(InputError, match="scales is a folder"):
        nca.load(Path("scales"))


@pytest.mark.parametrize("call", [nca.load, nca.grow])
def test_an_unknown_name_lists_those_there_are(call) -> None:
    with pytest.raises(
        InputError, match=r"`path` scale: neither a file .*scales, blossom, bricks, brush"
    ):
        call("scale")


def test_growing_gives_what_the_rule_gives_step_by_step() -> None:
    rule = bounded_rule(RuleSettings(start="noise", noise_level=1.0))
    state = rule.initial_state(1, 12, 20, seed=5)
    expected = np.asarray(to_image(rule.to_rgb(rule(state, 9, seed=5))[0]))
    image = nca.grow(rule, (20, 12), 9, 5)
    assert image.size == (20, 12)
    assert np.array_equal(np.asarray(image), expected)
    frames = nca.grow(rule, (20, 12), range(0, 10, 3), 5)
    assert len(frames) == 4
    assert np.array_equal(np.asarray(frames[3]), expected)
    assert nca.grow(rule, 16, steps=[4])[0].size == (16, 16)


def test_a_calm_rule_grows_calm() -> None:
    restless = nca.load("scales").with_settings(calm=False)
    rule = restless.with_settings(calm=True)
    calm, other = (np.asarray(nca.grow(each, 8, 305)) for each in (rule, restless))
    assert not np.array_equal(calm, other)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"size": 3}, "`size` 3: must be a number from 4 to 8192, or width and height"),
        ({"size": (8, 8, 8)}, r"`size` \(8, 8, 8\)"),
        ({"size": (8, 9000)}, r"`size` \(8, 9000\)"),
        ({"size": 8.5}, "`size` 8.5"),
        ({"size": "8x8"}, "`size` 8x8"),
        ({"steps": -1}, "`steps` -1: must be a whole number from 0"),
        ({"steps": []}, r"`steps` \[\]"),
        ({"steps": (4, 2)}, r"`steps` \(4, 2\): .* ascending order"),
        ({"steps": 2.5}, "`steps` 2.5"),
        ({"seed": "a"}, "`seed` 'a': must be a whole number"),
        ({"rule": 5}, "`rule` of type int: must be a Rule, a path, or a bundled rule's name"),
    ],
)
def test_wrong_values_are_named(values, said: str) -> None:
    with pytest.raises(InputError, match=f"^{said}"):
        nca.grow(**{"rule": "scales", "size": 8, "steps": 1} | values)
