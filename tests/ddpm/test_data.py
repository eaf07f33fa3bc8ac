"""Pictures from IDX files, folders, the network (a server on this machine) and code."""

import functools
import gzip
import hashlib
import http.server
import struct
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nca.ddpm.data import idx
from nca.ddpm.data.dataset import ImageDataset, read_dataset, split
from nca.ddpm.data.glyphs import draw_glyphs
from nca.ddpm.data.idx import PUBLISHED, Published, fetch, read_idx
from nca.errors import InputError
from tests.conftest import DATA


def idx_bytes(array: np.ndarray) -> bytes:
    header = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_set(folder: Path, count: int = 20, part: str = "train") -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 256, (count, 12, 12))
    (folder / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
    labels = gzip.compress(idx_bytes(np.arange(count) % 3))
    (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(labels)
    return images


@pytest.fixture
def digits() -> Path:
    path = DATA / "digits"
    if not path.exists():
        pytest.skip("no digits beside the checkout")
    return path


def test_idx_files_come_back(tmp_path: Path) -> None:
    images = write_set(tmp_path)
    pictures = read_dataset(str(tmp_path))
    assert np.array_equal(pictures.images[:, 0].numpy(), images)
    assert pictures.labels is not None
    assert pictures.labels.tolist() == [i % 3 for i in range(20)]
    assert pictures.names == ("0", "1", "2")
    assert pictures[4][1] == 1


def test_idx_pictures_can_be_scaled(tmp_path: Path) -> None:
    write_set(tmp_path)
    assert read_dataset(str(tmp_path), 16).images.shape == (20, 1, 16, 16)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not an IDX file"),
        (b"\0\0\x0d\x01\0\0\0\x02" + bytes(8), "not an IDX file of bytes"),
        (b"\0\0\x08\x03\0\0", "ends within its header"),
        (idx_bytes(np.zeros((2, 3, 3)))[:-1], "17 bytes of data; its header says 18"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "its header says 79228162458924105385300197375"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        read_idx(path)


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.random.default_rng(0).random(1000) * 255))[:400])
    with pytest.raises(InputError, match="cannot read"):
        read_idx(path)


def test_a_gzip_is_read_no_further_than_its_header_says(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros(10)) + bytes(10_000_000)))
    with (
        watched_memory() as used,
        pytest.raises(InputError, match="more bytes of data"),
    ):
        read_idx(path)
    assert used() < 1_000_000
    path.write_bytes(gzip.compress(b"\0\0\x08\x01\x80\0\0\0" + bytes(10_000_000)))
    with pytest.raises(InputError, match="its header says 2147483648 bytes; at most 838860800"):
        read_idx(path)


