"""The player: files that change, states that break, recordings, input."""

import math

import pytest
import torch
from PIL import Image, ImageSequence

from nca.commands.render import averages
from nca.errors import InputError
from nca.images import to_tensor
from nca.rulefile import load_rule, rule_name
from nca.viewer import player as player_module
from nca.viewer.files.screen_recording import FPS
from nca.viewer.files.state_file import SavedState, load_state, save_state
from nca.viewer.files.watch import INTERVAL
from nca.viewer.player import MESSAGE_SECONDS, QUIET_SECONDS
from nca.viewer.simulation.look import Look
from nca.viewer.simulation.stroke import Stroke
from tests.helpers.players import clock_of, make_player, rule_file
from tests.helpers.waiting import wait_for

pytestmark = pytest.mark.gl


def look(player):
    """Advance by a frame in which the rule files are checked."""
    clock_of(player).now += INTERVAL
    player.advance()


def test_a_frame_takes_the_steps_that_the_speed_says(gl, tmp_path):
    player = make_player(gl, tmp_path)
    player.speed.set(0.5)
    for _ in range(6):
        player.advance()
    assert player.simulation.step_number == 3
    player.running = False
    player.advance()
    assert player.simulation.step_number == 3
    player.release()


def test_a_newer_rule_is_shown_and_the_state_kept(gl, tmp_path):
    path = rule_file(tmp_path)
    player = make_player(gl, tmp_path, path)
    player.run_steps(5)
    player.running = False
    state = player.simulation.read()
    rule_file(tmp_path, "new", seed=1).replace(path)
    look(player)
    assert torch.equal(player.simulation.read(), state)
    assert player.message == "New rule: a"
    expected = load_rule(path).rule(state[None], 1, seed=0, first_step=5)[0]
    player.run_steps(1)
    assert (player.simulation.read() - expected).abs().max() < 1e-5
    player.release()


def test_a_rule_that_goes_on_learning_is_reported_once(gl, tmp_path):
    path = rule_file(tmp_path)
    player = make_player(gl, tmp_path, path)
    for seed in (1, 2, 3):
        rule_file(tmp_path, "new", seed=seed).replace(path)
        look(player)
        assert (player.message == "New rule: a") == (seed == 1)
        clock_of(player).now += MESSAGE_SECONDS
    clock_of(player).now += QUIET_SECONDS
    rule_file(tmp_path, "new", seed=4).replace(path)
    look(player)
    assert player.message == "New rule: a"
    expected = load_rule(path).rule
    assert torch.equal(player.simulation.rules[0].w1, expected.w1)
    player.release()


def test_an_unreadable_rule_keeps_the_last_good_one_and_is_reported_until_it_is_repaired(
    gl, tmp_path
):
    path = rule_file(tmp_path)
    good = path.read_bytes()
    player = make_player(gl, tmp_path, path)
    rule = player.simulation.rules[0]
    path.write_bytes(good[:-7])
    look(player)
    assert player.simulation.rules[0] is rule
    assert "kept the last good rule" in player.message
    assert "not a usable rule file" in player.message
    for _ in range(3):
        look(player)
    assert player.simulation.step_number == 4, "it goes on"
    player.say("other news")
    assert player.message == "other news"
    clock_of(player).now += MESSAGE_SECONDS
    assert "kept the last good rule" in player.message
    path.write_bytes(good)
    look(player)
    assert player.message == "New rule: a"
    clock_of(player).now += MESSAGE_SECONDS
    assert player.message == ""
    player.release()


def test_a_rule_of_other_channels_starts_from_its_seed(gl, tmp_path):
    path = rule_file(tmp_path)
    player = make_player(gl, tmp_path, path, view="channel 8")
    player.run_steps(5)
    player.running = False
    rule_file(tmp_path, "new", channels=6, seed=1).replace(path)
    look(player)
    assert player.simulation.channels == 6
    assert player.simulation.step_number == 0
    assert player.view == "colors"
    assert "restarted" in player.message
    player.release()


