"""Keys and pointer, against the state and the camera."""

import pytest
import torch
from PIL import Image

from nca.viewer.actions import Actions
from nca.viewer.controls import COLOR_MAPS, GESTURES, KEYS
from nca.viewer.simulation.display import NO_RING
from nca.viewer.simulation.look import view_names
from nca.viewer.speed import SPEEDS
from nca.viewer.window.pointer import LEFT, MIDDLE, RIGHT, Pointer, press
from tests.helpers.players import make_player, rule_file
from tests.viewer.simulation.lit import FEW

pytestmark = pytest.mark.gl


@pytest.fixture
def actions(gl, tmp_path):
    player = make_player(gl, tmp_path, rule_file(tmp_path), rule_file(tmp_path, "b", seed=1))
    player.running = False
    yield Actions(player)
    player.release()


@pytest.fixture
def full(actions):
    """The same, every cell 1."""
    actions.player.simulation.write(torch.ones(8, 24, 32))
    return actions


def state(actions):
    return actions.player.simulation.read()


def stroke(actions, *places, button=LEFT, shift=False, alt=False):
    pointer = Pointer(actions)
    pointer.press(button, *places[0], shift=shift, alt=alt)
    for place in places[1:]:
        pointer.move(*place)
    pointer.release(button)
    return pointer


def test_the_lamp_follows_the_pointer_and_a_stroke_changes_all_maps(gl, tmp_path):
    player = make_player(gl, tmp_path, rule_file(tmp_path, maps=FEW))
    player.simulation.write(torch.ones(8, 24, 32))
    actions = Actions(player)
    target = gl.simple_framebuffer(player.size)
    seen = []
    for x, y in ((80, 60), (240, 180)):
        stroke(actions, (160, 120)).move(x, y)
        player.draw(target, ring=False)
        seen.append(target.read())
        assert player.look.lamp == (x / 320, y / 240)
    assert seen[0] != seen[1]
    Pointer(actions).leave()
    assert player.look.lamp == (0.75, 0.75), "it stays where the pointer was"
    changed = (state(actions) != 1).any((1, 2))
    assert changed[:7].all()
    press(actions, "Shift+V")
    assert player.view == "change"
    for view in ("lit", "colors", "normal", "roughness"):
        press(actions, "V")
        assert player.view == view
    player.release()


def test_every_key_is_there_once_and_the_help_lists_it():
    names = [name for key in KEYS for name in key.keys]
    assert len(names) == len(set(names))
    output = " ".join(key.show for key in KEYS if key.help)
    for name in ("Space", "N", "R", "C", "X", "1", "2", "3", "4", "5", "[", "]", "F", "F11", "V",
                 "M", "S", "P", "Ctrl Z", "Ctrl S", "Ctrl O", "U", "H", "Esc"):  # fmt: skip
        assert name in output
    assert len(GESTURES) == 7


def test_time(actions):
    player = actions.player
    press(actions, "Space")
    assert player.running
    press(actions, "N")
    assert not player.running
    assert player.simulation.step_number == 1
    press(actions, "Shift+N")
    assert player.simulation.step_number == 11
    for name, speed in (("+", 2), ("-", 1), ("-", 0.5), ("-", 0.25), ("-", 0.125), ("-", 0.125)):
        press(actions, name)
        assert player.speed.steps_per_frame == speed
    assert not press(actions, "Ctrl+Shift+F9")


def test_starting_again(actions):
    simulation = actions.player.simulation
    press(actions, "Shift+N")
    press(actions, "R")
    rule = simulation.rules[0]
    assert simulation.step_number == 0
    assert torch.equal(state(actions), rule.initial_state(1, 24, 32, seed=0)[0])
    press(actions, "Shift+R")
    assert simulation.seed != 0
    assert torch.equal(state(actions), rule.initial_state(1, 24, 32, seed=simulation.seed)[0])
    press(actions, "C")
    assert (state(actions) != 0).any(0).sum() == 1
    assert state(actions)[3:, 12, 16].eq(1).all()
    press(actions, "X")
    assert state(actions).std() > 0.1
    for _ in range(4):
        press(actions, "Ctrl+Z")
    assert simulation.step_number == 10
    press(actions, "Ctrl+Z")
    assert actions.player.message == "Nothing to undo"


def test_a_stroke_erases_and_is_undone(full):
    stroke(full, (160, 120), (200, 120))  # 10 pixels a cell
    assert state(full)[:, 12, 16:21].eq(0).all()
    assert state(full)[0].sum() < 24 * 32 - 400
    press(full, "Ctrl+Z")
    assert state(full).eq(1).all()


@pytest.mark.parametrize("how", [{"button": RIGHT}, {"shift": True}])
def test_the_right_button_and_shift_erase_whatever_the_brush(full, how):
    press(full, "1")
    full.set_radius(3)
    stroke(full, (100, 100), **how)
    assert state(full)[:, 10, 10].eq(0).all()


