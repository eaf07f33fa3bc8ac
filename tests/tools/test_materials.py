"""The bundled materials: what the code draws, aligned maps that tile, without painted light."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from nca.errors import InputError
from nca.images import read_square
from nca.images.material import is_material, read_material
from nca.images.relief import slopes_of_height
from nca.maps import MapName, map_channels
from nca.pictures import MATERIALS, material_path, picture_path
from tests.helpers.picture_makers import slopes_of_normals
from tools.pictures import SURFACES, draw_maps
from tools.pictures.surface import Light, Surface
from tools.pictures.torus import grid

KINDS = ("color", "normal", "height", "roughness", "occlusion")
SUN = torch.nn.functional.normalize(torch.tensor([-0.55, 0.62, 0.56]), dim=0)  # y up


@pytest.fixture(scope="module", params=sorted(SURFACES))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def maps(name: str) -> dict[MapName, Tensor]:
    material = read_material(material_path(name), 256)
    return {kind: material.values[at] for kind, at in map_channels(material.maps).items()}


def alike(first: Tensor, second: Tensor) -> float:
    return torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1].item()


def test_every_surface_is_bundled():
    assert sorted(SURFACES) == MATERIALS
    assert all(is_material(material_path(name)) for name in MATERIALS)


def test_the_files_are_what_the_code_draws(name, maps):
    drawn = draw_maps(name)
    assert tuple(maps) == tuple(drawn) == KINDS
    for kind, values in drawn.items():
        # One level, as of a picture. Few pixels of a slope may differ by more.
        assert (values - maps[kind]).abs().quantile(0.999) < 1.6 / 255, kind
    with Image.open(material_path(name) / f"{name}_height.png") as height:
        assert (height.mode, height.size) == ("I;16", (256, 256))
    assert sum(path.stat().st_size for path in material_path(name).iterdir()) < 440_000


def test_normals_follow_the_height(maps):
    slopes = slopes_of_height(maps["height"][0], wraps=True)
    # Scales overlap: their edges are steps, whose slopes are too steep to be compared.
    assert alike(slopes, slopes_of_normals(maps["normal"])) > 0.75
    shifted = slopes_of_normals(maps["normal"].roll((4, 4), (1, 2)))
    assert abs(alike(slopes, shifted)) < 0.5


def test_lit_from_the_upper_left_it_is_the_picture(name, maps):
    picture = read_square(picture_path(name), 256)
    facing = torch.einsum("chw,c->hw", 2 * maps["normal"] - 1, SUN).clamp(min=0)
    light = 0.4 * maps["occlusion"] + 0.6 * facing / SUN[2]
    lit = (maps["color"] ** 2.2 * light).clamp(0, 1) ** (1 / 2.2)
    # Much of the picture of scales is in shadows that they cast.
    assert alike(lit, picture) > (0.55 if name == "scales" else 0.95)
    assert alike(lit, picture) > alike(maps["color"], picture)


@pytest.mark.parametrize("axis", [1, 2])
def test_every_map_tiles(maps, axis):
    for kind, values in maps.items():
        steps = (values.roll(-1, axis) - values).abs().mean((0, 3 - axis))
        assert steps[-1] <= steps[:-1].max(), kind


def test_every_map_uses_its_range(maps):
    assert (maps["height"].min(), maps["height"].max()) == (0, pytest.approx(1, abs=1e-3))
    for kind, least in {"height": 0.2, "roughness": 0.05, "occlusion": 0.05}.items():
        assert maps[kind].std() > least, kind
    assert maps["roughness"].min() > 0.1


def test_unusable_arguments_are_named():
    for call in (material_path, draw_maps):
        with pytest.raises(InputError, match="no material is called 'lava'; there are bricks, "):
            call("lava")
    with pytest.raises(InputError, match="`size` 8: must be 16 or more"):
        draw_maps("bricks", 8)


# Surfaces


def test_maps_of_a_wave():
    n, depth = 96, 0.05
    x, _ = grid(n)
    height = depth * np.sin(2 * np.pi * x)
    color = np.full((n, n, 3), 0.5)
    surface = Surface(color, height, np.full((n, n), 0.7), Light(), painted=np.zeros((n, n, 3)))
    maps = {kind: values.movedim(0, -1).numpy() for kind, values in surface.maps(32).items()}
    assert maps["color"] == pytest.approx(np.full((32, 32, 3), 0.7354), abs=3e-3)  # sRGB of 0.5
    assert maps["roughness"] == pytest.approx(np.full((32, 32, 1), 0.7))
    wave = (np.sin(2 * np.pi * grid(32)[0]) + 1) / 2
    assert maps["height"][..., 0] == pytest.approx(wave, abs=0.01)
    slope = 2 * np.pi * depth * np.cos(2 * np.pi * grid(32)[0])
    vectors = np.stack([-slope, 0 * slope, 0 * slope + 1], -1) / np.sqrt(1 + slope**2)[..., None]
    assert maps["normal"] == pytest.approx(vectors / 2 + 0.5, abs=0.01)
    assert surface.picture().max() == 0  # painted black