def test_a_rule_that_is_not_there_yet_is_waited_for(gl, tmp_path):
    path = tmp_path / "later.safetensors"
    player = make_player(gl, tmp_path, path, wait=True)
    look(player)
    assert player.trouble == f"Waiting for {path}"
    rule_file(tmp_path, "later")
    look(player)
    assert player.trouble == ""
    assert player.simulation.channels == 8
    assert player.simulation.read().std() > 0.1, "it grows from its seed, noise"
    player.release()


def test_a_state_that_breaks_stops_and_goes_on_after_a_reset_or_undo(gl, tmp_path, monkeypatch):
    monkeypatch.setattr(player_module, "MEASURE_EVERY", 1)
    player = make_player(gl, tmp_path)
    broken = torch.zeros(8, 24, 32)
    broken[2, 3, 4] = math.nan
    for mend in (player.reset, player.undo):
        player.reset("erase")
        player.simulation.write(broken)
        for _ in range(3):
            player.advance()
        assert not player.running
        assert "values are infinite" in player.trouble
        assert mend() in (None, True)
        for _ in range(4):
            player.advance()
        assert player.running
        assert player.trouble == ""
    player.release()


def test_a_person_who_paused_stays_paused_after_a_reset(gl, tmp_path):
    player = make_player(gl, tmp_path)
    player.running = False
    player.reset("noise")
    assert not player.running
    player.release()


def test_a_saved_state_goes_on_as_if_nothing_had_been(gl, tmp_path):
    path = rule_file(tmp_path)
    player = make_player(gl, tmp_path, path)
    player.reset(seed=7)
    player.run_steps(3)
    save_state(tmp_path / "a.npz", SavedState.of(player.simulation))
    player.run_steps(4)
    other = make_player(gl, tmp_path, path, grid="64x64", state=tmp_path / "a.npz")
    assert other.grid == (32, 24)
    other.run_steps(4)
    assert torch.equal(other.simulation.read(), player.simulation.read())
    for one in (player, other):
        one.release()


def test_a_state_of_other_rules_is_refused(gl, tmp_path):
    player = make_player(gl, tmp_path)
    save_state(tmp_path / "a.npz", SavedState.of(player.simulation))
    other = make_player(gl, tmp_path, rule_file(tmp_path, "b", channels=6))
    with pytest.raises(InputError, match="the state has 8 channels, but the rule has 6"):
        other.restore(load_state(tmp_path / "a.npz"))
    for one in (player, other):
        one.release()


def test_the_view_of_all_channels_is_seen_whole(gl, tmp_path):
    player = make_player(gl, tmp_path)
    assert player.camera.zoom == 10
    player.set_view("channels")  # 3 columns and 3 rows of 32 by 24 cells
    assert player.extent == (96, 72)
    assert player.camera.zoom == pytest.approx(10 / 3)
    player.resize(640, 240)
    assert player.camera.zoom == pytest.approx(10 / 3)
    player.set_view("channel 1")
    assert player.camera.zoom == 20
    player.release()


def test_no_picture_to_draw_into_is_survived(gl, tmp_path):
    player = make_player(gl, tmp_path)
    player.resize(0, 0)
    player.fit()
    player.advance()
    player.resize(640, 480)
    assert player.camera.zoom == 20
    player.release()


def test_a_recording_is_finished_beside_the_drawing(gl, tmp_path):
    player = make_player(gl, tmp_path)
    target = gl.simple_framebuffer((320, 240), 3)
    player.recordings.start(tmp_path / "a.webp", player.size)
    recorder = player.recordings.running._recorder
    for _ in range(5):
        player.draw(target)
        player.draw(target)  # not due yet
        clock_of(player).now += 1 / FPS
        player.run_steps(5)
    player.recordings.stop()
    wait_for(lambda: recorder.finished, "the file")
    player.advance()
    assert player.message == "Saved a.webp"
    with Image.open(tmp_path / "a.webp") as image:
        assert image.size == (320, 240)
        assert len(ImageSequence.all_frames(image)) == 5
    player.release()


