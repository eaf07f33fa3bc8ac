"""Folders of maps: every naming, depth and convention, with one-line errors for the rest."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from nca.errors import InputError
from nca.images import write_png16
from nca.images.material import (
    is_material,
    normals_from_height,
    read_material,
    write_maps,
)
from nca.maps import MAPS, MapName, map_channels
from tests.helpers.picture_makers import rgb_icc, tiff16

SIZE = 32
AMBIENT_CG = {
    "color": "Bricks075A_1K-JPG_Color", "normal": "Bricks075A_1K-JPG_NormalGL",
    "height": "Bricks075A_1K-JPG_Displacement", "roughness": "Bricks075A_1K-JPG_Roughness",
    "occlusion": "Bricks075A_1K-JPG_AmbientOcclusion", "metalness": "Bricks075A_1K-JPG_Metalness",
}  # fmt: skip
POLY_HAVEN = {
    "color": "brick_wall_001_diff_1k", "normal": "brick_wall_001_nor_gl_1k",
    "height": "brick_wall_001_disp_1k", "roughness": "brick_wall_001_rough_1k",
    "occlusion": "brick_wall_001_ao_1k", "metalness": "brick_wall_001_metal_1k",
}  # fmt: skip
PLAIN = {
    "color": "base-color", "normal": "Normal", "height": "HEIGHT", "roughness": "roughness",
    "occlusion": "ambient occlusion", "metalness": "Metallic",
}  # fmt: skip


def some_maps(size: int = SIZE) -> dict[MapName, Tensor]:
    chance = torch.Generator().manual_seed(3)
    maps = {name: torch.rand(MAPS[name].width, size, size, generator=chance) for name in MAPS}
    maps["normal"] = normals_from_height(maps["height"][0], 1.5, wraps=True)
    return maps


def parts(folder: Path, size: int = SIZE) -> dict[MapName, Tensor]:
    material = read_material(folder, size)
    assert material.values.dtype == torch.float32
    channels = map_channels(material.maps)
    assert len(material.values) == max(at.stop for at in channels.values())
    return {name: material.values[at] for name, at in channels.items()}


def bytes_of(values: Tensor) -> np.ndarray:
    return (values * 255).round().to(torch.uint8).permute(1, 2, 0).squeeze(-1).numpy()


def save(path: Path, values: Tensor, **options: object) -> None:
    Image.fromarray(bytes_of(values)).save(path, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A color map and a roughness map."""
    save(tmp_path / "a_color.png", some_maps()["color"])
    save(tmp_path / "a_roughness.png", some_maps()["roughness"])
    return tmp_path


def test_written_maps_are_read_again(tmp_path):
    maps = some_maps()
    paths = write_maps(tmp_path / "new" / "folder", maps, "oak_2k")
    assert [path.name for path in paths] == [f"oak_2k_{name}.png" for name in MAPS]
    assert sorted(paths) == sorted((tmp_path / "new" / "folder").iterdir())
    assert is_material(tmp_path / "new" / "folder")
    read = parts(tmp_path / "new" / "folder")
    assert list(read) == list(MAPS)
    for name, values in read.items():
        levels = 65535 if name == "height" else 255
        off = 0.62 if name == "normal" else 0.51  # normals are scaled to length 1 again
        assert (values - maps[name]).abs().max() * levels < off, name


@pytest.mark.parametrize("names", [AMBIENT_CG, POLY_HAVEN, PLAIN])
def test_names_of_the_libraries(tmp_path, names):
    for name, values in some_maps().items():
        save(tmp_path / f"{names[name]}.png", values)
    (tmp_path / "Bricks075A.blend").write_bytes(b"")
    save(tmp_path / "Bricks075A.png", some_maps()["color"])  # the preview
    assert is_material(tmp_path)
    for name, values in parts(tmp_path).items():
        assert (values - some_maps()[name]).abs().max() < 0.7 / 255, name


@pytest.mark.parametrize(
    "names", [("metal", "rough", "sky_color", "beach_color"), ("rusty_metal", "bark_rough", "ao")]
)
def test_a_folder_of_photographs_is_not_a_material(tmp_path, names):
    for name in names:
        save(tmp_path / f"{name}.png", some_maps()["color"])
    assert not is_material(tmp_path)
    assert not is_material(tmp_path / "metal.png")
    assert not is_material(tmp_path / "missing")


def test_normals_of_directx_are_flipped_and_those_of_opengl_preferred(folder):
    normals = some_maps()["normal"]
    flipped = torch.stack([normals[0], 1 - normals[1], normals[2]])
    save(folder / "a_NormalDX.png", flipped)
    assert (parts(folder)["normal"] - normals).abs().max() < 0.7 / 255
    save(folder / "a_NormalGL.png", 0.5 + 0.5 * torch.eye(3)[2][:, None, None].expand_as(normals))
    assert (parts(folder)["normal"][2] > 0.999).all()


def test_16_bits_keep_their_precision_and_the_centered_square_is_scaled(tmp_path):
    wide = torch.linspace(0, 1, 60 * 40 * 3).reshape(3, 40, 60).clone()
    save(tmp_path / "a_color.png", wide)
    write_png16(tmp_path / "a_normal.png", wide * 0.2 + 0.4)
    Image.fromarray((wide[0] * 65535).round().to(torch.int32).numpy().astype(np.uint16)).save(
        tmp_path / "a_height.tif"
    )
    whole = parts(tmp_path, 40)
    assert (whole["height"][0] - wide[0, :, 10:50]).abs().max() < 0.51 / 65535
    vectors = wide[:, :, 10:50] * 0.4 - 0.2
    expected = vectors / vectors.norm(dim=0) / 2 + 0.5
    clear = vectors.norm(dim=0) > 0.1
    assert (whole["normal"] - expected)[:, clear].abs().max() * 255 < 0.05
    small = parts(tmp_path, 20)
    assert (small["normal"] * 2 - 1).norm(dim=0) == pytest.approx(torch.ones(20, 20).numpy())
    pooled = torch.nn.functional.avg_pool2d(wide[:1, :, 10:50], 2)
    assert (small["height"] - pooled)[:, 3:-3, 3:-3].abs().max() < 1e-4


