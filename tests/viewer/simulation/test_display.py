"""The display of a state, against torch."""

import numpy as np
import pytest
import torch
from PIL import Image

from nca.commands.render import averages
from nca.errors import InputError
from nca.gl.shader import Shader
from nca.images import to_tensor
from nca.images.enlarging import enlarged
from nca.rule_settings import RuleSettings
from nca.viewer.controls import SCALINGS
from nca.viewer.simulation.camera import Camera
from nca.viewer.simulation.display import Display
from nca.viewer.simulation.look import Look, parse_view, view_names
from nca.viewer.simulation.simulation import Simulation
from nca.viewer.simulation.stroke import Stroke
from tests.helpers.rules import FIGURE_SETTINGS, bounded_rule, figure

pytestmark = pytest.mark.gl

HEIGHT, WIDTH = 24, 40
SQUARES = Look(scaling="squares")


@pytest.fixture
def simulation(gl):
    rule = bounded_rule(RuleSettings(6, 12, rgb_scale=0.5, rgb_offset=0.4))
    simulation = Simulation(gl, [rule], (HEIGHT, WIDTH))
    generator = torch.Generator().manual_seed(2)
    simulation.write(torch.rand(6, HEIGHT, WIDTH, generator=generator) * 1.6 - 0.8)
    yield simulation
    simulation.release()


@pytest.fixture
def display(gl):
    display = Display(gl)
    yield display
    display.release()


def expected_colors(simulation) -> torch.Tensor:
    return simulation.rules[0].to_rgb(simulation.read()[None])[0].clamp(0, 1)


def test_the_picture_of_the_grid_is_what_torch_says(simulation, display):
    picture = display.whole(simulation, Look())
    assert picture.size == (WIDTH, HEIGHT)
    assert (to_tensor(picture) - expected_colors(simulation)).abs().max() <= 0.51 / 255


@pytest.mark.parametrize("scale", [3, 4])
def test_larger_pictures_are_those_of_torch(simulation, display, scale):
    cells = expected_colors(simulation)
    for scaling in SCALINGS:
        picture = to_tensor(display.whole(simulation, Look(scaling=scaling), scale))
        expected = enlarged(cells, scale, scaling, wraps=True)
        # The hardware's weights of linear lookups have eight bits.
        assert (picture - expected).abs().max() <= (0.51 if scaling == "squares" else 2.5) / 255


def test_a_torus_goes_on_and_a_grid_with_an_end_does_not(gl, simulation, display):
    camera = Camera(x=-WIDTH, y=-HEIGHT, zoom=1.0)
    size = (3 * WIDTH, 3 * HEIGHT)
    tiles = to_tensor(display.picture(simulation, camera, SQUARES, size))
    assert torch.equal(tiles[:, :HEIGHT, :WIDTH], tiles[:, HEIGHT : 2 * HEIGHT, WIDTH : 2 * WIDTH])
    assert torch.equal(tiles[:, :HEIGHT, :WIDTH], tiles[:, 2 * HEIGHT :, 2 * WIDTH :])
    ended = Simulation(gl, [bounded_rule(RuleSettings(6, 12, "zeros"))], (HEIGHT, WIDTH))
    ended.write(torch.full((6, HEIGHT, WIDTH), 0.5))
    picture = to_tensor(display.picture(ended, camera, SQUARES, size))
    assert picture[:, : HEIGHT - 1].max() < 0.1
    assert picture[:, HEIGHT + 1 : 2 * HEIGHT - 1, WIDTH + 1 : 2 * WIDTH - 1].min() > 0.9


def test_one_channel_in_grey(simulation, display):
    for channel in (1, 4, 6):
        picture = to_tensor(display.whole(simulation, Look(f"channel {channel}", "grey")))
        expected = (simulation.read()[channel - 1] * 0.5 + 0.5).clamp(0, 1)
        assert (picture - expected).abs().max() <= 0.51 / 255
    inferno = to_tensor(display.whole(simulation, Look("channel 1", "inferno")))
    assert (inferno[0] - inferno[2]).abs().max() > 0.3


def test_all_channels_side_by_side(simulation, display):
    picture = to_tensor(display.whole(simulation, Look("channels", "grey")))
    assert picture.shape == (3, 2 * HEIGHT, 3 * WIDTH)
    inner = (slice(1, -1), slice(1, -1))  # a dark line parts the tiles
    for channel, expected in enumerate(simulation.read() * 0.5 + 0.5):
        row, column = divmod(channel, 3)
        tile = picture[0, row * HEIGHT :, column * WIDTH :][:HEIGHT, :WIDTH]
        assert (tile[inner] - expected.clamp(0, 1)[inner]).abs().max() <= 0.51 / 255
        assert tile[0].max() < 0.1


