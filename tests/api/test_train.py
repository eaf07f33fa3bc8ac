"""Training from whatever a picture is, with and without a folder."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import nca
from nca.errors import InputError
from nca.texture.train import FILES
from nca.training.folder import CHECKPOINT, SETTINGS

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
QUICK: dict[str, Any] = {
    "preset": "tiny", "iterations": 3, "size": 32, "grid": 16, "late_grid": 16, "steps": (2, 3),
    "late_steps": (2, 3), "pool_size": 6, "quiet": True, "precision": "float32",
}  # fmt: skip


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge rules by a few steps."""
    monkeypatch.setattr("nca.texture.callbacks.keep_best.STOPS", (2, 4))
    monkeypatch.setattr("nca.texture.callbacks.keep_best.LONG", 6)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders where something might be left: the current one and that of temporary files."""
    found = [tmp_path / "here", tmp_path / "temporary"]
    for folder in found:
        folder.mkdir()
    monkeypatch.chdir(found[0])
    monkeypatch.setattr(tempfile, "tempdir", str(found[1]))
    return found


def same(one: nca.Rule, other: nca.Rule) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_training_without_a_folder_leaves_nothing_behind(places: list[Path]) -> None:
    trained = nca.train(PIXELS, **QUICK)
    assert [list(folder.iterdir()) for folder in places] == [[], []]
    assert trained.folder is None
    assert trained.iterations == 3
    assert trained.seconds > 0
    assert next(iter(trained.losses)) == "loss"
    assert "overflow" in trained.losses
    assert len(trained.losses["loss"]) == 1  # a mean for every 20 iterations
    total = sum(values[0] for name, values in trained.losses.items() if name != "loss")
    assert trained.losses["loss"][0] == pytest.approx(total, rel=1e-4)
    assert nca.grow(trained.rule, 16, 2).size == (16, 16)
    assert "3 iterations" in repr(trained)


def test_the_same_weights_come_from_every_form_of_the_picture(places: list[Path]) -> None:
    file = places[0].parent / "picture.png"
    Image.fromarray(PIXELS).save(file)
    from_file = nca.train(str(file), out="run", **QUICK)
    assert from_file.folder == Path("run")
    for picture in (Image.open(file), torch.from_numpy(PIXELS / 255).permute(2, 0, 1)):
        assert same(nca.train(picture, **QUICK).rule, from_file.rule)
    assert same(nca.load("run/rule.safetensors"), from_file.rule)
    assert {path.name for path in Path("run").iterdir()} == {*FILES, CHECKPOINT, SETTINGS}


def test_a_picture_in_memory_is_recorded_and_resumed(places: list[Path]) -> None:
    del places
    nca.train(PIXELS, out="run", **QUICK)
    assert json.loads(Path("run/settings.json").read_text())["picture"] == "picture"
    longer = nca.train(PIXELS, out="run", resume=True, **QUICK | {"iterations": 5})
    assert longer.iterations == 5
    with pytest.raises(InputError, match="picture is not the same image as before"):
        nca.train(PIXELS[::-1], out="run", resume=True, **QUICK | {"iterations": 7})


def test_tasks_take_pictures_in_memory_too(places: list[Path]) -> None:
    del places
    figure = Image.fromarray(PIXELS).convert("RGBA")
    figure.putalpha(Image.new("L", (40, 40), 255).crop((-8, -8, 32, 32)))
    grown = nca.train(figure, grow=True, **QUICK | {"grid": 36, "late_grid": 36, "pool_size": 8})
    assert grown.rule.settings.start == "center"
    both = nca.train(PIXELS, also=[PIXELS[::-1]], **QUICK)
    assert both.rule.settings.start == "noise"
    assert nca.train(PIXELS, restore=True, **QUICK).rule.settings.padding == "replicate"


def test_a_rule_is_a_start_in_memory_or_by_its_name_or_path(places: list[Path]) -> None:
    parent = nca.Rule(nca.RuleSettings(channels=5, hidden=6))
    nca.save(parent, "mine.safetensors")
    trained = nca.train(PIXELS, from_rule="mine.safetensors", **QUICK)
    assert (trained.rule.settings.channels, trained.rule.settings.hidden) == (5, 6)
    assert same(nca.train(PIXELS, from_rule=parent, out="run", **QUICK).rule, trained.rule)
    again = QUICK | {"iterations": 4, "resume": True}
    assert nca.train(PIXELS, from_rule=parent, out="run", **again).iterations == 4
    assert not list(places[1].iterdir())
    with pytest.raises(InputError, match="`rule` of type int: must be a Rule, a path, or"):
        nca.train(PIXELS, from_rule=3, **QUICK)
    with pytest.raises(InputError, match="`path` yours: neither a file nor a bundled rule"):
        nca.train(PIXELS, from_rule="yours", **QUICK)


def test_callbacks_watch(places: list[Path]) -> None:
    class Count(nca.Callback):
        steps = 0

        def after_step(self, learner: nca.Learner) -> None:
            self.steps += 1

    del places
    count = Count()
    nca.train(PIXELS, callbacks=[count], **QUICK)
    assert count.steps == 3


def test_minutes_limit_the_time(places: list[Path]) -> None:
    del places
    trained = nca.train(PIXELS, minutes=0.01, **QUICK | {"iterations": None})
    assert trained.seconds >= 0.6


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"chanels": 8}, "`chanels`: TrainSettings has no such setting; did you mean `channels`"),
        ({"preset": "huge"}, "`preset` huge: must be one of tiny, small"),
        ({"channels": 3}, "`channels` 3: must be 4 to 64"),
        ({"channels": "8"}, "`channels` '8': must be a number"),
        ({"padding": "wrap"}, "`padding` wrap: must be one of circular"),
        ({"statistic": "mean"}, "mean"),
        ({"resume": True}, "`resume`: needs `out`"),
        ({"log": ("tensorboard",)}, "`log`: needs `out`"),
        ({"view": True}, "`view`: needs `out`"),
        ({"picture": PIXELS[..., 0]}, r"`picture` of shape \(40, 40\)"),
        ({"picture": np.ones((40, 40, 3))}, "picture: its central square has only one color"),
        ({"picture": "."}, "is a folder; give the name of an image"),
        ({"picture": "none.png"}, "none.png: No such file"),
        ({"also": [3]}, "`also` of type int"),
    ],
)
def test_wrong_values_are_named(values: dict[str, Any], said: str, places: list[Path]) -> None:
    with pytest.raises(InputError, match=said) as raised:
        nca.train(**{"picture": PIXELS, **QUICK, **values})
    assert "\n" not in str(raised.value)
    assert [list(folder.iterdir()) for folder in places] == [[], []]
