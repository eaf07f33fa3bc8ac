"""The images that a diffusion model is trained on: from IDX files or folders, or drawn by code."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset

from nca.ddpm.data.glyphs import draw_glyphs
from nca.ddpm.data.idx import PUBLISHED, fetch, read_idx_folder
from nca.errors import InputError
from nca.images import read_image
from nca.images.picture_files import pictures_in
from nca.system.cache import cache_folder

FOLDER_SIZE = 32  # default side of builtin images and of images from folders, in pixels
LEAST = 16  # minimum number of images


@dataclass(frozen=True)
class DataInfo:
    """Properties of the images that a model is trained on.

    Attributes:
        colors: number of channels, 1 or 3.
        side: width and height, in pixels.
        std: standard deviation of all values, which range from -1 to 1.
        names: names of the classes.
    """

    colors: int
    side: int
    std: float
    names: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """[C, H, W] of an image."""
        return self.colors, self.side, self.side


@dataclass(frozen=True)
class ImageDataset(Dataset[tuple[Tensor, int]]):
    """Images of the same size.

    Attributes:
        images: [N, C, S, S] uint8; C is 1 or 3.
        labels: [N] int64, or None.
        names: names of the classes.
    """

    images: Tensor
    labels: Tensor | None = None
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        label = 0 if self.labels is None else int(self.labels[index])
        return self.images[index], label

    def take(self, chosen: Tensor) -> "ImageDataset":
        """The images with the given indices."""
        labels = None if self.labels is None else self.labels[chosen]
        return ImageDataset(self.images[chosen], labels, self.names)

    def info(self) -> DataInfo:
        """Properties that a network must match; see :class:`DataInfo`."""
        levels = torch.arange(256, dtype=torch.float64) / 127.5 - 1
        shares = torch.bincount(self.images.flatten().int(), minlength=256) / self.images.numel()
        mean = (shares * levels).sum()
        std = float((shares * (levels - mean).square()).sum().sqrt())
        return DataInfo(self.images.shape[1], self.images.shape[-1], std, self.names)


def read_dataset(data: str, size: int | None = None) -> ImageDataset:
    """Read, download or draw images.

    Args:
        data: ``builtin``, ``fashion``, ``mnist``, or the path of a folder.
        size: width and height of the images after cropping to squares and scaling, in pixels; None:
            IDX images keep the length of their shorter side, and other images get 32.

    Raises:
        InputError: there are too few images, or they cannot be read.
    """
    if data == "builtin":
        images, labels, names = draw_glyphs(size or FOLDER_SIZE)
        return ImageDataset(images, labels, names)
    if data in PUBLISHED:
        with cache_folder() as cache:
            fetch(PUBLISHED[data], cache / data)
            return _from_idx(cache / data, size, PUBLISHED[data].names)
    folder = Path(data)
    if not folder.is_dir():
        raise InputError(f"`data` {data}: must be builtin, fashion, mnist, or a folder")
    is_idx = any("idx3-ubyte" in path.name for path in folder.iterdir())
    dataset = _from_idx(folder, size) if is_idx else _from_folder(folder, size or FOLDER_SIZE)
    if len(dataset) < LEAST:
        raise InputError(f"`data` {data}: has {len(dataset)} images; needs {LEAST} or more")
    return dataset


def _from_idx(folder: Path, size: int | None, names: tuple[str, ...] = ()) -> ImageDataset:
    images, labels = read_idx_folder(folder)
    if labels is not None and not names:
        names = tuple(str(label) for label in range(int(labels.max()) + 1))
    if size is not None or images.shape[1] != images.shape[2]:
        side = size or min(images.shape[1:])
        scaled = [np.asarray(_square(Image.fromarray(image.numpy()), side)) for image in images]
        images = torch.from_numpy(np.stack(scaled))
    return ImageDataset(images[:, None], labels, names)


def _from_folder(folder: Path, size: int) -> ImageDataset:
    """Images in a folder and its subfolders; subfolders are classes."""
    paths = pictures_in(folder, subfolders=True)
    images = np.stack([np.asarray(_square(read_image(p, max_side=8 * size), size)) for p in paths])
    if (images == images[..., :1]).all():
        images = images[..., :1]
    stack = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    classes = [path.relative_to(folder).parts[0] if path.parent != folder else "" for path in paths]
    names = tuple(sorted(set(classes)))
    if "" in names or len(names) == 1:
        return ImageDataset(stack)
    return ImageDataset(stack, torch.tensor([names.index(name) for name in classes]), names)


def _square(image: Image.Image, side: int) -> Image.Image:
    return ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)


def split(dataset: ImageDataset, held_out: float, seed: int) -> tuple[ImageDataset, ImageDataset]:
    """Split at random into images to train on and held-out images."""
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed))
    count = round(held_out * len(dataset))
    return dataset.take(order[count:]), dataset.take(order[:count])