def test_a_tiff_of_several_strips_keeps_16_bits(folder):
    levels = np.random.default_rng(1).integers(20000, 60000, (SIZE, SIZE, 3)).astype(np.uint16)
    (folder / "a_normal.tif").write_bytes(tiff16(levels))
    vectors = levels / 65535 * 2 - 1
    expected = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True) / 2 + 0.5
    off = np.abs(parts(folder)["normal"].permute(1, 2, 0).numpy() - expected)
    assert off[np.linalg.norm(vectors, axis=-1) > 0.1].max() < 1e-5


def test_a_profile_changes_colors_but_not_data(folder):
    values = torch.tensor([0.8, 0.3, 0.5])[:, None, None].expand(3, SIZE, SIZE)
    for name in ("color", "normal", "roughness"):
        save(folder / f"a_{name}.png", values, icc_profile=rgb_icc())
    read = parts(folder)
    assert (read["color"] - values).abs().max() > 0.03
    assert read["roughness"].sub(0.8).abs().max() < 0.51 / 255
    normal = torch.tensor([0.6, -0.4, 0.0])
    expected = normal / normal.norm() / 2 + 0.5
    assert (read["normal"] - expected[:, None, None]).abs().max() < 1.2 / 255


def test_a_packed_map_gives_what_has_no_file_of_its_own(folder):
    packed = torch.stack([torch.full((SIZE, SIZE), value) for value in (0.2, 0.4, 0.6)])
    save(folder / "a_arm_1k.png", packed)
    read = parts(folder)
    assert read["occlusion"].sub(0.2).abs().max() < 0.51 / 255
    assert read["metalness"].sub(0.6).abs().max() < 0.51 / 255
    assert (read["roughness"] - some_maps()["roughness"]).abs().max() < 0.51 / 255


def test_transparency_of_data_is_ignored(folder):
    rough = Image.fromarray(bytes_of(some_maps()["roughness"]))
    rough.putalpha(Image.new("L", (SIZE, SIZE), 0))
    rough.save(folder / "a_roughness.png")
    assert (parts(folder)["roughness"] - some_maps()["roughness"]).abs().max() < 0.51 / 255


def test_a_normal_map_without_direction_is_level(folder):
    save(folder / "a_normal.png", torch.full((3, SIZE, SIZE), 0.5))
    assert (parts(folder)["normal"][2] > 0.999).all()


def missing_color(folder: Path) -> None:
    (folder / "a_color.png").unlink()


def two_files(folder: Path) -> None:
    save(folder / "b_Albedo.jpg", some_maps()["color"])


def two_of_directx(folder: Path) -> None:
    for name in ("a_nor_dx", "b_NormalDX"):
        save(folder / f"{name}.png", some_maps()["normal"])


def other_size(folder: Path) -> None:
    save(folder / "a_disp.png", some_maps(SIZE + 8)["height"])


def damaged(folder: Path) -> None:
    path = folder / "a_roughness.png"
    path.write_bytes(path.read_bytes()[:300])


def not_an_image(folder: Path) -> None:
    (folder / "a_normal.png").write_text("no image")


def of_exr(folder: Path) -> None:
    (folder / "a_nor_gl.exr").write_bytes(b"v/1\1")


def gray_normal(folder: Path) -> None:
    save(folder / "a_normal.png", some_maps()["height"])


def turned_color(folder: Path) -> None:
    turn(folder / "a_color.png", 6)


def turned_roughness(folder: Path) -> None:
    turn(folder / "a_roughness.png", 3)


def turn(path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.open(path).save(path, exif=exif)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (missing_color, "{0} has no color map; its name must end in _Color, .*_diff"),
        (two_files, "{0}: a_color.png and b_Albedo.jpg are both color maps; keep one"),
        (two_of_directx, r"a_nor_dx.png and b_NormalDX.png are both DirectX normal maps"),
        (other_size, "{0}/a_disp.png has 40x40 pixels and a_color.png has 32x32; .* the same size"),
        (turned_color, "{0}/a_color.png: its EXIF orientation turns it; .* be stored upright"),
        (turned_roughness, "{0}/a_roughness.png: its EXIF orientation turns it"),
        (damaged, "cannot read {0}/a_roughness.png: damaged image"),
        (not_an_image, "{0}/a_normal.png is not an image that can be read"),
        (of_exr, "{0}/a_nor_gl.exr: a map must be an image such as PNG or JPEG; convert or remove"),
        (gray_normal, "{0}/a_normal.png is gray; a normal map needs red, green and blue"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(folder, break_it, message):
    break_it(folder)
    with pytest.raises(InputError, match=message.format(folder)) as error:
        read_material(folder, SIZE)
    assert "\n" not in str(error.value)


def test_maps_that_say_that_they_are_upright_are_read(folder):
    turn(folder / "a_roughness.png", 1)
    assert "roughness" in parts(folder)


def test_a_map_that_can_be_read_replaces_one_that_cannot(folder):
    of_exr(folder)
    save(folder / "a_nor_gl.png", some_maps()["normal"])
    assert "normal" in parts(folder)


def test_maps_cannot_be_written_into_a_file(folder):
    with pytest.raises(InputError, match=r"cannot write .*a_color\.png"):
        write_maps(folder / "a_color.png", some_maps(), "x")
