"""Maps written by ``nca render --maps``."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nca.backends.simulate import simulate
from nca.cli import main
from nca.decoder import DecoderSettings
from nca.images import to_tensor
from nca.rule_settings import RuleSettings
from nca.rulefile import save_rule
from tests.helpers.players import rule_file
from tests.helpers.rules import bounded_rule, with_random_decoder


def test_a_decoder_draws_the_maps_at_the_scale_asked_for(tmp_path: Path) -> None:
    maps = ("color", "normal", "height")
    rule = with_random_decoder(
        RuleSettings(9, 8, start="noise", noise_level=1, maps=maps, decoder=DecoderSettings(4))
    )
    path, out = tmp_path / "stone.safetensors", tmp_path / "maps"
    save_rule(path, rule)
    state = rule(rule.initial_state(1, 10, 12), 5)
    words = ["render", str(path), "--maps", "--size", "12x10", "--steps", "5", "--overwrite"]
    for more, scale in (([], 4), (["--scale", "3"], 3)):
        assert main([*words, *more, "--out", str(out)]) == 0
        for name, one in rule.to_maps(state, scale=scale).items():
            with Image.open(out / f"stone_{name}.png") as image:
                assert image.size == (12 * scale, 10 * scale)
                levels = np.asarray(image).reshape(10 * scale, 12 * scale, -1)
            written = levels.astype(np.float32) / (65535 if name == "height" else 255)
            right = one[0].detach().clamp(0, 1).permute(1, 2, 0).numpy()
            assert np.abs(written - right).max() < 1.01 / (65535 if name == "height" else 255)


def test_maps_are_those_of_the_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    maps = ("color", "normal", "height", "roughness")
    rule = bounded_rule(
        RuleSettings(channels=9, hidden=8, start="noise", noise_level=1.0, maps=maps)
    )
    path, out = tmp_path / "stone.safetensors", tmp_path / "maps"
    save_rule(path, rule)
    words = ["render", str(path), "--maps", "--size", "24x20", "--out", str(out)]
    assert main([*words, "--steps", "5", "--seed", "3"]) == 0
    assert sorted(file.name for file in out.iterdir()) == [
        f"stone_{name}.png" for name in ("color", "height", "normal", "roughness")
    ]
    (state,) = simulate(rule, rule.initial_state(1, 20, 24, seed=3), [5], seed=3)
    right = {name: one[0].clamp(0, 1) for name, one in rule.to_maps(state).items()}
    for name, one in right.items():
        with Image.open(out / f"stone_{name}.png") as image:
            assert image.mode == {"height": "I;16", "roughness": "L"}.get(name, "RGB")
            levels = np.asarray(image).astype(np.float32) / (65535 if name == "height" else 255)
        written = torch.from_numpy(levels).reshape(20, 24, -1).permute(2, 0, 1)
        assert torch.allclose(written, one, atol=1.01 / (65535 if name == "height" else 255))
    assert main(["info", str(path)]) == 0
    assert "  maps: color, normal, height, roughness\n" in capsys.readouterr().out
    # An average of directions is a direction again.
    assert main([*words, "--steps", "3", "--average-steps", "4", "--overwrite"]) == 0
    with Image.open(out / "stone_normal.png") as image:
        lengths = (to_tensor(image) * 2 - 1).norm(dim=0)
    assert torch.allclose(lengths, torch.ones(20, 24), atol=0.02)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--out", "DIR"], "--maps: {} has only a color; train it on a material"),
        (["--out", "-"], "--out -: must be a folder with --maps"),
        (["--out", "DIR", "--every", "2"], "--maps and --every exclude each other"),
        (["--out", "DIR", "--bits", "16"], "--bits and --maps exclude each other"),
        (["--out", "FILE"], "is a file; give the name of a folder"),
    ],
)
def test_maps_that_cannot_be_written_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    path = rule_file(tmp_path)
    (tmp_path / "FILE").write_text("mine")
    places = {name: str(tmp_path / name) for name in ("DIR", "FILE")}
    assert main(["render", str(path), "--maps", *(places.get(word, word) for word in words)]) == 2
    assert complaint.format(path) in capsys.readouterr().err
    assert not (tmp_path / "DIR").exists()