@contextmanager
def watched_memory() -> Iterator[Callable[[], int]]:
    """The peak of what Python allocates, as a function."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_labels_must_be_as_many_as_pictures(tmp_path: Path) -> None:
    write_set(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(gzip.compress(idx_bytes(np.zeros(3))))
    with pytest.raises(InputError, match="3 classes for 20 images"):
        read_dataset(str(tmp_path))


def test_the_real_digits(digits: Path) -> None:
    pictures = read_dataset(str(digits))
    assert pictures.images.shape == (10_000, 1, 28, 28)
    assert pictures.labels is not None
    # Numbers of each digit among MNIST's test digits, as published.
    assert pictures.labels.bincount().tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    mean = pictures.images.float().mean() / 255
    assert mean == pytest.approx(0.1325, abs=1e-3)
    values = pictures.images.double() / 127.5 - 1
    assert pictures.info().std == pytest.approx(float(values.std()), rel=1e-6)


def test_fashion_of_its_sheet_as_a_folder_of_pictures(tmp_path: Path) -> None:
    path = DATA / "fashion" / "fashion_mnist_900.png"
    if not path.exists():
        pytest.skip(f"no {path.name} beside the checkout")
    sheet = Image.open(path)
    for row in range(0, 30, 3):
        (tmp_path / f"class {row // 3}").mkdir()
        for column in range(30):
            box = (28 * column, 28 * row, 28 * column + 28, 28 * row + 28)
            sheet.crop(box).save(tmp_path / f"class {row // 3}" / f"{column}.png")
    pictures = read_dataset(str(tmp_path), 28)
    assert pictures.images.shape == (300, 1, 28, 28)
    assert len(pictures.names) == 10
    first = np.asarray(sheet.crop((0, 0, 28, 28)).convert("L"))
    assert np.array_equal(pictures.images[0, 0].numpy(), first)


def test_a_folder_of_pictures_of_all_kinds(tmp_path: Path) -> None:
    for i in range(16):
        kind = tmp_path / ("red" if i % 2 else "gray")
        kind.mkdir(exist_ok=True)
        color = (200, 10, 10) if i % 2 else (90, 90, 90)
        Image.new("RGB", (20 + i, 40), color).save(kind / f"{i}.{'jpg' if i % 3 else 'png'}")
    pictures = read_dataset(str(tmp_path), 24)
    assert pictures.images.shape == (16, 3, 24, 24)
    assert pictures.names == ("gray", "red")
    assert pictures.images[0].float().std() < 2
    assert pictures.images[-1][0].float().mean() == pytest.approx(200, abs=3)


def test_what_is_no_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be builtin, fashion, mnist, or a folder"):
        read_dataset(str(tmp_path / "none"))
    with pytest.raises(InputError, match="holds no images"):
        read_dataset(str(tmp_path))
    Image.new("L", (32, 32)).save(tmp_path / "one.png")
    with pytest.raises(InputError, match="has 1 images; needs 16 or more"):
        read_dataset(str(tmp_path))


def test_glyphs_are_the_same_every_time_and_differ_among_themselves() -> None:
    images, labels, names = draw_glyphs(24, 48)
    again, _, _ = draw_glyphs(24, 48)
    assert torch.equal(images, again)
    assert images.shape == (48, 3, 24, 24)
    assert len(names) == 12
    assert labels.tolist() == [i % 12 for i in range(48)]
    assert len({picture.numpy().tobytes() for picture in images}) == 48
    # Ink stands out from paper in every one.
    assert (images.amax((1, 2, 3)) - images.amin((1, 2, 3))).min() > 100


def test_a_split_loses_nothing_and_is_the_same_every_time() -> None:
    images = torch.arange(100, dtype=torch.uint8)[:, None, None, None]
    pictures = ImageDataset(images, torch.arange(100), ("x",))
    learned, held_out = split(pictures, 0.25, 3)
    assert (len(learned), len(held_out)) == (75, 25)
    together = torch.cat([learned.images, held_out.images]).flatten()
    assert sorted(together.tolist()) == list(range(100))
    assert torch.equal(split(pictures, 0.25, 3)[1].images, held_out.images)
    assert learned.labels is not None
    assert torch.equal(learned.images.flatten().long(), learned.labels)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An HTTP server of a folder on this machine, and the folder."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/", folder
        running.shutdown()
        thread.join()


def test_what_is_fetched_is_kept_if_its_hash_is_right(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = server
    write_set(folder)
    md5 = {
        path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())
    }
    monkeypatch.setitem(idx.PUBLISHED, "fashion", Published(address, md5, ("a", "b", "c")))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pictures = read_dataset("fashion")
    assert pictures.images.shape == (20, 1, 12, 12)
    assert pictures.names == ("a", "b", "c")
    for path in folder.iterdir():
        path.unlink()
    assert len(read_dataset("fashion")) == 20  # nothing is fetched twice

    write_set(folder, 21)
    wrong = Published(address, dict.fromkeys(md5, "0" * 32), ())
    with pytest.raises(InputError, match=r"train-images.* is damaged: its MD5 is not 000"):
        fetch(wrong, tmp_path / "other")
    assert not (tmp_path / "other").exists()
    gone = Published(address, {"absent.gz": "0" * 32}, ())
    with pytest.raises(InputError, match=r"cannot download .*absent.gz \(File not found\)"):
        fetch(gone, tmp_path / "other")


def test_without_a_network_a_line_says_what_to_do(tmp_path: Path) -> None:
    nowhere = Published("http://127.0.0.1:9/", {"x.gz": "0" * 32}, ())
    with pytest.raises(InputError, match="use `data` builtin, which needs no network"):
        fetch(nowhere, tmp_path)


def test_the_published_hashes_have_the_form_of_hashes() -> None:
    for published in PUBLISHED.values():
        assert all(len(bytes.fromhex(md5)) == 16 for md5 in published.md5.values())
        assert len(published.names) == 10