def test_all_channels_of_a_large_grid_are_made_smaller(gl, display, monkeypatch):
    monkeypatch.setattr("nca.viewer.simulation.display.LARGEST_MOSAIC", 30)
    simulation = Simulation(gl, [bounded_rule(RuleSettings(6, 12))], (HEIGHT, WIDTH))
    simulation.write(torch.zeros(6, HEIGHT, WIDTH))
    picture = display.whole(simulation, Look("channels", "grey"))
    assert picture.size == (3 * WIDTH, 2 * HEIGHT)
    assert picture.getpixel((WIDTH // 2, HEIGHT // 2)) == (128, 128, 128)


def test_the_change_of_the_last_step(simulation, display):
    look = Look("change", "grey")
    assert to_tensor(display.whole(simulation, look)).max() == 0
    before = simulation.read()
    simulation.step()
    expected = ((simulation.read() - before)[:3].abs().amax(0) * 4 * 0.5 + 0.5).clamp(0, 1)
    picture = to_tensor(display.whole(simulation, look))
    assert picture.max() > 0.1
    fired = (simulation.read() != before).any(0)
    assert picture[:, ~fired].max() == 0
    assert torch.corrcoef(torch.stack([picture[0].flatten(), expected.flatten()]))[0, 1] > 0.9
    no_change = to_tensor(display.whole(simulation, Look("change", "diverging")))[:, ~fired]
    assert no_change.min() > 0.93, "the middle of the colors, not their end"


def test_lines_and_ring_are_drawn_where_they_belong(gl, simulation, display):
    simulation.write(torch.full((6, HEIGHT, WIDTH), -0.8))
    camera = Camera(x=-2, y=-2, zoom=8.0)
    look = Look(scaling="squares", borders=True)
    lines = to_tensor(display.picture(simulation, camera, look, (160, 160)))
    assert lines[0, 80, 16] > 0.5, "the left border of the grid"
    assert lines[0, 80, 40] < 0.2
    target = gl.simple_framebuffer((160, 160), 3)
    display.draw(simulation, camera, SQUARES, target, (8.0, 8.0, 5.0, 1.0))
    pixels = np.frombuffer(target.read(components=3), np.uint8).reshape(160, 160, 3)[::-1]
    assert pixels[80, 80 + 40].min() > 150, "5 cells right of the middle of the ring"
    assert pixels[80, 80].max() < 60


def test_zoomed_out_it_averages(simulation, display):
    picture = to_tensor(display.picture(simulation, Camera(zoom=0.125), Look(), (5, 3)))
    mean = expected_colors(simulation).mean((1, 2))
    assert (picture.mean((1, 2)) - mean).abs().max() < 0.02
    assert picture.std() < 0.1


def test_views_have_names():
    assert view_names(4) == [
        "colors", "channel 1", "channel 2", "channel 3", "channel 4", "channels", "change",
    ]  # fmt: skip
    assert parse_view("alpha", 8) == "channel 4"
    with pytest.raises(InputError, match="'channel 1' to 'channel 8'"):
        parse_view("channel 9", 8)


def test_a_picture_that_is_too_large_is_refused(simulation, display):
    with pytest.raises(InputError, match="too large"):
        display.whole(simulation, Look(), 2000)


CHANGES = {
    "a step": lambda s, c, look: s.step(1),
    "a stroke": lambda s, c, look: s.paint("erase", Stroke((5.0, 5.0), (9.0, 9.0), 4.0)),
    "another state": lambda s, c, look: s.write(-s.read()),
    "a stamp": lambda s, c, look: s.stamp(Image.new("RGB", (8, 8), "red"), (2.0, 2.0, 8.0, 8.0)),
    "a reset": lambda s, c, look: s.reset("noise"),
    "another rule": lambda s, c, look: s.set_rule(0, bounded_rule(RuleSettings(6, 8, rgb_scale=2))),
    "the camera": lambda s, c, look: c.pan(7.0, 3.0),
    "the view": lambda s, c, look: setattr(look, "view", "channel 2"),
    "squares": lambda s, c, look: setattr(look, "scaling", "squares"),
}


def pixels(display, simulation, camera, look, gl, size=(120, 72)) -> bytes:
    target = gl.simple_framebuffer(size)
    display.draw(simulation, camera, look, target)
    data = target.read()
    target.release()
    return data


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_not_changed_is_copied_and_what_has_is_drawn(
    change, gl, simulation, display, monkeypatch
):
    draws = []
    draw = Shader.draw
    monkeypatch.setattr(Shader, "draw", lambda *given: (draws.append(given), draw(*given)))
    camera, look = Camera(zoom=3.0), Look()
    seen = [pixels(display, simulation, camera, look, gl) for _ in range(4)]
    assert len(set(seen)) == 1
    assert len(draws) == 1 + 2, "colors, and the screen once to be shown and once to be kept"
    CHANGES[change](simulation, camera, look)
    fresh = Display(gl)
    expected = pixels(fresh, simulation, camera, look, gl)
    fresh.release()
    assert expected != seen[0]
    assert pixels(display, simulation, camera, look, gl) == expected
    assert pixels(display, simulation, camera, look, gl) == expected


def test_another_size_and_another_brush_are_drawn(gl, simulation, display):
    camera, look = Camera(zoom=3.0), Look()
    for _ in range(3):
        small = pixels(display, simulation, camera, look, gl)
    large = pixels(display, simulation, camera, look, gl, (240, 144))
    assert len(large) == 4 * len(small)
    target = gl.simple_framebuffer((120, 72))
    display.draw(simulation, camera, look, target, (20.0, 12.0, 5.0, 1.0))
    assert target.read() != small
    target.release()


def averaged_steps(simulation, display, look, count) -> torch.Tensor:
    """Run and display steps; compute the same in Python."""
    colors = []
    for _ in range(count):
        simulation.step()
        display.average(simulation, look)
        colors.append(expected_colors(simulation))
    *_, last = averages(colors, look.average_steps)
    return last


@pytest.mark.parametrize("steps", [4, 16])
def test_the_average_is_that_of_python(simulation, display, steps):
    look = Look(average_steps=steps)
    expected = averaged_steps(simulation, display, look, 40)
    picture = to_tensor(display.whole(simulation, look))
    assert (picture - expected).abs().max() <= 1.01 / 255
    assert (picture - expected_colors(simulation)).abs().max() > 3 / 255
    plain = to_tensor(display.whole(simulation, Look()))
    assert (plain - expected_colors(simulation)).abs().max() <= 0.51 / 255


def test_a_stroke_in_a_pause_is_seen_at_once_and_one_in_a_run_soon(simulation, display):
    look = Look(average_steps=8)
    averaged_steps(simulation, display, look, 3)
    simulation.paint("erase")
    assert (to_tensor(display.whole(simulation, look)) - 0.4).abs().max() < 0.01
    averaged_steps(simulation, display, look, 20)
    before = to_tensor(display.whole(simulation, look))
    simulation.stamp(Image.new("RGB", (WIDTH, HEIGHT), "red"), (0.0, 0.0, WIDTH, HEIGHT))
    for _ in range(6):
        simulation.step(0)
        display.average(simulation, look)
    after = to_tensor(display.whole(simulation, look))
    assert ((after - before)[0] > 0.7 * (1 - before[0])).all()


BEGINNINGS = {
    "another rule": lambda s, d, look: s.set_rule(0, bounded_rule(RuleSettings(6, 8, rgb_scale=2))),
    "the view": lambda s, d, look: setattr(look, "view", "channel 1"),
    "other steps": lambda s, d, look: setattr(look, "average_steps", 4),
    "as asked for": lambda s, d, look: d.begin_average(),
}


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_an_average_begins_again_with(beginning, gl, simulation, display):
    look, camera = Look(average_steps=8), Camera(zoom=3.0)
    averaged_steps(simulation, display, look, 5)
    BEGINNINGS[beginning](simulation, display, look)
    simulation.step()
    display.average(simulation, look)
    fresh = Display(gl)
    expected = pixels(fresh, simulation, camera, look, gl)
    fresh.release()
    assert pixels(display, simulation, camera, look, gl) == expected


def test_a_grown_image_has_no_background_if_asked_for(gl, display):
    rule = bounded_rule(FIGURE_SETTINGS)
    simulation = Simulation(gl, [rule], (HEIGHT, WIDTH))
    state, expected = figure(HEIGHT, WIDTH)
    simulation.write(state)
    picture = display.whole(simulation, Look(transparent=True))
    assert picture.mode == "RGBA"
    assert np.abs(np.asarray(picture) / 255 - expected).max() <= 5 / 255
    assert display.whole(simulation, Look()).mode == "RGB"
    averaged_steps(simulation, display, look := Look(transparent=True, average_steps=4), 3)
    averaged = np.asarray(display.whole(simulation, look))
    assert averaged[..., 3].min() == 0 < averaged[..., 3].max()
    simulation.release()
