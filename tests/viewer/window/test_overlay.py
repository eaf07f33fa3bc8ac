"""Text over the texture."""

import numpy as np
import pytest
from PIL import ImageDraw

from nca.viewer.actions import Actions
from nca.viewer.controls import GESTURES, KEYS
from nca.viewer.meter import StateRange
from nca.viewer.player import MESSAGE_SECONDS
from nca.viewer.window import lettering
from nca.viewer.window.overlay import IDLE_SECONDS, Overlay, number_text
from tests.helpers.players import make_player

pytestmark = pytest.mark.gl

WIDTH, HEIGHT = 800, 600


@pytest.fixture
def scene(gl, tmp_path):
    player = make_player(gl, tmp_path)
    player.resize(WIDTH, HEIGHT)
    actions = Actions(player)
    overlay = Overlay(gl, actions)
    target = gl.simple_framebuffer((WIDTH, HEIGHT), 3)

    def written(scale=1.0, **options):
        target.clear(0.5, 0.5, 0.5)
        overlay.draw(target, scale, **options)
        pixels = np.frombuffer(target.read(), np.uint8).reshape(HEIGHT, WIDTH, 3)[::-1]
        return (np.abs(pixels.astype(int) - 128) > 3).any(2)

    yield actions, overlay, written
    player.release()


def test_the_name_stands_at_the_left_and_the_numbers_at_the_right(scene):
    _, _, written = scene
    marks = written()
    assert marks[:90, :200].any()
    assert marks[:90, -220:].any()
    assert not marks[120:].any()
    assert not written(covered=300)[:, 300:].any(), "the panel shows the numbers itself"


def test_all_is_quiet_after_a_while_but_trouble_and_messages_stay(scene):
    actions, overlay, written = scene
    actions.player.clock.now += IDLE_SECONDS + 1
    assert not written().any()
    actions.player.say("Saved a.png")
    marks = written()
    assert marks[-80:, 300:500].any()
    assert not marks[:400].any()
    actions.player.trouble = "It stands still."
    assert written()[:90, :200].any()
    overlay.wake()
    actions.controls = False
    actions.player.trouble = ""
    actions.player.clock.now += MESSAGE_SECONDS
    assert not written().any()


def test_the_help_is_in_the_middle_and_fits(scene):
    actions, _, written = scene
    actions.help = True
    rows, columns = np.nonzero(written())
    assert abs((columns.min() + columns.max()) / 2 - WIDTH / 2) < 3
    assert rows.min() > 0
    assert rows.max() < HEIGHT - 1
    rows_fine, _ = np.nonzero(written(2.0))
    assert rows_fine.min() >= 0


def test_letters_grow_with_the_screen(scene):
    _, _, written = scene
    small, large = written(1.0, covered=1), written(2.0, covered=1)
    assert np.nonzero(large)[0].max() > 1.6 * np.nonzero(small)[0].max()


def test_a_long_message_takes_several_lines_and_stays_inside(scene):
    actions, _, written = scene
    actions.player.trouble = "The quick brown fox jumps over the lazy dog. " * 6
    rows, columns = np.nonzero(written())
    assert columns.min() > 0
    assert columns.max() < WIDTH - 1
    assert rows.max() < HEIGHT


def test_numbers_in_words(scene):
    actions, _, _ = scene
    player = actions.player
    player.rates.frames, player.rates.steps = 60.2, 481.0
    player.state_range = StateRange(-1.25, 2.5, 0)
    assert number_text(actions).splitlines() == [
        "60 frames/s   481 steps/s",
        "32 x 24 cells, step 0",
        "float32, -1.25 to 2.50",
    ]
    player.speed.set(64)
    player.speed._limit = 3
    assert "slower than requested" in number_text(actions)


def test_pictures_are_made_only_when_their_text_changes(scene, monkeypatch):
    _, _, written = scene
    written()
    monkeypatch.setattr(lettering, "floating_lines", lambda *_: 1 / 0)
    written()


def test_help_lists_every_key(monkeypatch):
    drawn = []
    draw_text = ImageDraw.ImageDraw.text

    def text(self, place, text, *rest, **options):
        drawn.append(text)
        return draw_text(self, place, text, *rest, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    lettering.help_sheet(GESTURES, [(key.show, key.help) for key in KEYS if key.help], 14.0)
    assert {key.help for key in KEYS if key.help} <= set(drawn)
    assert {does for _, does in GESTURES} <= set(drawn)
