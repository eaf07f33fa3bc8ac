"""A real window under a real X server, by mouse and keyboard."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from nca.images import to_tensor
from nca.rulefile import load_rule
from tests.conftest import absent
from tests.helpers.desktop import LEFT, MIDDLE, RIGHT, ROOT, WHEEL_UP, Screen, Viewer
from tests.helpers.players import rule_file
from tests.helpers.waiting import ENDING_SIGNALS, PATIENCE, wait_for

pytestmark = pytest.mark.gl

SIZE = (640, 480)  # of the window: 20 pixels a cell


@pytest.fixture(scope="module")
def screen():
    for name in ("Xvfb", "xdotool"):
        if shutil.which(name) is None:
            absent(name)
    screen = Screen()
    yield screen
    screen.close()


@pytest.fixture(scope="module")
def open_viewer(screen, tmp_path_factory):
    folder = tmp_path_factory.mktemp("viewer")
    words = (rule_file(folder), "--grid", "32x24", "--size", "640x480", "--no-vsync")
    viewer = Viewer(screen, folder, *words)
    viewer.keys("space", "u")  # still, and nothing over the picture
    yield viewer
    viewer.end()


@pytest.fixture
def viewer(open_viewer):
    """The initial window, full of noise."""
    assert open_viewer.process.poll() is None, "it has crashed"
    open_viewer.resize(*SIZE)
    open_viewer.screen.do("mousemove", 790, 590)
    open_viewer.keys("f", "x")
    return open_viewer


def erased(viewer):
    return viewer.state().state.eq(0).all(0)  # [H, W]


def test_keys_take_steps_and_start_again(viewer):
    viewer.keys("n", "shift+n")
    state = viewer.state()
    assert state.step_number == 11
    viewer.keys("r")
    rule = load_rule(viewer.folder / "a.safetensors").rule
    assert torch.equal(viewer.state().state, rule.initial_state(1, 24, 32, seed=0)[0])
    viewer.keys("ctrl+z", "period")
    state = rule(state.state[None], 1, seed=0, first_step=11)[0]
    assert (viewer.state().state - state).abs().max() < 1e-5


def test_a_drag_erases_where_the_pointer_was_and_ctrl_z_takes_it_back(viewer):
    before = viewer.state().state
    viewer.keys("2")
    for _ in range(4):
        viewer.keys("bracketleft")  # 12 cells become 4.9
    viewer.drag(LEFT, (200, 240), (400, 240))
    gone = erased(viewer)
    assert gone[12, 10:21].all()
    assert not gone[5].any()
    assert not gone[12, 28]
    viewer.keys("ctrl+z")
    assert torch.equal(viewer.state().state, before)
    viewer.keys("1")
    viewer.drag(RIGHT, (200, 240), (210, 240))
    assert erased(viewer)[12, 10]
    viewer.keys("ctrl+z", "2")


def test_the_wheel_zooms_at_the_pointer_and_with_shift_sizes_the_brush(viewer):
    viewer.point(400, 300)  # cell 20, 15
    viewer.screen.do("click", "--repeat", 4, "--delay", 60, WHEEL_UP)
    viewer.drag(LEFT, (400, 300), (401, 300))
    gone = erased(viewer)
    rows, columns = np.nonzero(gone.numpy())
    assert (rows.mean(), columns.mean()) == pytest.approx((14.5, 19.5), abs=0.5)
    viewer.keys("ctrl+z")
    viewer.screen.do("keydown", "shift", "click", "--repeat", 3, "--delay", 60, WHEEL_UP)
    viewer.screen.do("keyup", "shift")
    viewer.drag(LEFT, (400, 300), (401, 300))
    assert erased(viewer).sum() > 1.5 * gone.sum()
    viewer.keys("ctrl+z")
    for _ in range(2):
        viewer.keys("bracketleft")


def test_a_middle_drag_moves_the_picture(viewer):
    before = viewer.picture()
    viewer.drag(MIDDLE, (300, 200), (340, 220))
    after = viewer.picture()
    assert np.abs(after[20:, 40:].astype(int) - before[:-20, :-40]).max() <= 1
    assert not np.array_equal(after, before)


def test_the_screen_shows_what_is_saved_and_that_is_what_torch_says(viewer):
    viewer.keys("b", "b")  # squares
    saved = viewer.picture()
    state = viewer.state().state
    wait_for(lambda: np.array_equal(viewer.screen.picture()[:480, :640], saved), "the same picture")
    colors = load_rule(viewer.folder / "a.safetensors").rule.to_rgb(state[None])[0].clamp(0, 1)
    centers = to_tensor(Image.fromarray(saved))[:, 10::20, 10::20]
    assert (centers - colors).abs().max() <= 0.51 / 255
    viewer.keys("b")


def test_the_ring_is_where_the_pointer_is(viewer):
    plain = viewer.screen.picture()[:480, :640].astype(int)
    viewer.point(300, 200)

    def middle_of_change():
        rows, columns = np.nonzero(
            np.abs(viewer.screen.picture()[:480, :640].astype(int) - plain).max(2) > 40
        )
        return len(rows) and (rows.mean(), columns.mean()) == pytest.approx((200, 300), abs=6)

    wait_for(middle_of_change, "the ring")


def test_files_are_dropped(viewer):
    sky = Image.new("RGB", (64, 48), (0, 64, 255))
    sky.save(viewer.folder / "the sky.png")
    viewer.drop(viewer.folder / "the sky.png")
    rule = load_rule(viewer.folder / "a.safetensors").rule

    def blue():
        color = rule.to_rgb(viewer.state().state[None])[0].mean((1, 2)).tolist()
        return color == pytest.approx([0, 64 / 255, 1], abs=1e-5)

    wait_for(blue, "the picture in the colors")
    kept = viewer.saved("ctrl+s", ".npz")
    viewer.keys("x")
    viewer.drop(kept)
    wait_for(blue, "the state that was dropped")
    viewer.drop(rule_file(viewer.folder, "b", seed=1))
    viewer.drag(LEFT, (200, 240), (210, 240))
    wait_for(lambda: viewer.state().owner[12, 10] == 1, "cells of the rule that was dropped")
    viewer.keys("ctrl+z", "2")


def test_a_storm_of_sizes_and_a_hidden_window_are_survived(viewer):
    for width, height in ((300, 700), (1, 1), (790, 20), (64, 64), (500, 500), (700, 30)):
        viewer.screen.do("windowsize", viewer.number, width, height)
    viewer.resize(500, 400)
    wait_for(lambda: viewer.picture().shape == (400, 500, 3), "a picture of the new size")
    viewer.screen.do("windowunmap", "--sync", viewer.number)
    viewer.screen.do("windowmap", "--sync", viewer.number)
    viewer.screen.do("windowfocus", "--sync", viewer.number)
    assert viewer.picture().shape == (400, 500, 3)


def test_full_screen_and_back(viewer):
    viewer.keys("F11")
    wait_for(lambda: viewer.picture().shape == (600, 800, 3), "the full screen")
    viewer.keys("Escape")
    wait_for(lambda: viewer.picture().shape == (480, 640, 3), "the window")


def test_the_panel_keeps_what_happens_on_it(viewer):
    pytest.importorskip("imgui_bundle")
    viewer.keys("u")
    wait_for(lambda: viewer.screen.picture()[30:400, 340:346].mean() < 60, "the panel")
    viewer.point(348, 60)  # on the panel, between its controls
    for _ in range(2):
        viewer.state()  # a frame has gone by
    viewer.drag(LEFT, (348, 60), (348, 64))
    assert not erased(viewer).any()
    viewer.keys("u")


def test_a_slider_sets_the_cells_that_fire(screen, tmp_path):
    pytest.importorskip("imgui_bundle")
    words = (rule_file(tmp_path), "--grid", "32x24", "--size", "640x480", "--no-vsync")
    viewer = Viewer(screen, tmp_path, *words)
    try:
        viewer.keys("space")
        wait_for(lambda: viewer.screen.picture()[30:400, 340:346].mean() < 60, "the panel")
        viewer.drag(LEFT, (560, 444), (588, 444))
        knob_at_end = (444, 582, 0)  # row, column and red
        wait_for(lambda: viewer.screen.picture()[knob_at_end] > 200, "the knob at the end")
        viewer.keys("u")
        before = viewer.state().state
        viewer.keys("n")
        assert (viewer.state().state != before).any(0).float().mean() > 0.9
    finally:
        viewer.end()


def test_closing_the_window_ends_it_well(viewer):
    assert viewer.close() == 0


def test_a_fine_screen_has_a_larger_window(tmp_path):
    screen = Screen((1300, 1000), dots_per_inch=192)
    viewer = Viewer(screen, tmp_path, rule_file(tmp_path), "--grid", "32x24", "--size", "320x240")
    try:
        assert viewer.picture().shape == (480, 640, 3)
        viewer.keys("space", "u", "x", "2")
        viewer.drag(LEFT, (200, 240), (201, 240))  # 20 pixels a cell
        rows, columns = np.nonzero(erased(viewer).numpy())
        assert (rows.min() + rows.max()) / 2 == pytest.approx(11.5, abs=0.6)
        assert 10 in columns
        viewer.keys("Escape")
        assert viewer.process.wait(PATIENCE) == 0
    finally:
        viewer.end()
        screen.close()


def test_the_window_watches_a_rule_that_is_being_made(screen, tmp_path):
    path = tmp_path / "later.safetensors"
    viewer = Viewer(screen, tmp_path, path, "--wait", "--grid", "32x24", "--size", "320x240")
    try:
        assert viewer.state().state.eq(0).all()
        rule_file(tmp_path, "later")
        wait_for(lambda: viewer.state().state.ne(0).any(), "the rule")
    finally:
        viewer.end()


def record_two_views(viewer):
    """Start a recording whose frames differ, even if the state no longer changes."""
    viewer.keys("p")
    for key in ("v", "v"):
        steps = viewer.state().step_number
        wait_for(lambda before=steps: viewer.state().step_number > before + 60, "some frames")
        viewer.keys(key)


@pytest.mark.parametrize("signum", ENDING_SIGNALS)
def test_a_signal_ends_it_after_the_recording_is_finished(screen, tmp_path, signum):
    words = (rule_file(tmp_path), "--grid", "32x24", "--size", "320x240", "--recording", "webp")
    viewer = Viewer(screen, tmp_path, *words, stderr=subprocess.PIPE)
    try:
        record_two_views(viewer)
        viewer.process.send_signal(signum)
        assert viewer.process.wait(PATIENCE) == 128 + signum
        with viewer.process.stderr as output:
            assert output.read().count(b"\n") == 1
        (recording,) = tmp_path.glob("*.webp")
        with Image.open(recording) as picture:
            assert len(ImageSequence.all_frames(picture)) > 1
    finally:
        viewer.end()


SIGNAL_IN_A_FINALIZER = """
import signal, sys
from nca.cli import main
from nca.viewer.player import Player
class Finalized:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
advance = Player.advance
def advance_with_a_signal(player):
    Finalized()
    advance(player)
