"""Brushes of fields in the window, pictures of directions, saved fields."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nca.fields.texels import byte_of
from nca.rulefile import save_rule
from nca.viewer.actions import Actions
from nca.viewer.files.rule_files import load_rules
from nca.viewer.player import Player
from nca.viewer.settings import view_settings
from nca.viewer.window.pointer import LEFT, RIGHT, Pointer, press
from tests.helpers.players import make_player
from tests.helpers.rules import striped_rule

pytestmark = pytest.mark.gl


@pytest.fixture
def actions(gl, tmp_path):
    player = make_player(gl, tmp_path)
    player.resize(320, 240)
    player.fit()
    yield Actions(player)
    player.release()


def drag(actions: Actions, button: int, *way: tuple[float, float]) -> None:
    pointer = Pointer(actions)
    pointer.press(button, *way[0], shift=False, alt=False)
    for place in way[1:]:
        pointer.move(*place)
    pointer.release(button)


def test_a_stroke_sets_the_direction_of_its_movement(actions):
    fields = actions.player.simulation.fields
    press(actions, "6")
    assert actions.player.message == "Brush: direction along the stroke"
    drag(actions, LEFT, (80, 60), *((80, 60 + 5 * i) for i in range(1, 25)))
    assert fields.used
    assert abs(int(fields.texels[17, 8, 0]) - 64) < 3  # down
    assert (fields.texels[..., 1:] == 128).all()
    drag(actions, RIGHT, (80, 0), (80, 240))
    assert not fields.used
    press(actions, "Ctrl+Z")
    assert fields.used
    press(actions, "W")
    assert (fields.used, actions.player.message) == (False, "No fields")


def test_amounts_of_size_pace_and_share(actions):
    fields = actions.player.simulation.fields
    texts = {"7": "0.57\u00d7", "8": "75%", "9": "75%"}
    for channel, (key, text) in enumerate(texts.items(), 1):
        press(actions, key)
        assert actions.fields.amount_text() == text
        drag(actions, LEFT, (160, 120))
        assert fields.texels[12, 16, channel] == 96
    for _ in range(20):
        press(actions, "{")
    assert actions.player.message == "Amount: 0%"
    press(actions, "}")
    drag(actions, LEFT, (160, 120))
    assert list(fields.texels[12, 16]) == [0, 96, 96, 16]


def test_pictures_of_directions(actions, tmp_path):
    simulation = actions.player.simulation
    Image.new("RGB", (8, 8), (40, 40, 40)).save(tmp_path / "map.png")
    press(actions, "6")
    actions.open_files([tmp_path / "map.png"])
    assert actions.player.message == "map.png: its gray values are the directions"
    assert (simulation.fields.texels[..., 0] == 40).all()
    stripes = np.mgrid[:96, :96][1][..., None] // 6 % 2 * np.array([200, 90, 30])
    Image.fromarray(stripes.astype(np.uint8)).save(tmp_path / "photo.png")
    press(actions, "2")
    actions.open_directions(tmp_path / "photo.png")
    assert actions.player.message == "photo.png: the texture follows its edges"
    assert abs(np.median(simulation.fields.texels[..., 0].astype(int)) - 64) < 3
    press(actions, "Ctrl+Z")
    assert (simulation.fields.texels[..., 0] == 40).all()
    actions.open_directions(tmp_path / "none.png")
    assert "none.png" in actions.player.message


def test_the_brush_knows_the_direction_of_the_texture_itself(gl, tmp_path):
    path = tmp_path / "stripes.safetensors"
    save_rule(path, striped_rule())
    Image.new("RGB", (8, 8), (32, 32, 32)).save(tmp_path / "map.png")
    given = view_settings(path, grid="64x64", direction_map=tmp_path / "map.png", seed=1)
    player = Player(gl, load_rules(given.rules), given)
    actions = Actions(player)
    assert (player.simulation.fields.texels[..., 0] == 32).all()
    player.run_steps(120)
    assert actions.fields.own_angle() == 0  # not known while the texture is turned
    actions.clear_fields()
    player.simulation.steering.rotation = math.radians(30)
    player.reset()
    player.run_steps(120)
    assert abs(math.degrees(actions.fields.own_angle()) - 30) < 10
    player.release()


def test_saved_states_hold_fields(actions, tmp_path):
    simulation = actions.player.simulation
    press(actions, "8")
    drag(actions, LEFT, (160, 120))
    texels = simulation.fields.texels.copy()
    actions.save_state()
    actions.clear_fields()
    actions.open_state()
    assert np.array_equal(simulation.fields.texels, texels)
    (saved,) = Path(tmp_path).glob("*.npz")
    arrays = dict(np.load(saved))
    np.savez(saved, **{**arrays, "fields": arrays["fields"][:-1]})
    actions.open_state()
    assert "'fields' must be [24, 32, 4] uint8" in actions.player.message
    assert byte_of("pace", 1.5) == 192
