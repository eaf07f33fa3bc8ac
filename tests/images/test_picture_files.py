"""Which files of a folder are pictures."""

import os
from pathlib import Path

import pytest
from PIL import Image

from nca.ddpm.data.dataset import read_dataset
from nca.errors import InputError
from nca.images import picture_files, read_image
from nca.images.picture_files import FORMATS, is_picture, pictures_in
from nca.texture.settings import train_settings
from nca.texture.sweep import plan
from nca.viewer.files.video_input import open_source
from tests.helpers.picture_makers import rgb_icc
from tests.images.test_color_profiles import COLOR, p3_to_srgb

CLUTTER = ("._1.png", ".DS_Store", "notes.pdf", "clip.mpg", "Thumbs.db", "page.eps", "data.h5",
           ".hidden/1.png", "__MACOSX/._1.png", "__MACOSX/1.png", "folder.png/text")  # fmt: skip
HEIC_HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def picture(path: Path, red: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 32), (red, 40, 40)).save(path)


def clutter(folder: Path) -> None:
    for name in CLUTTER:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\0\5\x16\7")
    os.mkfifo(folder / "pipe.png")
    (folder / "gone.png").symlink_to("nowhere")


@pytest.fixture
def without_heic(monkeypatch: pytest.MonkeyPatch) -> None:
    formats = tuple(name for name in picture_files.readable_formats() if name != "HEIF")
    for module in ("picture_files", "decoding"):
        monkeypatch.setattr(f"nca.images.{module}.readable_formats", lambda: formats)


def test_pictures_come_in_natural_order_and_nothing_else_does(tmp_path: Path) -> None:
    names = ("1.png", "2.JPG", "10.webp", "a 9.tif", "a 10.gif", "b.jpeg")
    for name in names:
        picture(tmp_path / name)
    clutter(tmp_path)
    assert [path.name for path in pictures_in(tmp_path)] == list(names)
    picture(tmp_path / "x" / "2.png")
    assert [path.name for path in pictures_in(tmp_path, subfolders=True)] == [*names, "2.png"]


def test_names_without_numbers_of_several_lengths_are_in_the_order_of_text(tmp_path: Path) -> None:
    names = ["a-1.png", "a.png", "a1.png", "B.png", "frame_001.png", "frame_002.png", "Ä.png"]
    for name in names:
        picture(tmp_path / name)
    assert pictures_in(tmp_path) == sorted(tmp_path.iterdir())


def test_a_hidden_folder_that_is_named_is_read(tmp_path: Path) -> None:
    picture(tmp_path / ".thumbs" / "1.png")
    assert len(pictures_in(tmp_path / ".thumbs")) == 1


def test_every_command_takes_the_same_files_of_a_folder(tmp_path: Path) -> None:
    for number in range(1, 17):
        picture(tmp_path / f"{number}.png", 10 * number)
    clutter(tmp_path)
    reds = [10 * number for number in range(1, 17)]
    settings = train_settings(tmp_path, tmp_path / "out", "tiny")
    assert [run.name for run in plan([settings])] == [str(number) for number in range(1, 17)]
    frames = list(open_source(str(tmp_path), (8, 8)).frames())
    assert [frame.getpixel((4, 4))[0] for frame in frames] == reds
    assert read_dataset(str(tmp_path), 8).images[:, 0, 4, 4].tolist() == reds


def test_what_pillow_can_only_write_is_no_picture() -> None:
    Image.init()
    for extension, kind in Image.registered_extensions().items():
        assert is_picture(Path(f"a{extension}")) == (kind in FORMATS)
        assert kind not in FORMATS or kind in Image.OPEN or kind == "MPO"


def test_heic_that_cannot_be_read_is_named(
    tmp_path: Path, without_heic: None, capsys: pytest.CaptureFixture[str]
) -> None:
    del without_heic
    (tmp_path / "IMG_1.HEIC").write_bytes(HEIC_HEAD)
    advice = "pip install pillow-heif to read HEIC, or convert to JPEG"
    with pytest.raises(InputError, match=f"no images but HEIC, such as IMG_1.HEIC; {advice}"):
        pictures_in(tmp_path)
    with pytest.raises(InputError, match=f"IMG_1.HEIC is a HEIC image; {advice}"):
        read_image(tmp_path / "IMG_1.HEIC")
    (tmp_path / "IMG_1.HEIC").rename(tmp_path / "IMG_1.jpg")
    with pytest.raises(InputError, match="is a HEIC image"):
        read_image(tmp_path / "IMG_1.jpg")
    (tmp_path / "IMG_1.jpg").rename(tmp_path / "IMG_1.HEIC")
    picture(tmp_path / "1.png")
    assert pictures_in(tmp_path) == [tmp_path / "1.png"]
    said = capsys.readouterr().err
    assert said == f"{tmp_path}: 1 HEIC left out, such as IMG_1.HEIC; {advice}\n"


def test_heic_is_read_with_pillow_heif(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    image = Image.new("RGB", (64, 48), COLOR)
    image.save(tmp_path / "a.heic", quality=100, icc_profile=rgb_icc())
    assert pictures_in(tmp_path) == [tmp_path / "a.heic"]
    read = read_image(tmp_path / "a.heic")
    assert read.size == (64, 48)
    assert read.getpixel((30, 20)) == pytest.approx(p3_to_srgb(COLOR), abs=4)
    (tmp_path / "a.heic").write_bytes(HEIC_HEAD)
    with pytest.raises(InputError, match=r"a\.heic"):
        read_image(tmp_path / "a.heic")
