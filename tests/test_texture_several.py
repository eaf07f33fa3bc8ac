from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from nca.errors import InputError
from nca.rulefile import load_rule
from nca.texture.pool import Draw
from nca.texture.settings import PRESETS, TrainSettings
from nca.texture.several import Several, noise_levels, seeded
from nca.texture.train import RESULTS, train
from nca.training.engine import Engine


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    """Red, green and blue in one rule."""
    paths = []
    for name in ("red", "green", "blue"):
        noise = Image.effect_noise((40, 40), 30).convert("RGB")
        Image.blend(noise, Image.new("RGB", (40, 40), name), 0.8).save(tmp_path / f"{name}.png")
        paths.append(tmp_path / f"{name}.png")
    return replace(
        PRESETS["tiny"], picture=paths[0], also=tuple(paths[1:]), out=tmp_path / "run", size=32,
        grid=16, late_grid=16, steps=(3, 6), late_steps=(4, 8), pool_size=9, iterations=6,
        features="random", quiet=True,
    )  # fmt: skip


@pytest.fixture
def task(settings: TrainSettings) -> Several:
    generator = torch.Generator().manual_seed(0)
    return Several(settings, Several.read(settings), generator, Engine())


def test_noise_tells_the_pictures_apart(task: Several) -> None:
    assert noise_levels(3) == [0, 0.5, 1]
    width = task.pool.states.amax((1, 2, 3)) - task.pool.states.amin((1, 2, 3))
    for i in range(9):
        assert float(width[i]) == pytest.approx([0, 0.5, 1][i % 3], abs=0.02)


def test_every_batch_has_every_picture(task: Several) -> None:
    picked = torch.stack([task.pool.pick() for _ in range(30)])
    assert all(len(row.unique()) == 4 for row in picked)
    counts = torch.stack([(picked % 3 == i).sum(1) for i in range(3)])
    assert counts.min() == 1
    assert len(picked[:, 0].unique()) > 5


def test_reset_erase_and_noise_of_a_player_are_the_seeds(task: Several) -> None:
    rule = task.rule
    assert rule.settings.seed_state == "noise"
    assert rule.settings.noise_level == 0.5  # reset grows the second
    assert float(seeded(rule, 1.0).seed(1, 16, 16).abs().max()) == pytest.approx(0.5, abs=0.01)
    assert not seeded(rule, 0.0).seed(1, 16, 16).any()


def test_a_state_is_compared_with_its_own_picture(task: Several) -> None:
    red, green = (target - 0.5 for target in task.target[:2])
    states = torch.zeros(4, 4, 32, 32)
    for i, colors in enumerate((red, green, red, green)):
        states[i, :3] = colors
    index = torch.tensor([0, 1, 3, 4])  # pictures 0, 1, 0, 1
    masks = torch.zeros(0, 4, 32, 32, dtype=torch.bool)
    right = task.objective.losses(states, Draw(index, states, masks))
    wrong = task.objective.losses(states, Draw(index + 1, states, masks))
    assert {name.partition("/")[0] for name in right} == {
        "texture1", "texture2", "texture3", "overflow",
    }  # fmt: skip
    assert list(right) == list(wrong)
    total = sum(float(v) for v in right.values())
    assert total < 0.3 * sum(float(v) for v in wrong.values())
    assert all(float(v) == 0 for name, v in right.items() if name.startswith("texture3"))


def test_several_leave_what_they_promise(settings: TrainSettings) -> None:
    train(settings)
    assert all((settings.out / name).stat().st_size > 0 for name in RESULTS)
    assert load_rule(settings.out / "rule.safetensors").rule.settings.noise_level == 0.5
    with Image.open(settings.out / "preview.png") as preview:
        assert preview.height > 3 * 320


def test_the_noise_decides(settings: TrainSettings) -> None:
    two = replace(settings, also=settings.also[:1], iterations=150, channels=6, hidden=24)
    rule = train(replace(two, late_from=1.0, steps=(8, 14))).rule
    first, second = (
        seeded(rule, level).to_rgb(seeded(rule, level)(seeded(rule, level).seed(1, 32, 32), 30))
        for level in (0.0, 1.0)
    )
    red, green = (image.mean((0, 2, 3)) for image in (first, second))
    # In so few iterations the second is not yet green, but far from the red of the first.
    assert red[0] - red[1] > green[0] - green[1] + 0.05


def test_kinds_exclude_each_other(settings: TrainSettings) -> None:
    with pytest.raises(InputError, match="--grow and --also exclude each other"):
        replace(settings, grow=True)
    with pytest.raises(InputError, match="at most two more pictures"):
        replace(settings, also=settings.also * 2)
