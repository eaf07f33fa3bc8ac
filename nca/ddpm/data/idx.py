"""Read IDX files, the format of MNIST, from a folder, or download them."""

import gzip
import hashlib
import math
import struct
import sys
import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from nca.errors import InputError
from nca.system.files import write_atomically

UNSIGNED_BYTE = 0x08
MAX_BYTES = 800 * 2**20  # maximum size of an array; the largest known one (EMNIST) has 610 MiB
PIECE = 2**20
TIMEOUT = 30.0  # seconds without data


@dataclass(frozen=True)
class Published:
    """Files that are downloaded once.

    Attributes:
        address: address of the folder with the files; it ends with a slash.
        md5: hash of each file, from its publisher (FashionMNIST) or torchvision (MNIST).
        names: names of the classes.
    """

    address: str
    md5: dict[str, str]
    names: tuple[str, ...]


PUBLISHED = {
    "fashion": Published(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        {
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        },
        ("t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
         "boot"),
    ),
    "mnist": Published(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        {
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        },
        tuple("0123456789"),
    ),
}  # fmt: skip


class Readable(Protocol):
    """A file open for reading."""

    def read(self, size: int, /) -> bytes:
        """Read at most ``size`` bytes; returns no bytes at the end of the file."""
        ...


def read_idx(path: Path) -> Tensor:
    """Read an array of bytes from a file, which may be compressed with gzip.

    Returns:
        The array, uint8, with the shape given in the header.

    Raises:
        InputError: the file cannot be read, is not an IDX file of bytes, or its length does not
            match its header.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            shape = _read_shape(path, file)
            expected = math.prod(shape)
            data = _read_at_most(file, expected)
            more = bool(file.read(1))
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    if len(data) != expected or more:
        raise InputError(
            f"{path} has {'more' if more else len(data)} bytes of data; its header says {expected}"
        )
    if not expected:
        return torch.empty(shape, dtype=torch.uint8)
    return torch.frombuffer(data, dtype=torch.uint8).reshape(shape)


def _read_shape(path: Path, file: Readable) -> tuple[int, ...]:
    kind = file.read(4)
    if len(kind) < 4 or kind[:2] != b"\0\0" or kind[2] != UNSIGNED_BYTE or not 1 <= kind[3] <= 4:
        raise InputError(f"{path} is not an IDX file of bytes")
    sizes = file.read(4 * kind[3])
    if len(sizes) < 4 * kind[3]:
        raise InputError(f"{path} ends within its header")
    shape = struct.unpack(f">{kind[3]}I", sizes)
    if math.prod(shape) > MAX_BYTES:
        raise InputError(f"{path}: its header says {math.prod(shape)} bytes; at most {MAX_BYTES}")
    return shape


def _read_at_most(file: Readable, count: int) -> bytearray:
    """Read piece by piece, so that a wrong size in the header cannot allocate that much memory."""
    data = bytearray()
    while len(data) < count and (piece := file.read(min(PIECE, count - len(data)))):
        data += piece
    return data


def read_idx_folder(folder: Path) -> tuple[Tensor, Tensor | None]:
    """Read the images in a folder, and their classes if the folder has any.

    The training set is read if it exists, otherwise the test set (``t10k``).

    Returns:
        [N, H, W] uint8, and [N] int64.

    Raises:
        InputError: the folder has neither set, or a file is not valid.
    """
    for part in ("train", "t10k"):
        images = _find(folder, f"{part}-images-idx3-ubyte")
        if images is None:
            continue
        pixels = read_idx(images)
        if pixels.ndim != 3 or not pixels.numel():
            raise InputError(f"{images} has the shape {list(pixels.shape)}; images have three axes")
        labels = _find(folder, f"{part}-labels-idx1-ubyte")
        if labels is None:
            return pixels, None
        classes = read_idx(labels)
        if classes.shape != pixels.shape[:1]:
            raise InputError(f"{labels} has {len(classes)} classes for {len(pixels)} images")
        return pixels, classes.long()
    raise InputError(f"{folder} has no train-images-idx3-ubyte or t10k-images-idx3-ubyte (.gz)")


def _find(folder: Path, name: str) -> Path | None:
    names = (name, f"{name}.gz")
    return next((folder / each for each in names if (folder / each).is_file()), None)


def fetch(published: Published, folder: Path) -> None:
    """Download the files that are missing from a folder, and check their hashes.

    Raises:
        InputError: a file cannot be downloaded, or it is damaged and was discarded.
    """
    for name, md5 in published.md5.items():
        if (folder / name).exists():
            continue
        address = published.address + name
        print(f"fetching {address}, once", file=sys.stderr)
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:
                data: bytes = answer.read()
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise InputError(
                f"cannot download {address} ({reason}); set `data` to a folder that has the file, "
                f"or use `data` builtin, which needs no network"
            ) from error
        if hashlib.md5(data, usedforsecurity=False).hexdigest() != md5:
            raise InputError(f"{address} is damaged: its MD5 is not {md5}")
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, data)
