import hashlib
import json
import math
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from nca.errors import InputError
from nca.images import read_square
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import load_rule, save_rule
from nca.texture.callbacks import write_newest as newest
from nca.texture.callbacks.keep_best import Score
from nca.texture.reparametrize import scale_filters
from nca.texture.results import growth_stops
from nca.texture.settings import PRESETS, TrainSettings, train_settings
from nca.texture.train import FILES, TextureTraining, train
from nca.training.learner import Learner
from nca.training.write_failures import WriteFailures


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_presets_have_the_sizes_they_are_known_for() -> None:
    presets = {name: train_settings("picture.png", "out", name) for name in PRESETS}
    sizes = {name: (p.rule.channels, p.rule.hidden) for name, p in presets.items()}
    assert sizes == {
        "tiny": (4, 8),
        "small": (8, 32),
        "full": (12, 96),
        "material": (16, 96),
        "noise": (12, 96),
        "lesson20": (4, 8),
    }
    assert all(name == preset.preset for name, preset in presets.items())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 31}, "`size` 31: must be 32 to 1024"),
        ({"minutes": 0.0}, "`minutes` 0.0: must be 0.01 to"),
        ({"iterations": 0}, "`iterations` 0: must be 1 to"),
        ({"steps": (5, 4)}, "`steps` 5 4: the second must not"),
        ({"pool_size": 3}, "`pool_size` 3: must be at least `batch_size` 4"),
        ({"ema": 1.0}, "`ema` 1.0"),
        ({"filter_scale": (1.0,)}, "must be four numbers"),
        ({"learning_rate": math.nan}, "`learning_rate` nan"),
    ],
)
def test_settings_out_of_range_are_named(change: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        train_settings("picture.png", "out", "small", **change)


def test_backends_train_alike_and_what_cannot_be_had_is_named(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = read_square(settings.picture, settings.size)
    rules = []
    for backend in ("torch", "native"):
        training = TextureTraining(settings.override(backend=backend, out=settings.out), target)
        settings.out.mkdir(exist_ok=True)
        training.fit()
        rules.append(training.learner.model.w1.detach())
    assert torch.allclose(*rules, atol=1e-3)
    assert not torch.equal(*rules)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="`backend` triton: needs a GPU"):
        TextureTraining(settings.override(backend="triton"), target)
    with pytest.raises(InputError, match=r"`device` cuda: torch .* does not support it"):
        TextureTraining(settings.override(device="cuda"), target)


def test_scaled_filters_fold_back() -> None:
    rule = Rule(RuleSettings(), generator=generator())
    before = rule.w1.detach().clone()
    scale_filters(rule, (1.0, 0.25, 0.25, 0.1), fresh=False)
    assert torch.allclose(rule.w1, before)
    assert torch.allclose(rule.with_settings().w1, before)
    fresh = Rule(RuleSettings(), generator=generator())
    scale_filters(fresh, (1.0, 0.25, 0.25, 0.1), fresh=True)
    columns = torch.tensor([1.0, 0.25, 0.25, 0.1]).repeat(8)
    assert torch.allclose(fresh.w1, before * columns)
    assert {name for name, _ in fresh.with_settings().named_parameters()} == {"w1", "b1", "w2"}


def test_a_training_leaves_what_it_promises(settings: TrainSettings) -> None:
    trained = train(settings)
    for name in FILES:
        assert (settings.out / name).stat().st_size > 0, name
    loaded = load_rule(settings.out / "rule.safetensors")
    assert loaded.rule.weight_count() == 168
    report = loaded.info["training"]
    assert report["iterations"] == trained.iterations == 12
    assert report["settings"]["grid"] == 16
    assert len(report["target_sha256"]) == 64
    with Image.open(settings.out / "growth.webp") as growth:
        assert growth.size == (64, 64)
        assert len(ImageSequence.all_frames(growth)) > 20
    rows = [json.loads(x) for x in (settings.out / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["iteration"] == 12
    assert rows[-1]["loss"] == pytest.approx(
        sum(v for k, v in rows[-1].items() if k.startswith(("texture/", "curvature", "overflow"))),
        rel=1e-4,
    )


def test_the_rule_file_is_there_while_the_training_goes_on(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, seen = [], []
    monkeypatch.setattr(newest, "INTERVAL", 0.0)
    write = save_rule

    def watch(path: Path, rule: Rule, info: dict[str, Any]) -> None:
        write(path, rule, info)
        file = load_rule(path)
        seen.append((file.info["training"]["iterations"], file.rule.w1))

    monkeypatch.setattr(newest, "save_rule", watch)
    train(settings, show=shown.append)
    assert shown == [settings.out / "rule.safetensors"]
    assert [iteration for iteration, _ in seen] == list(range(1, 13))
    assert not torch.equal(seen[0][1], seen[-1][1])


def test_weights_that_are_not_finite_are_not_shown(tmp_path: Path) -> None:
    rule = Rule(RuleSettings(4, 8))
    learner = SimpleNamespace(model=rule, iteration=1, write_failures=WriteFailures())
    with torch.no_grad():
        rule.w1[0, 0] = math.nan
    newest.WriteNewest(tmp_path / "a.safetensors", None).after_batch(learner)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_rule_that_cannot_be_written_on_the_way_is_a_warning(tmp_path: Path) -> None:
    learner = SimpleNamespace(
        model=Rule(RuleSettings(4, 8)), iteration=1, write_failures=WriteFailures()
    )
    path = tmp_path / "none" / "a.safetensors"
    newest.WriteNewest(path, None).after_batch(learner)  # type: ignore[arg-type]
    assert list(learner.write_failures.reasons) == [path]


def test_a_picture_that_is_gone_by_the_end_does_not_matter(settings: TrainSettings) -> None:
    expected = hashlib.sha256(settings.picture.read_bytes()).hexdigest()
    trained = train(settings, show=lambda _: settings.picture.unlink())
    rule = load_rule(trained.folder / "rule.safetensors")
    assert rule.info["training"]["target_sha256"] == expected


def test_the_same_seed_gives_the_same_bits(settings: TrainSettings) -> None:
    first = train(settings).kept.rule
    second = train(settings.override(overwrite=True)).kept.rule
    other = train(settings.override(overwrite=True, seed=1)).kept.rule
    assert torch.equal(first.w1, second.w1)
    assert not torch.equal(first.w1, other.w1)


def test_training_lowers_the_loss(settings: TrainSettings) -> None:
    training = TextureTraining(
        settings.override(iterations=150, late_from=1.0), read_square(settings.picture, 32)
    )
    settings.out.mkdir()
    training.fit()
    rows = training.metrics.rows
    assert rows[-1]["loss"] < 0.85 * rows[0]["loss"]


def test_a_stop_and_a_resume_give_the_same_bits(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(settings)
    write = newest.WriteNewest.after_batch

    def stop_at_five(callback: newest.WriteNewest, learner: Learner) -> None:
        write(callback, learner)
        if learner.iteration == 5:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(newest.WriteNewest, "after_batch", stop_at_five)
        with pytest.raises(KeyboardInterrupt):
            train(settings.override(overwrite=True))
    resumed = train(settings.override(resume=True))
    assert resumed.iterations == whole.iterations == 12
    assert resumed.kept.score == whole.kept.score
    for ours, theirs in zip(resumed.kept.rule.parameters(), whole.kept.rule.parameters(),
                            strict=True):  # fmt: skip
        assert torch.equal(ours, theirs)


def test_a_resume_goes_on_with_the_same_picture(settings: TrainSettings, tmp_path: Path) -> None:
    train(settings)
    moved = tmp_path / "moved.png"
    moved.write_bytes(settings.picture.read_bytes())
    assert train(settings.override(picture=moved, resume=True)).iterations == 12
    Image.effect_noise((64, 64), 60).save(moved)
    with pytest.raises(InputError, match=r"moved\.png is not the same image as before"):
        train(settings.override(picture=moved, resume=True))


def test_a_resume_for_longer_chooses_among_as_many(settings: TrainSettings) -> None:
    def looks(training: TextureTraining) -> list[int]:
        seen: list[int] = []
        training.best.score = lambda *_: seen.append(training.learner.iteration) or Score((1,), 1)
        training.fit()
        return seen

    settings.out.mkdir()
    target = read_square(settings.picture, 32)
    first = TextureTraining(settings.override(iterations=16), target)
    assert looks(first) == [9, 10, 11, 12, 13, 14, 15, 16]
    longer = TextureTraining(settings.override(iterations=32), target)
    longer.learner.load_state_dict(first.learner.state_dict())
    assert looks(longer) == [18, 20, 22, 24, 26, 28, 30, 32]


def test_no_result_names_a_folder(settings: TrainSettings) -> None:
    train(settings)
    for path in settings.out.iterdir():
        assert bytes(settings.out.parent) not in path.read_bytes(), path
    output = load_rule(settings.out / "rule.safetensors").training["settings"]
    assert output["picture"] == settings.picture.name
    assert json.loads((settings.out / "settings.json").read_text()) == output


def test_a_loss_that_is_no_number_does_not_take_the_rule_along(settings: TrainSettings) -> None:
    training = TextureTraining(settings, read_square(settings.picture, 32))
    settings.out.mkdir()
    training.fit()
    training.metrics.rows[-1]["loss"] = math.nan
    training.finish()
    output = load_rule(settings.out / "rule.safetensors").info["training"]
    assert output["losses"]["loss"] is None
    assert output["losses"]["iteration"] == 12
    assert output["precision"] in ("float32", "bfloat16")


@pytest.mark.parametrize("change", [{"features": "vgg18"}, {"layer_weights": {"none": 1.0}}])
def test_settings_of_no_use_clear_nothing(settings: TrainSettings, change: dict[str, Any]) -> None:
    train(settings)
    before = (settings.out / "rule.safetensors").read_bytes()
    with pytest.raises(InputError):
        train(settings.override(overwrite=True, **change))
    assert (settings.out / "rule.safetensors").read_bytes() == before
    assert (settings.out / "checkpoint.pt").exists()


def test_a_rule_may_be_trained_on_in_its_own_folder(settings: TrainSettings) -> None:
    train(settings)
    own = settings.out / "rule.safetensors"
    assert train(settings.override(from_rule=own, overwrite=True)).iterations == 12


def test_a_picture_of_one_color_is_refused(settings: TrainSettings, tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "teal").save(tmp_path / "teal.png")
    with pytest.raises(InputError, match=r"teal\.png: its central square has only one color"):
        train(settings.override(picture=tmp_path / "teal.png"))


def test_states_too_small_for_the_features_are_refused(settings: TrainSettings) -> None:
    with pytest.raises(InputError, match="`grid` 16: too small for `features` builtin"):
        train(settings.override(padding="zeros", size=128))


def test_the_last_grid_is_the_late_one_if_there_is_a_late() -> None:
    full, lesson = (train_settings("a.png", "out", name) for name in ("full", "lesson20"))
    assert full.pool.unroll.last_grid == 96
    assert lesson.pool.unroll.last_grid == 256


def test_blown_up_training_goes_back(settings: TrainSettings, capsys) -> None:
    reckless = settings.override(
        iterations=120, learning_rate=1.0, overflow_weight=0.0, final_rate=1.0
    )
    trained = train(reckless)
    assert trained.restores > 0
    assert "the states blew up; restoring earlier weights" in capsys.readouterr().err
    assert all(torch.isfinite(p).all() for p in trained.kept.rule.parameters())


def test_growth_is_slow_at_first() -> None:
    stops = growth_stops()
    assert stops[:4] == [0, 1, 2, 3]
    assert stops[-1] == 600
    assert np.all(np.diff(stops) > 0)
