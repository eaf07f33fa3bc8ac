from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from nca.errors import InputError
from nca.images import read_cutout
from nca.options import flatten
from nca.rulefile import load_rule
from nca.texture.settings import PRESETS, TrainSettings, train_settings
from nca.texture.tasks.growing import (
    Growing,
    GrowingPool,
    figure_state,
    growing_filters,
    squared_error,
)
from nca.texture.train import FILES, train
from nca.training.engines import Engine


@pytest.fixture(autouse=True)
def short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Score candidates after fewer steps: rules with life are slow."""
    monkeypatch.setattr("nca.texture.callbacks.keep_best.STOPS", (20, 60))
    monkeypatch.setattr("nca.texture.callbacks.keep_best.LONG", 100)


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    """A half transparent red disc, to be grown in seconds."""
    figure = Image.new("RGBA", (80, 40), (0, 0, 0, 0))
    ImageDraw.Draw(figure).ellipse((20, 0, 59, 39), fill=(255, 0, 0, 128))
    figure.save(tmp_path / "disc.png")
    small = {
        "size": 32, "grid": 36, "late_grid": 36, "channels": 8, "hidden": 8, "pool_size": 12,
        "batch_size": 6, "steps": (2, 4), "late_steps": (3, 5), "iterations": 6, "quiet": True,
    }  # fmt: skip
    return train_settings(tmp_path / "disc.png", tmp_path / "run", grow=True, **small)


@pytest.fixture
def task(settings: TrainSettings) -> Growing:
    generator = torch.Generator().manual_seed(0)
    return Growing(settings, Growing.read(settings), generator, Engine())


def test_defaults_are_those_of_the_paper(settings: TrainSettings) -> None:
    paper = train_settings(settings.picture, "out", "small", grow=True)
    values = flatten(paper)
    assert (values["channels"], values["hidden"], values["batch_size"]) == (16, 128, 8)
    assert (values["size"], values["grid"], values["late_steps"]) == (40, 72, (64, 96))
    few = paper.override(pool_size=8)
    rule = Growing(few, Growing.read(few), torch.Generator(), Engine()).rule
    assert rule.weight_count() == 8336


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("terms", {"smooth": 1.0}),
        ("features", "vgg16"),
        ("statistic", "gram"),
        ("layer_weights", {"level0": 2.0}),
        ("texture_weight", 0.5),
        ("dilation", 3),
    ],
)
def test_options_that_a_figure_does_not_use_are_refused(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"`{name}` and `grow` exclude each other"):
        train_settings("a.png", "out", grow=True, **{name: value})


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_can_grow(preset: str) -> None:
    settings = train_settings("a.png", "out", preset, grow=True)
    assert settings.loss.terms == {}
    assert settings.loss.features == "builtin"


def test_a_picture_without_transparency_is_named(
    settings: TrainSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Growing.read(settings)
    assert capsys.readouterr().err == ""
    Image.new("RGB", (80, 40), "red").save(tmp_path / "wall.jpg")
    Growing.read(settings.override(picture=tmp_path / "wall.jpg"))
    assert "wall.jpg has no transparency; the whole rectangle grows" in capsys.readouterr().err


def test_a_cutout_is_whole_and_premultiplied(settings: TrainSettings) -> None:
    cutout = read_cutout(settings.picture, 32)
    assert cutout.shape == (4, 32, 32)
    middle = cutout[:, 16, 16]
    assert middle.tolist() == pytest.approx([128 / 255, 0, 0, 128 / 255], abs=1e-3)
    assert (cutout[:, 0, 0] == 0).all()
    assert float(cutout[3, 16].mean()) > 0.45  # the transparent margin is cut off


def test_a_figure_shows_as_on_white_paper(task: Growing) -> None:
    figure = figure_state(read_cutout(task.settings.picture, 32), task.rule.settings, 36)
    rgb = task.rule.to_rgb(figure[None])[0]
    assert rgb[:, 18, 18].tolist() == pytest.approx([1, 1 - 128 / 255, 1 - 128 / 255], abs=1e-2)
    assert (rgb[:, :2] == 1).all()
    seed = task.rule.to_rgb(task.rule.initial_state(1, 36, 36))
    assert (seed == 1).all()


def test_the_rule_is_that_of_the_paper(task: Growing) -> None:
    rule = task.rule
    assert rule.settings.alive_threshold == 0.1
    assert rule.settings.padding == "zeros"
    assert rule.b2 is not None
    assert torch.equal(rule.filters, growing_filters())
    assert rule.filters[1, 1].tolist() == [-0.25, 0, 0.25]
    seed = rule.initial_state(1, 36, 36)[0]
    assert seed.sum() == 8 - 3


def test_the_worst_is_reset_and_the_best_are_cut(task: Growing) -> None:
    pool = task.pool
    assert isinstance(pool, GrowingPool)
    state = torch.zeros(6, 8, 36, 36)
    state[:, :4] = task.target
    state[:, 3] = state[:, 3].clamp(min=0.5)  # all is alive, so that a cut is seen
    for i in range(6):
        state[i, 0] += 0.1 * i
    state[0, 0] += 5
    before = state.clone()
    order = squared_error(before, task.target).argsort()
    assert int(order[-1]) == 0
    pool.disturb(torch.arange(6), state)
    assert torch.equal(state[0], task.rule.initial_state(1, 36, 36)[0])
    for place, i in enumerate(order.tolist()[:-1]):
        cut = (state[i] != before[i]).any(0)
        assert bool(cut.any()) == (place < 3), place
        assert (state[i, :, cut] == 0).all()
        assert cut.float().mean() < 0.15  # a disc of 0.4 of half the width, at most


def test_a_cut_leaves_something_alive(task: Growing) -> None:
    pool = task.pool
    assert isinstance(pool, GrowingPool)
    for _ in range(60):
        seed = task.rule.initial_state(1, 36, 36)[0]
        pool._cut(seed)
        assert seed[3].max() == 1


def test_growing_leaves_what_it_promises(settings: TrainSettings) -> None:
    trained = train(settings)
    assert all((settings.out / name).stat().st_size > 0 for name in FILES)
    rule = load_rule(settings.out / "rule.safetensors").rule
    assert rule.settings.alive_threshold == 0.1
    assert rule.settings.start == "center"
    assert trained.results["growth.webp"].startswith("the image growing from one cell")


def test_growing_lowers_the_error(settings: TrainSettings) -> None:
    longer = settings.override(
        iterations=60, steps=(12, 16), late_from=1.0, hidden=32, learning_rate=8e-3
    )
    train(longer)
    rows = [line for line in (settings.out / "metrics.csv").read_text().splitlines() if line]
    figure = rows[0].split(",").index("figure")
    first, last = (float(rows[i].split(",")[figure]) for i in (1, -1))
    assert last < 0.8 * first


def test_a_grid_too_small_is_refused(settings: TrainSettings) -> None:
    with pytest.raises(InputError, match="`grid` 20 `late_grid` 36: must be equal, and"):
        Growing.read(settings.override(grid=20))


@pytest.mark.parametrize("opacity", [0, 20])
def test_a_picture_of_nothing_is_refused(settings: TrainSettings, opacity: int) -> None:
    Image.new("RGBA", (40, 40), (255, 0, 0, opacity)).save(settings.picture)
    with pytest.raises(InputError, match=r"disc\.png: no pixel is more than 10% opaque"):
        Growing.read(settings)


def test_a_decoder_draws_the_figure(settings: TrainSettings) -> None:
    fine = settings.override(decoder=2, size=64, grid=36, late_grid=36)
    with pytest.raises(InputError, match="has 40x40 pixels, too few for `size` 64"):
        Growing.read(fine)
    with pytest.raises(InputError, match=r"the picture \(`size` 64 / `decoder` 2 = 32\)"):
        Growing.read(fine.override(grid=30, late_grid=30))
    figure = Image.new("RGBA", (80, 80), (0, 0, 0, 0))
    ImageDraw.Draw(figure).ellipse((0, 0, 79, 79), fill=(255, 0, 0, 255))
    figure.save(settings.picture)
    task = Growing(fine, Growing.read(fine), torch.Generator(), Engine())
    assert task.target.shape == (4, 36, 36)
    assert task.targets()[0].size == (72, 72)
    state = torch.zeros(2, 8, 36, 36)
    state[1, :4] = task.target
    terms = task.compare(task.rule, state, torch.arange(2))
    assert set(terms) == {"figure", "pixels", "strokes"}
    assert terms["figure"][1] == 0
    for name in ("pixels", "strokes"):
        assert 0 < terms[name][1] < 0.5 * terms[name][0]
    rule = train(fine).rule
    assert rule.decoder.w2.abs().max() > 0
    dead = torch.zeros(1, 8, 36, 36)
    assert (rule.to_image(dead) == 1).all()
