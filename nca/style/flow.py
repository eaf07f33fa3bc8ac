"""Optical flow: how pixels move from one frame to the next, and where the motion is unknown."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nca.errors import InputError
from nca.images import to_image

MAX_CHANGE = 0.15  # largest change of a color that counts as unchanged


@dataclass(frozen=True)
class Motion:
    """The motion between two frames.

    Attributes:
        origin: position in the previous frame that each pixel comes from, [1, H, W, 2] in pixels.
        reliable: 1 where the flow explains the pixel, otherwise 0, [1, 1, H, W].
    """

    origin: Tensor
    reliable: Tensor

    def warp(self, image: Tensor) -> Tensor:
        """Warp an image of the previous frame, [1, 3, H, W] in [0, 1], to the current frame."""
        # Bilinear sampling would blur the image a little more in every frame.
        return sample(image, self.origin, "bicubic").clamp(0, 1)


def motion(previous: Tensor, current: Tensor) -> Motion:
    """Find the motion between two frames, [1, 3, H, W] in [0, 1], by dense inverse search (DIS).

    Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016. A pixel is reliable
    if the flow back to the previous frame and the flow forward from there cancel (Sundaram, Brox
    and Keutzer 2010; the constants are those of Ruder, Dosovitskiy and Brox, "Artistic Style
    Transfer for Videos", 2016), and if its color hardly changes. Without the second condition, a
    small object that moves too fast for the search would count as standing still.

    Raises:
        InputError: OpenCV is missing.
    """
    opencv = import_opencv()
    earlier, later = (_gray(opencv, frame) for frame in (previous, current))
    search = opencv.DISOpticalFlow_create(opencv.DISOPTICAL_FLOW_PRESET_MEDIUM)
    backward, forward = (
        torch.from_numpy(np.array(search.calc(*pair, None)))[None].to(current)
        for pair in ((later, earlier), (earlier, later))
    )
    height, width = current.shape[-2:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    origin = torch.stack([columns, rows], -1).to(current) + backward
    returned = sample(forward.permute(0, 3, 1, 2), origin, "bilinear").permute(0, 2, 3, 1)
    error = (backward + returned).square().sum(-1)
    lengths = backward.square().sum(-1) + returned.square().sum(-1)
    last = torch.tensor([width - 1, height - 1]).to(current)
    inside = ((origin >= 0) & (origin <= last)).all(-1)
    colors = (sample(previous, origin, "bilinear") - current).abs().mean(1)
    reliable = (error < 0.01 * lengths + 0.5) & inside & (colors < MAX_CHANGE)
    return Motion(origin, reliable[:, None].to(current))


def flicker(results: Sequence[Tensor], motions: Sequence[Motion]) -> float:
    """Mean difference between a frame and its warped predecessor, where the flow is reliable.

    Args:
        results: frames, [1, 3, H, W] each.
        motions: motions from each frame to the next.
    """
    total = count = 0.0
    for before, after, moved in zip(results, results[1:], motions, strict=False):
        difference = (after - moved.warp(before)).abs().mean(1, keepdim=True)
        total += float((moved.reliable * difference).sum())
        count += float(moved.reliable.sum())
    return total / max(count, 1.0)


def sample(images: Tensor, places: Tensor, mode: str) -> Tensor:
    """Sample images, [1, N, H, W], at [1, H, W, 2] in pixels; border pixels repeat outside."""
    sides = torch.tensor([images.shape[-1], images.shape[-2]]).to(places)
    grid = (2 * places + 1) / sides - 1
    return F.grid_sample(images, grid, mode, padding_mode="border", align_corners=False)


def import_opencv() -> ModuleType:
    """Import OpenCV.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module("cv2")
    except ImportError as error:
        raise InputError(
            "style transfer of a video requires the `flow` extra: pip install 'nca-studio[flow]'"
        ) from error


def _gray(opencv: Any, frame: Tensor) -> Any:
    return opencv.cvtColor(np.asarray(to_image(frame[0])), opencv.COLOR_RGB2GRAY)
