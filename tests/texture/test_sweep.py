import csv
import multiprocessing as mp
import os
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from nca.errors import InputError
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import load_rule, save_rule
from nca.system.signals import Terminated, raise_on_termination
from nca.texture.callbacks.write_newest import WriteNewest
from nca.texture.settings import TrainSettings, train_settings
from nca.texture.sweep import plan, sweep, write_table
from nca.training.folder import recorded
from nca.training.write_failures import WriteFailures


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    (tmp_path / "pictures").mkdir()
    for name in ("a.png", "b.jpg"):
        Image.new("RGB", (40, 40), "teal").save(tmp_path / "pictures" / name)
    (tmp_path / "pictures" / "notes.txt").touch()
    return train_settings(tmp_path / "pictures", tmp_path / "out", iterations=3, hidden=5)


def both(settings: TrainSettings) -> list[TrainSettings]:
    """The settings for two presets; values set by hand apply to both."""
    return [settings.override(preset="tiny", channels=4), settings]


def pretend(settings: TrainSettings) -> None:
    """Replaces a training: prints its threads, and fails for one of the images."""
    print(f"threads {torch.get_num_threads()}")
    if settings.picture.stem == "b" and settings.rule.channels == 4:
        raise InputError("no good")
    training = {
        "long_run_loss": 0.5, "loss_at_10000_steps": None, "iterations": settings.limits.iterations,
        "seconds": 1.0, "kept_from_iteration": 2,
    }  # fmt: skip
    training["settings"] = recorded(settings)
    rule = Rule(RuleSettings(settings.rule.channels, settings.rule.hidden))
    save_rule(settings.out / "rule.safetensors", rule, {"training": training})


def table(settings: TrainSettings) -> list[dict[str, str]]:
    return list(csv.DictReader((settings.out / "table.csv").read_text().splitlines()))


def test_the_plan_has_every_picture_and_preset(settings: TrainSettings) -> None:
    runs = {run.name: run.settings for run in plan(both(settings))}
    assert list(runs) == ["a-tiny", "a-small", "b-tiny", "b-small"]
    sizes = [(s.rule.channels, s.rule.hidden, s.limits.iterations) for s in runs.values()]
    assert sizes == [(4, 5, 3), (8, 5, 3)] * 2  # what was set by hand holds for both
    assert runs["b-tiny"].picture == settings.picture / "b.jpg"
    (settings.out / "a-tiny").mkdir(parents=True)
    (settings.out / "a-tiny" / "checkpoint.pt").touch()
    assert [run.settings.run.resume for run in plan(both(settings))] == [True, False, False, False]
    assert [run.name for run in plan([settings])] == ["a", "b"]


def test_a_sweep_goes_on_where_it_was(settings: TrainSettings) -> None:
    with pytest.raises(InputError, match=r"1 of 4 rules failed, such as b-tiny; see .*log\.txt"):
        sweep(both(settings), pretend)
    assert "no good" in (settings.out / "b-tiny" / "log.txt").read_text()
    rows = table(settings)
    assert [row["state"] for row in rows] == ["done", "done", "failed", "done"]
    assert rows[0]["weights"] == "105"
    first = (settings.out / "a-tiny" / "rule.safetensors").stat().st_mtime_ns
    (settings.picture / "b.jpg").rename(settings.picture / "c.jpg")
    sweep(both(settings), pretend)
    assert (settings.out / "a-tiny" / "rule.safetensors").stat().st_mtime_ns == first
    assert [(row["picture"], row["state"]) for row in table(settings)] == [
        ("a.png", "done"), ("a.png", "done"), ("c.jpg", "done"), ("c.jpg", "done"),
    ]  # fmt: skip


def test_rules_with_other_settings_are_not_taken_for_finished(settings: TrainSettings) -> None:
    sweep([settings.override(hidden=6)], pretend)
    with pytest.raises(InputError, match=r"`hidden` 6, not 5; choose another `out`, or `over"):
        sweep([settings], pretend)
    sweep([settings.override(overwrite=True)], pretend)
    assert load_rule(settings.out / "a" / "rule.safetensors").rule.settings.hidden == 5


def test_a_rule_whose_training_has_not_ended_is_not_done(settings: TrainSettings) -> None:
    settings.out.joinpath("a").mkdir(parents=True)
    unfinished = settings.out / "a" / "rule.safetensors"
    learner = SimpleNamespace(
        model=Rule(RuleSettings(4, 8)), iteration=1, write_failures=WriteFailures()
    )
    WriteNewest(unfinished, None).after_batch(learner)  # type: ignore[arg-type]
    write_table(settings.out / "table.csv", plan([settings]), set())
    assert [row["state"] for row in table(settings)] == ["waiting", "waiting"]
    sweep([settings], pretend)
    assert [row["state"] for row in table(settings)] == ["done", "done"]
    assert "kept_from_iteration" in load_rule(unfinished).info["training"]


