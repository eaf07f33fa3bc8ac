"""Saving and opening."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from nca.images import read_image
from nca.viewer.actions import Actions
from nca.viewer.files.state_file import load_state
from nca.viewer.files.watch import INTERVAL
from nca.viewer.simulation.look import Look
from tests.helpers.players import clock_of, make_player, rule_file

pytestmark = pytest.mark.gl


@pytest.fixture
def actions(gl, tmp_path):
    player = make_player(gl, tmp_path)
    player.run_steps(3)
    player.running = False
    yield Actions(player)
    player.release()


def test_pictures_of_the_grid_and_of_the_window(actions, tmp_path):
    player = actions.player
    actions.save_picture()
    actions.save_picture_twice()
    actions.save_picture_four_times()
    actions.save_window()
    names = ["a-3.png", "a-3-2.png", "a-3-3.png", "a-3-4.png"]
    pictures = [read_image(tmp_path / name) for name in names]
    assert [picture.size for picture in pictures] == [(32, 24), (64, 48), (128, 96), (320, 240)]
    assert player.message == "Saved a-3-4.png, 320 x 240 pixels"
    exact = player.display.whole(player.simulation, Look())
    assert np.array_equal(np.asarray(pictures[0]), np.asarray(exact))


def test_a_picture_that_cannot_be_written_is_reported(actions, tmp_path, monkeypatch):
    monkeypatch.setattr(actions, "_free_path", lambda suffix: tmp_path / "none" / f"a{suffix}")
    for action in (actions.save_picture, actions.save_window, actions.save_state, actions.record):
        action()
        assert "none" in actions.player.message


def test_states_are_saved_and_opened(actions, tmp_path):
    state = actions.player.simulation.read()
    actions.open_state()
    assert "no saved state here" in actions.player.message
    actions.save_state()
    assert torch.equal(load_state(tmp_path / "a-3.npz").state, state)
    actions.player.run_steps(5)
    actions.open_state()
    assert torch.equal(actions.player.simulation.read(), state)
    assert actions.player.simulation.step_number == 3
    actions.undo()
    assert actions.player.simulation.step_number == 8


@pytest.mark.parametrize(
    ("wanted", "name"), [("auto", "a-0.webp"), ("webp", "a-0.webp"), ("png", "a-0")]
)
def test_recordings_are_what_was_asked_for(gl, monkeypatch, tmp_path, wanted, name):
    monkeypatch.setattr("nca.viewer.file_actions.find_spec", lambda _: None)  # no ffmpeg
    actions = Actions(make_player(gl, tmp_path, recording=wanted))
    actions.record()
    assert actions.player.message == f"Recording {name}"
    actions.player.draw(gl.simple_framebuffer((320, 240), 3))
    actions.record()
    actions.player.release()
    result = tmp_path / name
    picture = read_image(result / "000000.png" if wanted == "png" else result)
    assert picture.size == (320, 240)


def test_with_ffmpeg_a_recording_is_a_video(actions):
    pytest.importorskip("imageio_ffmpeg")
    actions.record()
    assert actions.player.message == "Recording a-3.mp4"
    actions.record()


def test_recordings_of_the_same_step_have_different_files(gl, tmp_path):
    actions = Actions(make_player(gl, tmp_path, recording="webp"))
    for name in ("a-0.webp", "a-0-2.webp"):
        actions.record()
        assert actions.player.message == f"Recording {name}"
        actions.player.draw(gl.simple_framebuffer((320, 240), 3))
        actions.record()
    actions.player.release()
    assert sorted(path.name for path in tmp_path.glob("*.webp")) == ["a-0-2.webp", "a-0.webp"]


def test_a_recording_shows_all_of_a_window_that_is_enlarged_meanwhile(gl, tmp_path):
    actions = Actions(make_player(gl, tmp_path, recording="png"))
    player = actions.player
    player.running = False
    actions.record()
    for width, height in ((320, 240), (960, 720)):
        player.resize(width, height)
        player.draw(gl.simple_framebuffer((width, height), 3))
        clock_of(player).now += 1 / 30
    actions.record()
    player.release()
    before, after = (read_image(tmp_path / "a-0" / f"00000{i}.png") for i in range(2))
    assert before.size == after.size == (320, 240)
    assert np.array_equal(np.asarray(before), np.asarray(after))


def test_a_dropped_rule_becomes_the_brush(actions, tmp_path):
    actions.open_files([rule_file(tmp_path, "b", seed=1)])
    assert actions.brush.tool == "rule"
    assert actions.brush.rule == 1
    assert actions.player.names == ["a", "b"]


def test_a_dropped_picture_fills_the_colors_and_becomes_the_stamp(actions, tmp_path):
    picture = Image.new("RGB", (60, 30), (0, 0, 255))
    picture.save(tmp_path / "sky.png")
    actions.open_files([tmp_path / "sky.png"])
    colors = actions.player.simulation.rules[0].to_rgb(actions.player.simulation.read()[None])[0]
    assert colors.mean((1, 2)).tolist() == pytest.approx([0, 0, 1], abs=1e-6)
    assert actions.brush.picture.size == (60, 30)
    actions.undo()
    assert actions.player.simulation.read()[2].std() > 0.01


def test_a_dropped_folder_plays_as_input(actions, tmp_path):
    (tmp_path / "film").mkdir()
    Image.new("RGB", (32, 24)).save(tmp_path / "film" / "1.png")
    actions.open_files([tmp_path / "film"])
    assert actions.player.input is not None
    assert actions.player.message == "Playing over film"


NAMES = ("bad.safetensors", "bad.npz", "bad.png", "bad.mp4", "none.mp4")


@pytest.mark.parametrize("name", [*NAMES, "pipe.npz", "pipe.png", "pipe.mp4"])
def test_what_cannot_be_opened_is_reported_and_nothing_changes(actions, tmp_path, name):
    if name.startswith("bad"):
        (tmp_path / name).write_bytes(b"not what it says")
    if name.startswith("pipe"):
        os.mkfifo(tmp_path / name)
    state = actions.player.simulation.read()
    actions.open_files([tmp_path / name])
    assert name in actions.player.message
    assert "\n" not in actions.player.message
    assert torch.equal(actions.player.simulation.read(), state)
    assert actions.player.names == ["a"]


@pytest.mark.parametrize(
    "error", [KeyError("a\nb"), MemoryError(), OSError("gone"), TypeError("?")]
)
@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("a.safetensors", "files.rule_files.load_rule"),
        ("a.npz", "file_actions.load_state"),
        ("a.png", "file_actions.read_image"),
        ("a.mp4", "player.open_source"),
    ],
)
def test_whatever_a_reader_raises_is_reported_in_a_line(
    actions, tmp_path, monkeypatch, name, reader, error
):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(f"nca.viewer.{reader}", fail)
    (tmp_path / name).write_bytes(b"")
    actions.open_files([tmp_path / name])
    assert actions.player.message.startswith(f"{name}: ")
    assert "\n" not in actions.player.message
    assert actions.player.names == ["a"]


def test_a_driver_that_fails_on_a_watched_rule_is_reported_and_the_rule_before_goes_on(
    actions, tmp_path, monkeypatch
):
    player = actions.player
    rule = player.simulation.rules[0]
    monkeypatch.setattr(player.simulation, "set_rule", lambda *_: 1 / 0)
    rule_file(tmp_path, "new", seed=1).replace(tmp_path / "a.safetensors")
    player.clock.now += INTERVAL
    player.advance()
    assert player.message == "a: ZeroDivisionError: division by zero"
    assert player.simulation.rules[0] is rule


def test_average_and_calm_go_on_and_off(actions):
    look, simulation = actions.player.look, actions.player.simulation
    for steps, calm in ((8, 1), (1, 0), (8, 1)):
        actions.toggle_average()
        actions.toggle_calm()
        assert (look.average_steps, simulation.steering.calm) == (steps, calm)
