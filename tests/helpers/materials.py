"""A small material for tests: domes on a ground."""

from pathlib import Path

import torch
from torch import Tensor

from nca.images.material import normals_from_height, write_maps
from nca.maps import MapName


def domes(size: int = 64) -> dict[MapName, Tensor]:
    """Maps that tile and are aligned: high places are orange and smooth, low ones blue, rough."""
    phase = torch.arange(size) * (2 * torch.pi / 16)
    height = (phase.cos()[:, None] + phase.cos()) / 4 + 0.5
    orange, blue = torch.tensor([0.9, 0.5, 0.1]), torch.tensor([0.1, 0.2, 0.5])
    return {
        "color": torch.lerp(blue[:, None, None], orange[:, None, None], height),
        "normal": normals_from_height(height, 3.0, wraps=True),
        "height": height[None],
        "roughness": 1 - height[None] / 2,
    }


def write_domes(folder: Path, size: int = 64) -> Path:
    """Write the maps into a new folder."""
    write_maps(folder, domes(size), "domes")
    return folder
