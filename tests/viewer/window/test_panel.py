"""The panel, clicked and typed into without a window."""

import math

import pytest

from nca.viewer.actions import Actions
from tests.helpers.players import make_player, rule_file

imgui = pytest.importorskip("imgui_bundle").imgui
panel_module = pytest.importorskip("nca.viewer.window.panel")

pytestmark = pytest.mark.gl


class Hand:
    """Uses a panel like a user: finds the controls, moves to them and clicks."""

    def __init__(self, gl, player, monkeypatch) -> None:
        self.actions, self.player = Actions(player), player
        self.target = gl.simple_framebuffer(player.size)
        self.places: dict[str, tuple[float, float, float, float]] = {}
        for kind in ("button", "slider_float", "combo", "checkbox", "input_int", "selectable"):
            monkeypatch.setattr(panel_module.imgui, kind, self._seeing(getattr(imgui, kind)))
        self.panel = panel_module.Panel(self.actions, 1.0)
        self.look(3)  # it finds its size

    def _seeing(self, control):
        def draw(name, *rest):
            result = control(name, *rest)
            low, high = imgui.get_item_rect_min(), imgui.get_item_rect_max()
            self.places[name] = (low.x, low.y, high.x, high.y)
            return result

        return draw

    def look(self, frames=1):
        for _ in range(frames):
            self.player.clock.now += 1 / 60
            self.places.clear()
            self.panel.draw(self.target)

    def point(self, name, along=0.5):
        left, top, right, low = self.places[name]
        self.panel.move(left + along * (right - left), (top + low) / 2)
        self.look(2)  # ImGui knows a frame later what is under the pointer

    def click(self, name, along=0.5):
        self.point(name, along)
        for down in (True, False):
            self.panel.button(0, down)
            self.look(2)

    def key(self, name):
        for down in (True, False):
            self.panel.key(name, down)
            self.look(2)


@pytest.fixture
def hand(gl, tmp_path, monkeypatch):
    player = make_player(gl, tmp_path, rule_file(tmp_path), rule_file(tmp_path, "b", seed=1))
    player.resize(1000, 900)
    hand = Hand(gl, player, monkeypatch)
    yield hand
    hand.panel.release()
    player.release()


def test_what_was_done_while_it_was_hidden_is_not_done_later(hand):
    hand.point("Reset")
    hand.player.run_steps(3)
    hand.panel.hide()
    for _ in range(4):
        for down in (True, False):
            hand.panel.button(0, down)
    hand.panel.button(0, True)
    hand.look(12)
    assert hand.player.simulation.step_number == 3
    assert hand.panel.has_pointer, "no button is down"
    hand.panel.button(0, False)
    hand.click("Reset")
    assert hand.player.simulation.step_number == 0


def test_motion(hand):
    player = hand.player
    hand.click("Pause")
    assert not player.running
    hand.click("Step")
    assert player.simulation.step_number == 1
    hand.click("Reset")
    assert player.simulation.step_number == 0
    hand.click("Undo")
    assert player.simulation.step_number == 1
    hand.click("Continue")
    assert player.running
    hand.click("##speed", 0.01)
    assert player.speed.steps_per_frame == 1 / 8
    hand.click("##speed", 0.99)
    assert player.speed.steps_per_frame == 1024


def test_brush(hand):
    for name, tool in (("Plant", "plant"), ("Noise", "noise"), ("Erase", "erase")):
        hand.click(name)
        assert hand.actions.brush.tool == tool
    assert "Stamp" not in hand.places, "there is no picture yet"
    hand.click("##radius", 0.9)
    assert hand.actions.brush.radius > 60
    hand.click("Everywhere")
    assert hand.player.title == "b"


def test_texture(hand):
    simulation = hand.player.simulation
    hand.click("##rotation", 0.75)
    assert math.degrees(simulation.steering.rotation) == pytest.approx(95, abs=5)
    hand.click("##coarseness", 0.75)
    assert simulation.steering.coarseness == pytest.approx(2, abs=0.2)
    hand.click("##update_rate", 0.99)
    assert simulation.steering.update_rate == 1.0
    assert simulation.steering.calm is None
    hand.click("##calm", 0.5)
    assert simulation.steering.calm == pytest.approx(0.5, abs=0.1)
    hand.click("##calm", 0.01)
    assert simulation.steering.calm == 0
    hand.click("New")
    assert simulation.seed != 0