def test_a_failing_recording_is_reported_and_the_drawing_goes_on(gl, tmp_path, monkeypatch):
    player = make_player(gl, tmp_path)
    target = gl.simple_framebuffer((320, 240), 3)
    monkeypatch.setattr("nca.viewer.files.writers.write_image", lambda *_: 1 / 0)
    player.recordings.start(tmp_path / "frames", player.size)
    recorder = player.recordings.running._recorder

    def ended():
        clock_of(player).now += 1 / FPS
        player.draw(target)
        return player.recordings.running is None

    wait_for(ended, "the failure")
    wait_for(lambda: recorder.finished, "the end of its thread")
    player.advance()
    assert player.message == f"recording {tmp_path / 'frames'} has failed: division by zero"
    assert not (tmp_path / "frames").exists()
    player.release()


def test_a_recording_without_a_frame_leaves_nothing(gl, tmp_path):
    player = make_player(gl, tmp_path)
    player.recordings.start(tmp_path / "a.webp", player.size)
    recorder = player.recordings.running._recorder
    player.recordings.stop()
    wait_for(lambda: recorder.finished, "the end of its thread")
    player.advance()
    assert player.message == "No frame to save"
    player.release()


def test_moving_pictures_draw_the_colors_to_them(gl, tmp_path):
    folder = tmp_path / "input"
    folder.mkdir()
    Image.new("RGB", (32, 24), (255, 0, 0)).save(folder / "a.png")
    player = make_player(gl, tmp_path, input=str(folder), input_strength=1.0)
    player.simulation.steering.update_rate = 0.001
    wait_for(lambda: player.input.newest() is not None, "the first frame")
    player.advance()
    colors = player.simulation.rules[0].to_rgb(player.simulation.read()[None])[0]
    assert colors[0].mean() > 0.95
    assert colors[1:].mean() < 0.05
    player.close_input()
    player.release()


def test_another_rule_is_painted_where_the_brush_was(gl, tmp_path):
    player = make_player(gl, tmp_path)
    number = player.add_rule(rule_file(tmp_path, "b", seed=1))
    assert player.names == ["a", "b"]
    player.simulation.paint_rule(number, Stroke((16, 12), (16, 12), 5))
    assert player.title == "a, b"
    player.run_steps(2)
    rule_file(tmp_path, "b", seed=2)
    look(player)
    assert player.message == "New rule: b"
    player.release()


def test_names_of_rule_files(tmp_path):
    assert rule_name(tmp_path / "leaf" / "rule.safetensors") == "leaf"
    assert rule_name(tmp_path / "moss.safetensors") == "moss"


def test_pictures_show_no_brush(gl, tmp_path):
    player = make_player(gl, tmp_path)
    player.reset("erase")
    player.ring = (16.0, 12.0, 6.0, 1.0)
    target = gl.simple_framebuffer((320, 240), 3)
    player.draw(target, ring=False)
    plain = target.read()
    assert len(set(plain)) <= 3
    player.draw(target)
    assert target.read() != plain
    picture = player.display.picture(player.simulation, player.camera, Look(), (320, 240))
    assert len(picture.getcolors()) == 1
    player.release()


def test_steps_are_averaged_and_a_reset_is_not(gl, tmp_path):
    player = make_player(gl, tmp_path, average_steps=8, calm="on")
    assert player.simulation.steering.calm == 1
    colors = []
    for _ in range(6):
        player.run_steps(1)
        colors.append(shown_colors(player))
    *_, expected = averages(colors, 8)
    picture = to_tensor(player.display.whole(player.simulation, player.look))
    assert (picture - expected).abs().max() <= 1.01 / 255
    player.reset(seed=5)
    player.run_steps(1)
    picture = to_tensor(player.display.whole(player.simulation, player.look))
    assert (picture - shown_colors(player)).abs().max() <= 1.01 / 255
    player.release()


def shown_colors(player):
    simulation = player.simulation
    return simulation.rules[0].to_rgb(simulation.read()[None])[0].clamp(0, 1)
