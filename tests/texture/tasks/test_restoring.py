from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from nca.errors import InputError
from nca.rulefile import load_rule
from nca.texture.callbacks.keep_best import long_run_score
from nca.texture.settings import TrainSettings, train_settings
from nca.texture.tasks.restoring import HOLE, NOISE, Restoring, RestoringPool, disturb, state_of
from nca.texture.train import FILES, train
from nca.training.engines import Engine


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    """Broad stripes, whose crops are restored after seconds."""
    x = np.arange(48)
    stripes = np.where((x // 12 % 2)[None, :, None], [220, 180, 40], [30, 60, 120])
    Image.fromarray(np.broadcast_to(stripes, (48, 48, 3)).astype(np.uint8)).save(tmp_path / "s.png")
    small = {
        "size": 32, "grid": 24, "late_grid": 28, "pool_size": 8, "steps": (3, 6),
        "late_steps": (4, 8), "iterations": 8, "quiet": True,
    }  # fmt: skip
    return train_settings(tmp_path / "s.png", tmp_path / "run", "tiny", restore=True, **small)


def make_task(settings: TrainSettings, seed: int = 0) -> Restoring:
    generator = torch.Generator().manual_seed(seed)
    return Restoring(settings, Restoring.read(settings), generator, Engine())


def test_disturbances_are_noise_and_grey_holes() -> None:
    generator = torch.Generator().manual_seed(0)
    picture = torch.full((3, 64, 64), 0.25)
    strengths, holes = [], []
    for _ in range(60):
        disturbed = disturb(picture, generator)
        grey = (disturbed == 0.5).all(0)
        strengths.append(float(disturbed[:, ~grey].std()))
        holes.append(float(grey.float().mean()))
    assert min(strengths) < 0.1 * NOISE
    assert 0.9 * NOISE < max(strengths) < 1.1 * NOISE
    assert min(holes) == 0
    assert 0.02 < max(holes) < 4 * 3.1416 * HOLE[1] ** 2


def test_every_place_remembers_its_crop(settings: TrainSettings) -> None:
    task = make_task(settings)
    pool = task.pool
    assert isinstance(pool, RestoringPool)
    before = pool.targets.clone()
    state = pool.initial_states(torch.tensor([2, 5]), 24)
    changed = (pool.targets != before).flatten(1).any(1)
    assert set(changed.nonzero()[:, 0].tolist()) <= {2, 5}
    windows = task.target.unfold(1, 24, 1).unfold(2, 24, 1)  # [3, 9, 9, 24, 24]
    for crop in pool.targets:
        assert (windows == crop[:, None, None]).all((0, 3, 4)).any()
    assert (state[:, 3:] == 0).all()
    crops = task.compared_with(torch.tensor([2, 5]))
    assert task.score(task.rule, state_of(crops, task.rule), crops).tolist() == pytest.approx(
        [0, 0], abs=1e-6
    )


def test_the_pool_comes_back_with_its_crops(settings: TrainSettings) -> None:
    first, second = make_task(settings).pool, make_task(settings, seed=9).pool
    first.progress = 1.0
    first.draw()
    second.load_state_dict(first.state_dict())
    assert isinstance(first, RestoringPool)
    assert isinstance(second, RestoringPool)
    assert torch.equal(first.targets, second.targets)
    assert torch.equal(first.draw().state, second.draw().state)
    assert torch.equal(first.targets, second.targets)


def test_restoring_leaves_what_it_promises(settings: TrainSettings) -> None:
    train(settings)
    assert all((settings.out / name).stat().st_size > 0 for name in FILES)
    assert load_rule(settings.out / "rule.safetensors").rule.settings.padding == "replicate"


def test_restoring_beats_doing_nothing(settings: TrainSettings) -> None:
    train(settings.override(iterations=150, late_from=1.0, hidden=16, channels=6))
    rule = load_rule(settings.out / "rule.safetensors").rule
    task = make_task(settings)
    stops, seeds = (8,), range(50, 58)
    nothing = state_of(
        torch.stack([disturb(task.target, torch.Generator().manual_seed(s)) for s in seeds]), rule
    )
    still = float((rule.to_rgb(nothing) - task.target).abs().mean((1, 2, 3)).max())
    assert long_run_score(task, rule, stops, seeds).loss < 0.7 * still


def test_crops_larger_than_the_picture_are_refused(settings: TrainSettings) -> None:
    with pytest.raises(InputError, match="`late_grid` 64: must be at most `size` 32"):
        Restoring.read(settings.override(late_grid=64))


def terms_of(task: Restoring, colors: Tensor, originals: Tensor) -> dict[str, Tensor]:
    return task.compare(task.rule, state_of(colors, task.rule), originals)


def test_only_colors_are_compared_by_default(settings: TrainSettings) -> None:
    crops = torch.rand(2, 3, 24, 24)
    assert list(terms_of(make_task(settings), crops, crops)) == ["picture"]
    full = train_settings("s.png", None, "full", restore=True)
    assert (full.loss.texture_weight, full.loss.terms) == (0, {})


def test_the_perceptual_term_pulls_features_toward_those_of_the_original(
    settings: TrainSettings,
) -> None:
    task = make_task(settings.override(terms={"perceptual": 0.5}))
    originals = task.compared_with(torch.arange(2))
    assert isinstance(originals, Tensor)
    damaged = (originals + 0.2 * torch.randn(originals.shape)).requires_grad_()
    terms = terms_of(task, damaged, originals)
    assert list(terms) == ["picture", "perceptual"]
    (gradient,) = torch.autograd.grad(terms["perceptual"].sum(), damaged)
    assert ((originals - damaged) * gradient).sum((1, 2, 3)).max() < 0
    same = terms_of(task, originals, originals)["perceptual"]
    assert same.tolist() == pytest.approx([0, 0], abs=1e-6)
    double = make_task(settings.override(terms={"perceptual": 1.0}))
    twice = terms_of(double, damaged, originals)["perceptual"]
    assert torch.allclose(twice, 2 * terms["perceptual"])


def test_the_texture_term_compares_with_the_whole_image(settings: TrainSettings) -> None:
    task = make_task(settings.override(texture_weight=1.0, terms={"smooth": 1.0}))
    whole = task.target[None]
    right, flat = (terms_of(task, colors, whole) for colors in (whole, 0 * whole))
    layers = [name for name in right if name.startswith("texture/")]
    assert list(right) == ["picture", *layers, "smooth"]
    assert "texture/net1" in layers
    for name in layers:
        assert float(right[name]) == pytest.approx(0, abs=1e-3)
        assert float(flat[name]) > 0.1
    assert float(right["smooth"]) > float(flat["smooth"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"terms": {"sharp": 1.0}}, "`terms` sharp: must be one of smooth, patches, perceptual"),
        (
            {"terms": {"perceptual": 1.0}, "grid": 16, "features": "patches"},
            "`grid` 16: too small for `features` patches",
        ),
    ],
)
def test_terms_that_cannot_be_used_are_refused(
    settings: TrainSettings, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        make_task(settings.override(**changes))
