"""Pictures of rules with a decoder in the viewer, against torch."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from nca.decoder import DecoderSettings, pixel_places
from nca.images import to_tensor
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.viewer.simulation.camera import Camera
from nca.viewer.simulation.canvas import Canvas, Part, decoded_part
from nca.viewer.simulation.decoded import DecodedPictures
from nca.viewer.simulation.display import Display
from nca.viewer.simulation.look import Look
from nca.viewer.simulation.simulation import FLOAT_STATE, Simulation
from nca.viewer.simulation.stroke import Stroke
from tests.helpers.rules import bounded_rule, with_random_decoder
from tests.viewer.simulation.decoded import mixed_picture, owned_shares

pytestmark = pytest.mark.gl

HEIGHT, WIDTH = 8, 12
BYTE = 0.51 / 255


def decoded_rule(seed: int = 0, channels: int = 6, **settings: object) -> Rule:
    decoder = settings.pop("decoder", DecoderSettings(4))
    given = RuleSettings(channels, 8, start="noise", noise_level=1, decoder=decoder, **settings)
    return with_random_decoder(given, seed=seed)


def started(gl, rules: Sequence[Rule], **options: object) -> Simulation:
    simulation = Simulation(gl, rules, (HEIGHT, WIDTH), **options)
    channels = simulation.channels
    generator = torch.Generator().manual_seed(1)
    simulation.write(torch.rand(channels, HEIGHT, WIDTH, generator=generator) - 0.5)
    return simulation


def drawn(gl, simulation: Simulation, part: Part) -> Tensor:
    """A part as floats, [3, h, w]."""
    canvas, pictures = Canvas(gl, part.size, "f4"), DecodedPictures(gl)
    textures = {**simulation.state.named("nca_state"), "nca_field": simulation.field_texture,
                **simulation.previous.named("nca_before"),
                "nca_colors": simulation.colors}  # fmt: skip
    values = {**FLOAT_STATE, "nca_picture": part.size, "nca_transparent": False,
              "nca_alone": simulation.color_map_of_all or (0.0, 0.0, 0.0)}  # fmt: skip
    pictures.draw(simulation.decoded, part, canvas, textures, values)
    pixels = np.frombuffer(canvas.target.read(components=3, alignment=1, dtype="f4"), np.float32)
    canvas.release()
    return torch.from_numpy(pixels.copy()).view(*part.size[::-1], 3).permute(2, 0, 1)


@pytest.mark.parametrize("store", ["inline", "texture"])
@pytest.mark.parametrize(
    ("channels", "settings", "decoder"),
    [
        (6, {}, DecoderSettings(4)),
        (4, {"padding": "zeros", "alive_threshold": 0.1}, DecoderSettings(3, 1, (17, 21), "sine")),
        (13, {"padding": "reflect", "rgb_scale": 0.5}, DecoderSettings(16, 3, (64,), "sine")),
    ],
)
def test_a_picture_is_that_of_torch(gl, channels, settings, decoder, store):
    rule = decoded_rule(channels=channels, decoder=decoder, **settings)
    simulation = started(gl, [rule], store=store)
    for scale in (decoder.scale, 7):
        part = Part((0.0, 0.0), (WIDTH, HEIGHT), (scale * WIDTH, scale * HEIGHT))
        expected = rule.to_image(simulation.read()[None], scale=scale)[0].detach()
        spread = float(expected.max() - expected.min())
        difference = drawn(gl, simulation, part) - expected.clamp(0, 1)
        assert difference.abs().max() < 1e-5 * spread
    simulation.release()


def test_borders_between_rules_blend_colors(gl):
    rules = [decoded_rule(1), decoded_rule(2, rgb_offset=0.3), decoded_rule(3, rgb_scale=0.6)]
    rules[2].decoder = None
    rules[2].settings = RuleSettings(6, 8, rgb_scale=0.6)
    simulation = started(gl, rules)
    simulation.paint_rule(1, Stroke((9.0, 2.0), (9.0, 8.0), 2.5))
    simulation.paint_rule(2, Stroke((4.0, 2.0), (4.0, 4.0), 2.0))
    owned = owned_shares(torch.from_numpy(simulation.field.shares), 3)
    assert all(0.1 < share.mean() < 0.9 for share in owned)
    expected = mixed_picture(rules, owned, simulation.read(), 5)
    part = Part((0.0, 0.0), (WIDTH, HEIGHT), (5 * WIDTH, 5 * HEIGHT))
    assert (drawn(gl, simulation, part) - expected).abs().max() < 1e-5
    simulation.release()


def test_a_closer_look_shows_more_detail(gl):
    rule = decoded_rule()
    simulation, display = started(gl, [rule]), Display(gl)
    for camera in (Camera(), Camera(3.3, -1.7, 40.0), Camera(-5.0, -6.0, 25.0)):
        size = (WIDTH * 4, HEIGHT * 4) if camera == Camera() else (200, 120)
        camera.zoom = 4.0 if camera == Camera() else camera.zoom
        picture = to_tensor(display.picture(simulation, camera, Look(), size))
        rows = pixel_places(camera.y, size[1] / camera.zoom, size[1]) % HEIGHT
        columns = pixel_places(camera.x, size[0] / camera.zoom, size[0]) % WIDTH
        expected = rule.colors_at(simulation.read()[None], rows, columns)[0].clamp(0, 1)
        assert (picture - expected).abs().max() <= BYTE
    natural = to_tensor(display.whole(simulation, Look(), 4))
    expected = rule.to_image(simulation.read()[None])[0].clamp(0, 1)
    assert (natural - expected).abs().max() <= BYTE
    display.release()
    simulation.release()


def test_other_views_and_dead_places_are_as_without_a_decoder(gl):
    rule = decoded_rule(alive_threshold=0.1, rgb_offset=1.0, padding="zeros")
    simulation, display = started(gl, [rule]), Display(gl)
    look = Look(view="channel 2", color_map="grey")
    channel = to_tensor(display.whole(simulation, look))
    expected = (simulation.read()[1] * 0.5 + 0.5).clamp(0, 1)
    assert (channel - expected).abs().max() <= BYTE
    simulation.write(torch.zeros(6, HEIGHT, WIDTH))
    for transparent, shown in ((False, 1.0), (True, 0.0)):
        picture = display.whole(simulation, Look(transparent=transparent), 4)
        assert to_tensor(picture.convert("RGBA").getchannel("A")).mean() == shown
    display.release()
    simulation.release()


def test_an_average_is_that_of_the_pictures(gl):
    rule = decoded_rule()
    simulation, display = started(gl, [rule]), Display(gl)
    display.aim(Camera(zoom=4.0), (4 * WIDTH, 4 * HEIGHT))
    expected = None
    for _ in range(4):
        simulation.step()
        display.average(simulation, look := Look(average_steps=3))
        picture = rule.to_image(simulation.read()[None])[0].clamp(0, 1).detach()
        expected = picture if expected is None else expected + 0.5 * (picture - expected)
    assert (to_tensor(display.whole(simulation, look, 4)) - expected).abs().max() <= BYTE
    display.release()
    simulation.release()


@pytest.mark.parametrize("plain", [False, True], ids=["other weights", "instead of a plain rule"])
def test_a_new_rule_is_seen_during_a_pause(gl, plain):
    first = bounded_rule(RuleSettings(4, 8)) if plain else decoded_rule(1)
    simulation, display = started(gl, [first], store="texture"), Display(gl)
    before, other = display.whole(simulation, Look(), 4), decoded_rule(2)
    simulation.set_rule(0, other)
    picture = to_tensor(display.whole(simulation, Look(), 4))
    expected = other.to_image(simulation.read()[None])[0].clamp(0, 1)
    assert (picture - expected).abs().max() <= BYTE
    assert (picture - to_tensor(before)).abs().max() > 0.1
    display.release()
    simulation.release()


def test_a_part_is_the_grid_or_what_the_camera_sees():
    grid, picture = (128, 96), (1024, 768)
    assert decoded_part(grid, Camera(zoom=8.0), picture, 8).size == picture
    assert decoded_part(grid, Camera(zoom=4.0), picture, 8).size == picture
    close = decoded_part(grid, Camera(5.0, 6.0, 32.0), (1023, 767), 8)
    assert close == Part((5.0, 6.0), (32.0, 24.0), picture)
    far = decoded_part((1000, 1000), Camera(zoom=0.5), (500, 500), 8)
    assert (far.corner, far.size) == ((0.0, 0.0), (707, 707))
    assert max(decoded_part((8192, 4), Camera(zoom=0.1), picture, 8).size) <= 8192
