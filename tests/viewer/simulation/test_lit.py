"""Lit materials and their maps in the viewer, against numpy."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nca.decoder import DecoderSettings
from nca.errors import InputError
from nca.exporters.glsl.lit import MAP_VIEWS, map_layout
from nca.gl.shader import Value
from nca.maps import MAPS, map_channels
from nca.rule_settings import RuleSettings
from nca.viewer.simulation.camera import Camera
from nca.viewer.simulation.canvas import Canvas, Part, decoded_part
from nca.viewer.simulation.display import Display
from nca.viewer.simulation.lit import LitPictures
from nca.viewer.simulation.look import Look, natural_scale, parse_view, view_of, views_of
from nca.viewer.simulation.simulation import FLOAT_STATE, Simulation
from nca.viewer.simulation.stroke import Stroke
from tests.helpers.rules import bounded_rule
from tests.viewer.simulation.decoded import owned_shares
from tests.viewer.simulation.lit import (
    FEW,
    MANY,
    Array,
    Scene,
    fine,
    lit_as_cells,
    material,
    mixed_map,
    random_state,
)

pytestmark = pytest.mark.gl

HEIGHT, WIDTH = 10, 16


def started(gl, *rules) -> Simulation:
    simulation = Simulation(gl, rules, (HEIGHT, WIDTH))
    simulation.write(random_state(simulation.channels, HEIGHT, WIDTH))
    return simulation


def scene_of(simulation: Simulation, **seen) -> Scene:
    shares = torch.from_numpy(simulation.field.shares.copy())
    owned = owned_shares(shares, len(simulation.rules))
    values = {"part": (0.0, 0.0, WIDTH, HEIGHT), "size": (WIDTH, HEIGHT), **seen}
    return Scene(simulation.rules, owned, simulation.read(), **values)


def drawn(gl, simulation: Simulation, scene: Scene, view: str = "lit") -> Array:
    canvas, pictures = Canvas(gl, scene.size, "f4"), LitPictures(gl)
    textures = {**simulation.state.named("nca_state"), "nca_field": simulation.field_texture,
                "nca_colors": simulation.colors}  # fmt: skip
    values: dict[str, Value] = {
        **FLOAT_STATE, "nca_picture": scene.size, "nca_size": (WIDTH, HEIGHT),
        "nca_alone": simulation.color_map_of_all or (0.0, 0.0, 0.0),
    }  # fmt: skip
    part = Part(scene.part[:2], scene.part[2:], scene.size)
    lamp, relief = scene.lamp, scene.relief
    pictures.draw(view, simulation, part, canvas, textures, values, lamp, relief)
    pixels = np.frombuffer(canvas.target.read(components=3, alignment=1, dtype="f4"), np.float32)
    pictures.release()
    canvas.release()
    return pixels.reshape(*scene.size[::-1], 3).astype(np.float64)


CLOSE = {"part": (2.3, -1.7, 20.0, 14.0), "size": (90, 63)}
FAR = {"part": (-3.0, 1.4, 96.0, 60.0), "size": (40, 25)}
LAMP = {"lamp": (0.3, 0.7)}


@pytest.mark.parametrize("seen", [CLOSE, {**CLOSE, **LAMP, "relief": 3.0}, {**FAR, **LAMP}])
@pytest.mark.parametrize(
    "rule",
    [
        material(*MANY),
        material(*FEW, channels=8, rgb_scale=0.7, rgb_offset=0.4, padding="zeros"),
    ],
    ids=["many", "few"],
)
def test_a_lit_material_is_that_of_numpy(gl, rule, seen):
    simulation = started(gl, rule)
    scene = scene_of(simulation, **seen)
    assert np.abs(drawn(gl, simulation, scene) - scene.picture()).max() < 1e-4
    simulation.release()


def test_rules_share_a_grid_and_those_without_maps_are_matte(gl):
    plain = bounded_rule(RuleSettings(6, 8, rgb_scale=0.6))
    simulation = started(gl, material(*MANY), plain, material(*FEW, channels=10))
    simulation.paint_rule(1, Stroke((3, 4), (3, 5), 4))
    simulation.paint_rule(2, Stroke((12, 4), (12, 5), 4))
    simulation.write(random_state(12, HEIGHT, WIDTH))
    scene = scene_of(simulation, **CLOSE, **LAMP)
    assert all(0.1 < owned.mean() < 0.9 for owned in scene.owned)
    assert np.abs(drawn(gl, simulation, scene) - scene.picture()).max() < 1e-4
    scene = replace(scene, relief=3.0)
    assert np.abs(drawn(gl, simulation, scene) - scene.picture()).max() < 1e-4
    for view in MAP_VIEWS[1:]:
        assert np.abs(drawn(gl, simulation, scene, view) - scene.picture(view)).max() < 1e-5, view
    simulation.release()


def test_the_maps_of_cells_are_those_of_the_rule(gl):
    rule = material(*MANY)
    simulation = started(gl, rule)
    state = simulation.read() * 0.8  # within what is shown
    simulation.write(state)
    for name, values in list(rule.to_maps(state[None]).items())[1:]:
        shown = drawn(gl, simulation, scene_of(simulation), name).transpose(2, 0, 1)
        assert np.abs(shown - values[0].numpy()).max() < 1e-5, name
    simulation.release()


@pytest.mark.parametrize("store", ["inline", "texture"])
@pytest.mark.parametrize(
    "rule",
    [
        fine(*MANY),
        fine(*FEW, padding="zeros", alive_threshold=0.1, rgb_scale=0.7, rgb_offset=0.4,
             decoder=DecoderSettings(4, 2, (17, 21), "sine")),
        fine("color", "height", channels=5, padding="reflect"),
    ],
    ids=["many", "few", "height"],
)  # fmt: skip
def test_a_decoder_draws_the_maps_of_torch(gl, rule, store):
    simulation = Simulation(gl, [rule], (HEIGHT, WIDTH), store=store)
    simulation.write(random_state(rule.settings.channels, HEIGHT, WIDTH))
    for scale in (rule.settings.decoder.scale, 7):
        maps = rule.to_maps(simulation.read()[None], scale=scale)
        scene = scene_of(simulation, size=(scale * WIDTH, scale * HEIGHT))
        for name, one in list(maps.items())[1:]:
            shown = drawn(gl, simulation, scene, name).transpose(2, 0, 1)
            values = one[0].detach()
            right, spread = values.clamp(0, 1), float(values.max() - values.min())
            assert right.std() > 0.05
            assert np.abs(shown - right.numpy()).max() < 1e-5 * max(spread, 1), name
    # A map that the rule lacks.
    if "metalness" not in rule.settings.maps:
        assert not drawn(gl, simulation, scene, "metalness").any()
        assert (drawn(gl, simulation, scene, "occlusion") == 1).all()
    simulation.release()


@pytest.mark.parametrize("light", [{}, {**LAMP, "relief": 2.0}], ids=["distant", "lamp"])
def test_decoded_maps_are_lit_like_those_of_cells(gl, light):
    rule = fine(*MANY)
    simulation = started(gl, rule)
    size = (3 * WIDTH, 3 * HEIGHT)  # the pixels of the maps are those of the picture
    scene = scene_of(simulation, size=size, **light)
    right = lit_as_cells(rule, simulation.read(), scene.part, size, 3, **light)
    assert np.abs(drawn(gl, simulation, scene) - right).max() < 1e-4
    # A closer look shows more detail: pixels have a scale of 10.
    part, size = (2.4, -1.2, 8.0, 6.0), (80, 60)
    scene = scene_of(simulation, part=part, size=size)
    right = lit_as_cells(rule, simulation.read(), part, size, 10)
    assert np.abs(drawn(gl, simulation, scene) - right).max() < 1e-4
    # The light depends on a relief beyond the border.
    scene = replace(scene, relief=2.0)
    right = lit_as_cells(rule, simulation.read(), part, size, 10, relief=2.0)
    assert np.abs(drawn(gl, simulation, scene) - right)[10:-10, 10:-10].max() < 2e-4
    # From far away, pixels are averaged.
    part, size = (0.0, 0.0, float(WIDTH), float(HEIGHT)), (WIDTH, HEIGHT)
    display = Display(gl)
    shown = np.asarray(display.picture(simulation, Camera(), Look(), size)) / 255
    density = decoded_part((WIDTH, HEIGHT), Camera(), size, 3).density
    assert 1 < density < 3
    close = lit_as_cells(rule, simulation.read(), part, size, 3)
    assert np.abs(shown - close).mean() < 0.05
    display.release()
    simulation.release()


def test_decoders_of_rules_that_share_a_grid_blend_maps(gl):
    rules = [fine(*MANY, seed=1), fine(*FEW, seed=2, channels=10, rgb_offset=0.3),
             material("color", "height"), fine(channels=6, seed=3)]  # fmt: skip
    simulation = started(gl, *rules)
    for i, (x, y) in enumerate([(9.0, 2.0), (4.0, 4.0), (13.0, 7.0)]):
        simulation.paint_rule(i + 1, Stroke((x, y), (x, y + 2), 2.5))
    simulation.write(random_state(12, HEIGHT, WIDTH))
    scene = scene_of(simulation, size=(4 * WIDTH, 4 * HEIGHT))
    assert all(owned.mean() > 0.05 for owned in scene.owned)
    for name in MAP_VIEWS[1:]:
        right = mixed_map(rules, scene.owned, simulation.read(), name, 4)
        if name == "normal":
            right = torch.nn.functional.normalize(right * 2 - 1, dim=0) / 2 + 0.5
        shown = drawn(gl, simulation, scene, name).transpose(2, 0, 1)
        difference = np.abs(shown - right.numpy())
        assert difference.max() < (1e-3 if name == "normal" else 2e-5), name
    simulation.release()


def test_a_saved_grid_has_the_pixels_of_the_decoder(gl):
    rule = fine(*MANY)
    simulation, display = started(gl, rule), Display(gl)
    assert natural_scale(simulation, Look()) == 3
    assert natural_scale(simulation, Look(view="height")) == 3
    assert natural_scale(simulation, Look(view="channel 2")) == 1
    tile = np.asarray(display.whole(simulation, Look(view="height"), 3))
    right = rule.to_maps(simulation.read()[None])["height"][0, 0].detach().clamp(0, 1)
    assert np.abs(tile[..., 0] / 255 - right.numpy()).max() <= 0.51 / 255
    display.release()
    simulation.release()


def test_a_layout_has_the_first_channels():
    for maps in ((), ("color",), FEW, MANY):
        digits = [map_layout(maps) >> 4 * i & 15 for i in range(len(MAPS) - 1)]
        channels = map_channels(maps)
        assert digits == [channels[n].start if n in channels else 0 for n in list(MAPS)[1:]]


def test_bumps_are_lit_from_the_side_of_the_lamp(gl):
    """A gray dome on a plane, with y up in its normals; rows of the state go down."""
    rule, size = material(*MANY), 32
    y, x = (np.mgrid[:size, :size] + 0.5 - size / 2) / (size / 3)
    inside = np.clip(1 - x**2 - y**2, 0, 1) ** 0.5
    normal = np.where(inside > 0, [x, -y, inside], [0 * x, 0 * y, 1 + 0 * x])
    maps = [*(0 * normal + 0.5), *(normal / 2 + 0.5), inside, *(0.5 + 0 * normal[:1])]
    state = torch.zeros(12, size, size)
    state[:8] = torch.from_numpy(np.stack(maps)).float() - 0.5
    state[8] = 0.5  # open
    state[9] = -0.5  # not metal
    simulation, display = Simulation(gl, [rule], (size, size)), Display(gl)
    simulation.write(state)

    def light(lamp):
        picture = display.picture(simulation, Camera(zoom=4.0), Look(lamp=lamp), (128, 128))
        return np.asarray(picture.convert("L"), float)

    sides = {"top": (64, 34), "bottom": (64, 94), "left": (34, 64), "right": (94, 64)}
    for side, (across, down) in sides.items():
        bright = light((across / 128, down / 128))
        seen = {name: bright[v - 4 : v + 5, u - 4 : u + 5].mean() for name, (u, v) in sides.items()}
        assert max(seen, key=seen.__getitem__) == side
    # Without a lamp, the light is distant, and comes from the upper left.
    seen = {
        name: light(None)[v - 4 : v + 5, u - 4 : u + 5].mean() for name, (u, v) in sides.items()
    }
    assert min(seen["top"], seen["left"]) > max(seen["bottom"], seen["right"])
    display.release()
    simulation.release()


def test_a_saved_grid_tiles_and_its_average_follows_the_lamp(gl):
    simulation, display = started(gl, material(*MANY)), Display(gl)
    look = Look(lamp=(0.9, 0.1))
    tile = np.asarray(display.whole(simulation, look, 3))
    size, look.lamp = (2 * tile.shape[1], 2 * tile.shape[0]), None
    tiles = np.asarray(display.picture(simulation, Camera(zoom=3.0), look, size))
    assert np.abs(tiles.astype(int) - np.tile(tile, (2, 2, 1))).max() <= 1

    look = Look(lamp=(0.1, 0.1), average_steps=8)
    before = np.asarray(display.picture(simulation, Camera(zoom=3.0), look, size))
    look.lamp = (0.9, 0.9)
    moved = np.asarray(display.picture(simulation, Camera(zoom=3.0), look, size))
    fresh = np.asarray(display.picture(simulation, Camera(zoom=3.0), Look(lamp=(0.9, 0.9)), size))
    assert np.abs(moved.astype(int) - fresh).max() <= 1
    assert np.abs(moved.astype(int) - before).max() > 20
    display.release()
    simulation.release()


def test_views_of_materials(gl):
    plain = bounded_rule(RuleSettings(6, 8))
    simulation = started(gl, plain, material(*FEW, channels=8))
    assert views_of(simulation)[:4] == ["lit", "colors", "normal", "roughness"]
    assert view_of(simulation, Look()) == "colors"  # no cell has the material yet
    simulation.paint_rule(1, Stroke((3, 4), (3, 5), 2))
    assert view_of(simulation, Look()) == "lit"
    assert view_of(simulation, Look("colors")) == "colors"
    simulation.set_rule(1, plain)
    assert view_of(simulation, Look("normal")) == "colors"  # the view is gone
    simulation.release()
    assert parse_view("roughness", 8, FEW) == "roughness"
    with pytest.raises(InputError, match="lit, roughness, normal, colors"):
        parse_view("height", 8, FEW)
