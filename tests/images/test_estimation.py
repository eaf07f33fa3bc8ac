"""The maps that are estimated from one photograph."""

import pytest
import torch

from nca.errors import InputError
from nca.images import read_square
from nca.images.material import estimate_maps, read_material
from nca.images.relief import slopes_of_height
from nca.maps import map_channels
from nca.pictures import material_path, picture_path
from tests.helpers.picture_makers import blobs, slopes_of_normals


def test_dark_is_deep_in_the_estimate():
    color = blobs(64, 64)[0].mean(0, keepdim=True).expand(3, -1, -1) * 0.8 + 0.1
    material = estimate_maps(color, ("normal", "height", "occlusion", "roughness"))
    assert material.maps == ("color", "normal", "height", "roughness", "occlusion")
    values = {name: material.values[at] for name, at in map_channels(material.maps).items()}
    assert torch.equal(values["color"], color)
    alike = torch.corrcoef(torch.stack([values["height"].flatten(), color[0].flatten()]))[0, 1]
    assert alike > 0.75
    assert (values["height"].min(), values["height"].max()) == (0, 1)
    slopes = slopes_of_height(values["height"][0], wraps=False)
    both = torch.stack([slopes.flatten(), slopes_of_normals(values["normal"]).flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.999


def test_joints_are_occluded_in_the_estimate():
    color = torch.full((3, 64, 64), 0.7)
    joint = (torch.arange(64) % 16 < 2).expand(64, 64)
    color[:, joint] = 0.2
    height, occlusion = estimate_maps(color, ("height", "occlusion")).values[3:]
    assert height[joint].max() < 0.5
    assert occlusion[joint].mean() < 0.7
    assert occlusion[:, 8::16].min() > 0.95


def test_the_estimate_does_not_follow_the_light_of_the_picture():
    color = blobs(64, 64)[0] * 0.8 + 0.1
    linear = color**2.2 * torch.linspace(0.5, 1, 64)  # lit from the right
    shaded = estimate_maps(linear ** (1 / 2.2), ("height",)).values[3]
    even = estimate_maps(color, ("height",)).values[3]
    assert torch.corrcoef(torch.stack([shaded.flatten(), even.flatten()]))[0, 1] > 0.9


def test_noise_is_estimated_rougher_than_an_even_tone():
    color = torch.full((3, 64, 64), 0.5)
    color[:, :, 32:] += 0.2 * (torch.rand(64, 32, generator=torch.Generator().manual_seed(2)) - 0.5)
    rough = estimate_maps(color, ("roughness",)).values[3]
    assert rough[:, :24].mean() < 0.55
    assert rough[:, 40:].mean() > 0.75


def test_a_photograph_of_one_color_has_a_level_estimate():
    material = estimate_maps(torch.full((3, 32, 32), 0.5), ("normal", "roughness"))
    assert (material.values[5] == 1).all()
    assert torch.isfinite(material.values).all()


def test_metalness_is_not_estimated():
    with pytest.raises(InputError, match="metalness cannot be estimated from a photograph"):
        estimate_maps(blobs()[0], ("metalness",))


@pytest.mark.parametrize(("name", "least"), [("pebbles", 0.6), ("scales", 0.7), ("weave", 0.2)])
def test_the_estimate_is_like_the_height_that_a_picture_was_drawn_from(name, least):
    estimated = estimate_maps(read_square(picture_path(name), 128), ("height",)).values[3]
    material = read_material(material_path(name), 128)
    height = material.values[map_channels(material.maps)["height"]]
    assert torch.corrcoef(torch.stack([estimated.flatten(), height.flatten()]))[0, 1] > least
