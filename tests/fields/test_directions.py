"""Directions from pictures."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from nca.cli import main
from nca.fields.directions import angle_of, edge_angles, mapped_angles, own_angle
from nca.fields.texels import FIELDS, NEUTRAL, Fields, byte_of
from nca.images import to_tensor
from nca.rulefile import save_rule
from tests.helpers.rules import striped_rule


def rings(side: int = 128) -> Image.Image:
    """Rings around the middle, and nothing outside of them."""
    y, x = np.mgrid[:side, :side] - side / 2 + 0.5
    away = np.hypot(x, y)
    gray = np.where(away < 0.4 * side, 127 + 120 * np.sin(away / 2), 127)
    return Image.fromarray(gray.astype(np.uint8)).convert("RGB")


def test_bytes_are_the_values_of_the_fields():
    texels = torch.tensor([[[b, b, b, b] for b in range(256)]], dtype=torch.uint8)
    fields = Fields(texels)
    values = {"direction": fields.angle, "size": fields.size, "pace": fields.pace}
    for name, of_bytes in values.items():
        for byte in range(1, 256):
            assert byte_of(name, float(of_bytes[0, byte])) == byte, name
    assert [byte_of(name, name != "direction") for name in FIELDS] == list(NEUTRAL)
    assert fields.size[0, [1, 128, 255]].tolist() == pytest.approx([0.25, 1, 4])
    assert fields.largest_firing_hash(2**31 - 1)[0, [0, 64, 128, 255]].tolist() == [
        0, 64 * (2**24 - 1), 2**31 - 1, 255 * (2**24 - 1),
    ]  # fmt: skip
    assert fields.largest_firing_hash(2**32 - 1)[0, 255] == 2**32 - 1


def test_gray_values_are_angles():
    picture = Image.new("RGB", (8, 8), (64, 64, 64))
    picture.paste((255, 255, 255), (4, 0, 6, 8))
    picture.paste((0, 0, 0), (6, 0, 8, 8))
    angles = mapped_angles(picture, 4, 4)
    assert angles[:, 0].tolist() == [pytest.approx(math.pi / 2)] * 4
    assert angles[:, 3].abs().max() < 0.03  # white is just short of a whole turn
    wide = mapped_angles(picture, 4, 2)  # the middle of the picture
    assert wide[:, 0].tolist() == [pytest.approx(math.pi / 2, abs=0.3)] * 4
    assert wide[:, 1].abs().max() < 0.3


def test_directions_go_along_edges_also_where_there_are_none():
    angles = edge_angles(rings(), 64, 64)
    y, x = torch.meshgrid(torch.arange(64) - 31.5, torch.arange(64) - 31.5, indexing="ij")
    away = torch.hypot(x, y)
    apart = (angles - torch.atan2(x, -y) + math.pi / 2) % math.pi - math.pi / 2
    assert apart[(away > 8) & (away < 24)].abs().mean() < math.radians(3)
    assert apart[(away > 27) & (away < 31)].abs().mean() < math.radians(15)


def test_a_texture_has_a_direction_of_its_own():
    assert min(own_angle(striped_rule()), math.pi - own_angle(striped_rule())) < 0.1
    assert angle_of(torch.rand(32, 32, generator=torch.Generator().manual_seed(0))) == 0


def test_rendered_stripes_follow_a_map_and_a_photograph(tmp_path, capsys):
    rule, out = tmp_path / "stripes.safetensors", tmp_path / "out.png"
    save_rule(rule, striped_rule())
    Image.new("RGB", (16, 16), (32, 32, 32)).save(tmp_path / "map.png")  # 45 degrees
    stripes = np.mgrid[:96, :96].sum(0) // 6 % 2 * 255  # 135 degrees
    Image.fromarray(stripes.astype(np.uint8)).convert("RGB").save(tmp_path / "photo.png")
    words = ["render", str(rule), "--size", "64", "--steps", "120", "--out", str(out)]
    for flag, name, degrees in (("--direction-map", "map", 45), ("--follow", "photo", 135)):
        assert main([*words, flag, str(tmp_path / f"{name}.png"), "--overwrite"]) == 0
        found = math.degrees(angle_of(to_tensor(Image.open(out)).mean(0)))
        assert abs(found - degrees) < 10
    played = [str(tmp_path / "played.png"), "--scales", "2", "1", "--steps", "20"]
    photo = str(tmp_path / "photo.png")
    assert main(["play", str(rule), photo, "--follow", photo, "--out", *played]) == 0
    assert main([*words, "--follow", photo, "--direction-map", photo, "--overwrite"]) == 2
    assert "--direction-map and --follow exclude each other" in capsys.readouterr().err
    assert main([*words, "--follow", photo, "--engine", "native", "--overwrite"]) == 2
    assert "--engine native: has no fields of directions; use auto" in capsys.readouterr().err