def test_brushes(full):
    full.set_radius(3)
    press(full, "1")
    stroke(full, (100, 100))
    assert state(full)[:3, 10, 10].eq(0).all()
    assert state(full)[3:, 10, 10].eq(1).all()
    press(full, "3")
    stroke(full, (200, 100))
    assert state(full)[:, 10, 20].unique().numel() > 4
    press(full, "4")
    stroke(full, (100, 180))
    assert full.player.simulation.field.owner[18, 10] == 1
    press(full, "G")
    assert full.player.simulation.field.present == [1]
    press(full, "Ctrl+Z")
    assert full.player.simulation.field.present == [0, 1]
    press(full, "J")
    assert full.brush.rule == 0
    press(full, "Shift+J")
    assert full.brush.rule == 1


def test_a_stamp_is_as_large_as_the_brush(full):
    press(full, "5")
    assert "drop an image" in full.player.message
    stroke(full, (100, 100))
    assert state(full).eq(1).all()
    full.brush.picture = Image.new("RGB", (9, 9), (0, 255, 0))
    full.set_radius(3)
    stroke(full, (100, 100))
    colors = full.player.simulation.rules[0].to_rgb(state(full)[None])[0]
    assert colors[:, 7:13, 7:13].mean((1, 2)).tolist() == pytest.approx([0, 1, 0], abs=1e-6)
    assert colors[:, 14, 10].tolist() == pytest.approx([1.5] * 3)


def test_moving_and_zooming(actions):
    camera = actions.player.camera
    cell = camera.cell_at(50, 60)
    pointer = stroke(actions, (50, 60), (90, 80), button=MIDDLE)
    assert camera.cell_at(90, 80) == pytest.approx(cell)
    stroke(actions, (90, 80), (50, 60), alt=True)
    assert camera.cell_at(50, 60) == pytest.approx(cell)
    pointer.wheel(2, 50, 60, resize_brush=False)
    assert camera.zoom > 12
    assert camera.cell_at(50, 60) == pytest.approx(cell)
    press(actions, "F")
    assert (camera.zoom, camera.x, camera.y) == (10, 0, 0)
    press(actions, "Shift+T")
    assert camera.zoom == pytest.approx(10 / 3)
    assert actions.player.look.borders


def test_the_ring_follows_the_pointer_and_the_size_of_the_brush(actions):
    pointer = Pointer(actions)
    pointer.move(100, 50)
    assert actions.player.ring == (10, 5, 12, 1)
    press(actions, "]")
    assert actions.player.ring == (10, 5, 15, 1)
    press(actions, "[")
    pointer.wheel(1, 100, 50, resize_brush=True)
    assert actions.player.ring[2] == actions.brush.radius == pytest.approx(12 * 1.12)
    pointer.leave()
    assert actions.player.ring == NO_RING


def test_a_second_button_does_not_disturb_a_stroke(full):
    pointer = Pointer(full)
    pointer.press(LEFT, 100, 100, shift=False, alt=False)
    pointer.press(MIDDLE, 100, 100, shift=False, alt=False)
    pointer.release(MIDDLE)
    pointer.move(300, 100)
    pointer.release(LEFT)
    assert state(full)[0, 10, 30] == 0
    assert full.player.camera.x == 0


def test_painting_among_all_channels_goes_to_the_cell_under_the_pointer(full):
    full.player.set_view("channels")  # 3 by 3 tiles of 32 by 24 cells, 3.33 pixels a cell
    full.set_radius(2)
    x, y = (32 + 10) * 10 / 3, (24 + 5) * 10 / 3  # in the middle tile
    stroke(full, (x, y), (x + 20, y))
    erased = state(full)[0].eq(0)
    assert erased[5, 10]
    assert erased[5, 15]
    assert erased.sum() < 60


def test_beside_a_grid_that_ends_nothing_is_painted(gl, tmp_path):
    player = make_player(gl, tmp_path, rule_file(tmp_path, padding="zeros"))
    player.resize(640, 240)  # 10 pixels a cell, and 16 cells of nothing at either side
    full = Actions(player)
    player.simulation.write(torch.ones(8, 24, 32))
    full.set_radius(2)
    stroke(full, (50, 100), (60, 100))
    assert state(full).eq(1).all()
    stroke(full, (50, 100), (180, 100))
    assert state(full)[0, 10, 1] == 0
    player.release()


def test_looking(actions):
    look = actions.player.look
    seen = [actions.player.view]
    for _ in range(10):
        press(actions, "V")
        seen.append(actions.player.view)
    assert seen == view_names(8)
    press(actions, "V")
    assert actions.player.view == "colors"
    press(actions, "Shift+V")
    assert look.view == "change"
    maps = []
    for _ in COLOR_MAPS:
        press(actions, "M")
        maps.append(look.color_map)
    assert sorted(maps) == sorted(COLOR_MAPS)
    press(actions, "B")
    assert look.scaling == "sharp"
    press(actions, "T")
    assert look.borders


def test_window_and_help(actions):
    press(actions, "U")
    assert not actions.controls
    press(actions, "F11")
    press(actions, "H")
    for help_, fullscreen, quitting in ((False, True, False), (False, False, False)):
        press(actions, "Esc")
        assert (actions.help, actions.fullscreen, actions.quitting) == (help_, fullscreen, quitting)
    press(actions, "Esc")
    assert actions.quitting


def test_speeds_of_the_panel_are_those_of_the_keys(actions):
    for _ in range(20):
        press(actions, "+")
    assert actions.player.speed.steps_per_frame == SPEEDS[-1]