Player.advance = advance_with_a_signal
sys.exit(main())
"""


def test_a_signal_that_arrives_in_a_finalizer_ends_it(screen, tmp_path):
    """Python ignores exceptions there."""
    program = ("-c", SIGNAL_IN_A_FINALIZER)
    command = [sys.executable, *program, "view", rule_file(tmp_path), "--grid", "32x24"]
    environment = {**os.environ, "DISPLAY": screen.name, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        command, env=environment, timeout=PATIENCE, capture_output=True, check=False
    )
    assert ended.returncode == 130, ended.stderr


def test_a_display_that_goes_away_ends_it_in_one_line_and_keeps_the_recording(tmp_path):
    screen = Screen((400, 300))
    words = (rule_file(tmp_path), "--grid", "32x24", "--size", "320x240", "--recording", "webp")
    viewer = Viewer(screen, tmp_path, *words, stderr=subprocess.PIPE)
    try:
        record_two_views(viewer)
        screen.kill()
        assert viewer.process.wait(PATIENCE) == 3
        with viewer.process.stderr as output:
            assert output.read() == b"nca: the display is gone\n"
        (recording,) = tmp_path.glob("*.webp")
        with Image.open(recording) as picture:
            assert len(ImageSequence.all_frames(picture)) > 1
    finally:
        viewer.end()


def test_without_a_display_it_says_what_to_do(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "DISPLAY"}
    environment.pop("WAYLAND_DISPLAY", None)
    words = [sys.executable, "-m", "nca", "view", str(rule_file(tmp_path))]
    done = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "--headless" in done.stderr
    assert done.stderr.count("\n") == 1


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line in a session of Wayland, as far as the environment goes."""
    without = ("DISPLAY", "PYGLFW_LIBRARY")  # imgui_bundle sets the second in this process
    session = {key: value for key, value in os.environ.items() if key not in without}
    session |= {"XDG_SESSION_TYPE": "wayland", **environment}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=session, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_on_wayland_the_panel_is_opened_through_x11(screen):
    pytest.importorskip("imgui_bundle")
    code = "from nca.viewer.app import choose_display; choose_display()"
    modules = "nca.viewer.window.window, nca.viewer.window.panel"
    done = python(f"{code}; import {modules}", DISPLAY=screen.name)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("display", [{}, {"DISPLAY": ":9999"}])
def test_on_wayland_without_x11_the_window_has_no_panel(display):
    pytest.importorskip("imgui_bundle")
    done = python(
        "from unittest.mock import Mock\n"
        "from nca.viewer.app import choose_display; choose_display()\n"
        "from nca.viewer.window.window import open_panel\n"
        "actions = Mock()\n"
        "assert open_panel(actions, 1.0) is None\n"
        "print(actions.player.say.call_args.args[0])\n",
        **display,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "The panel cannot be shown here; H shows the keys\n"