@pytest.mark.parametrize("training", [None, 7, "kept_from_iteration", ["kept_from_iteration"]])
def test_a_rule_without_data_of_its_training_is_not_done(
    settings: TrainSettings, training: object
) -> None:
    (settings.out / "a").mkdir(parents=True)
    save_rule(settings.out / "a" / "rule.safetensors", Rule(RuleSettings(4, 8)),
              {"training": training})  # fmt: skip
    sweep([settings], pretend)
    assert [row["state"] for row in table(settings)] == ["done", "done"]


def test_the_table_takes_only_numbers_from_rules(settings: TrainSettings) -> None:
    (settings.out / "a").mkdir(parents=True)
    training = {"kept_from_iteration": "=1", "iterations": "=1", "seconds": [],
                "long_run_loss": True, "loss_at_10000_steps": 0.123456}  # fmt: skip
    save_rule(settings.out / "a" / "rule.safetensors", Rule(RuleSettings(4, 8)),
              {"training": training})  # fmt: skip
    write_table(settings.out / "table.csv", plan([settings]), set())
    row = table(settings)[0]
    assert (row["state"], row["iterations"], row["seconds"]) == ("done", "", "")
    assert (row["long_run_loss"], row["loss_at_10000_steps"]) == ("inf", "0.1235")


def test_a_sweep_trains_rules(settings: TrainSettings) -> None:
    Image.effect_noise((40, 40), 60).save(settings.picture / "a.png")
    (settings.picture / "b.jpg").unlink()
    short = settings.override(
        size=32, grid=16, late_grid=16, steps=(3, 4), late_steps=(3, 4), pool_size=4
    )
    sweep(both(short))
    assert [row["state"] for row in table(settings)] == ["done", "done"]
    assert float(table(settings)[0]["long_run_loss"]) > 0


def test_a_killed_run_does_not_take_the_others(settings: TrainSettings) -> None:
    (settings.picture / "b.jpg").unlink()
    with pytest.raises(InputError, match="1 of 2 rules failed, such as a-small"):
        sweep(both(settings), die_on_small)
    assert [row["state"] for row in table(settings)] == ["done", "failed"]


def die_on_small(settings: TrainSettings) -> None:
    if settings.rule.channels == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    pretend(settings.override(picture=Path("a.png")))


def endless(settings: TrainSettings) -> None:
    (settings.out / "begun").touch()
    try:
        while True:
            time.sleep(0.05)
    except KeyboardInterrupt as stop:
        (settings.out / "ended").write_text(type(stop).__name__)
        raise


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_a_sweep_alone_reaches_its_runs(
    settings: TrainSettings, number: signal.Signals
) -> None:
    (settings.picture / "b.jpg").unlink()
    process = mp.get_context("spawn").Process(target=sweep_with_signals, args=(settings,))
    process.start()
    begun = settings.out / "a-tiny" / "begun"
    while not begun.exists():
        assert process.is_alive()
        time.sleep(0.05)
    assert process.pid is not None
    os.kill(process.pid, number)
    process.join()
    assert process.exitcode == (15 if number == signal.SIGTERM else 130)
    assert (settings.out / "a-tiny" / "ended").read_text() == "Terminated"


def sweep_with_signals(settings: TrainSettings) -> None:
    raise_on_termination()
    try:
        sweep(both(settings), endless)
    except Terminated as stop:
        sys.exit(stop.signum)
    except KeyboardInterrupt:
        sys.exit(130)


@pytest.mark.parametrize("training", [None, 5, "text", {"kept_from_iteration": 1}])
def test_a_rule_file_with_odd_fields_does_not_stop_a_sweep(
    settings: TrainSettings, training: object
) -> None:
    settings.out.joinpath("a").mkdir(parents=True)
    save_rule(settings.out / "a" / "rule.safetensors", Rule(RuleSettings(4, 8)),
              {"training": training})  # fmt: skip
    write_table(settings.out / "table.csv", plan([settings]), set())
    assert table(settings)[0]["state"] == ("done" if isinstance(training, dict) else "waiting")


def test_no_more_runs_than_cores(settings: TrainSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nca.texture.sweep.usable_cpus", lambda: 1)
    sweep([settings], note_times)
    spans = sorted(
        tuple(map(float, path.read_text().split())) for path in settings.out.glob("*/times")
    )
    assert len(spans) == 2
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert not mp.active_children()


def note_times(settings: TrainSettings) -> None:
    start = time.time()
    pretend(settings.override(picture=Path("a.png")))
    (settings.out / "times").write_text(f"{start} {time.time()}")


def test_folders_that_make_no_sense_are_refused(settings: TrainSettings) -> None:
    Image.new("RGB", (40, 40)).save(settings.picture / "a.webp")
    with pytest.raises(InputError, match="two images have the name a; rename one"):
        plan([settings])
    for path in settings.picture.glob("*.*g*"):
        path.unlink()
    (settings.picture / "a.webp").unlink()
    with pytest.raises(InputError, match="holds no images"):
        plan([settings])