def test_the_relief_of_a_material(gl, tmp_path, monkeypatch):
    maps = ("color", "height", "roughness")
    player = make_player(gl, tmp_path, rule_file(tmp_path, maps=maps))
    player.resize(1000, 900)
    hand = Hand(gl, player, monkeypatch)
    assert player.view == "lit"
    assert "##Color map" not in hand.places
    hand.click("##relief", 0.5)
    assert player.look.relief == pytest.approx(8, abs=1)
    player.set_view("height")
    hand.look(2)
    assert "##relief" not in hand.places
    player.set_view("lit")
    assert player.look.view == "auto"
    hand.panel.release()
    player.release()


def test_a_seed_is_typed(hand):
    hand.click("##seed")
    hand.click("##seed")
    assert hand.panel.busy
    assert hand.panel.key("R", True), "the panel's while a number is typed"
    hand.key("End")
    for digit in "42":
        assert hand.panel.letter(digit)
    hand.look()
    hand.key("Enter")
    assert hand.player.simulation.seed == 42
    hand.look(2)
    assert not hand.panel.key("R", True)


def test_view(hand):
    look = hand.player.look
    hand.click("##Scaling")
    left, _, _, low = hand.places["##Scaling"]
    hand.places["third entry"] = (left, low + 50, left + 40, low + 66)
    hand.click("third entry")
    assert look.scaling == "sharp"
    hand.click("##average_steps", 0.99)
    assert look.average_steps == 16
    hand.click("##average_steps", 0.01)
    assert look.average_steps == 1
    for name, attribute in (("Tile lines", "borders"), ("Transparent", "transparent")):
        assert not getattr(look, attribute)
        hand.click(name)
        assert getattr(look, attribute)
    hand.click("Limit flashes")
    assert not look.flash_limit
    assert "##Color map" not in hand.places, "colors have none"
    hand.click("##Show")
    left, _, _, low = hand.places["##Show"]
    hand.places["second entry"] = (left, low + 28, left + 40, low + 48)
    hand.click("second entry")
    assert look.view == "channel 1"
    assert "##Color map" in hand.places
    hand.click("Tiles")
    assert hand.player.camera.zoom < 30
    hand.click("Fit")
    assert hand.player.camera.fitted


def test_keep(hand, tmp_path):
    for name in ("Picture", "2x", "4x", "Window", "Save state"):
        hand.click(name)
    assert len(list(tmp_path.glob("*.png"))) == 4
    assert len(list(tmp_path.glob("*.npz"))) == 1
    hand.click("Video")
    assert hand.player.recordings.running is not None
    hand.click("Stop")
    assert hand.player.recordings.running is None


def test_the_panel_has_the_pointer_only_over_itself(hand):
    hand.point("Pause")
    assert hand.panel.has_pointer
    hand.panel.move(100, 100)
    hand.look(2)
    assert not hand.panel.has_pointer
    hand.point("Pause")
    hand.panel.hide()
    assert not hand.panel.has_pointer


def test_a_button_that_goes_down_as_the_pointer_comes_is_the_panel_s(hand):
    hand.panel.move(100, 100)
    hand.look(2)
    hand.panel.move(950, 40)  # no frame has been drawn since
    assert hand.panel.has_pointer
    hand.panel.move(100, 100)
    hand.look(1)
    hand.panel.button(0, True)
    hand.look(2)
    hand.panel.move(950, 40)
    assert not hand.panel.has_pointer, "a stroke that began outside goes on"


def test_it_stays_inside_small_windows_and_large_ones(gl, hand):
    for size in ((1000, 900), (300, 200), (64, 64), (2000, 400)):
        hand.player.resize(*size)
        hand.target = gl.simple_framebuffer(size)
        hand.look(2)
        assert 0 < hand.panel.covers(hand.target) <= size[0]
    assert hand.places["Pause"][2] < 2000


def test_a_fine_screen_has_larger_controls(gl, hand):
    before = hand.places["Pause"]
    hand.panel.release()
    hand.panel = panel_module.Panel(hand.actions, 2.0)
    hand.target = gl.simple_framebuffer((2000, 1800))
    hand.look(2)
    after = hand.places["Pause"]
    assert after[3] - after[1] == pytest.approx(2 * (before[3] - before[1]), abs=2)
    assert after[2] - after[0] == pytest.approx(2 * (before[2] - before[0]), abs=3)
