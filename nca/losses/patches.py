"""Distance of the distributions of raw color patches: exact colors, clean edges, no noise."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.losses.features import circular_pad, pyramid
from nca.losses.statistics import quantiles

SIZE, LEVELS = 7, 4
DIRECTIONS, SAMPLES = 16, 1024
TARGET_SAMPLES = 4 * SAMPLES


class PatchTransport:
    """Sliced transport of 7x7 patches on a pyramid, relative to the spread of the target's.

    Elnekave and Weiss, "Generating Natural Images with Direct Patch Distributions Matching", ECCV
    2022. A direction in the space of patches is a filter, so no patch is ever cut out. Directions
    are drawn anew at every call.

    Args:
        target: [1, 3, H, W] in [0, 1].
        generator: of the directions.
        torus: whether the pictures, not the target, live on a torus.
    """

    def __init__(self, target: Tensor, generator: torch.Generator, *, torus: bool = True) -> None:
        self.generator, self.torus = generator, torus
        levels = pyramid(target, LEVELS, torus=False)
        self.target = [level for level in levels if min(level.shape[2:]) >= 2 * SIZE]
        self.names = [f"patch{number}" for number in range(1, len(self.target) + 1)]

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Distance of every picture, [B, 3, H, W] -> ``patch`` and number of the level -> [B]."""
        result = {}
        levels = pyramid(images, len(self.target), torus=self.torus)
        for name, level, target in zip(self.names, levels, self.target, strict=True):
            filters = torch.randn(DIRECTIONS, 3, SIZE, SIZE, generator=self.generator).to(level)
            filters = filters / filters.flatten(1).norm(dim=1)[:, None, None, None]
            padded = circular_pad(level, SIZE // 2) if self.torus else level
            mine = self._sorted_some(F.conv2d(padded, filters), SAMPLES)
            theirs = self._sorted_some(F.conv2d(target, filters), TARGET_SAMPLES)
            theirs = quantiles(theirs, mine.shape[2])
            spread = (theirs - theirs.mean(2, keepdim=True)).abs().mean()
            distance = (mine - theirs).abs().mean((1, 2))
            result[name] = distance / (spread + 1e-6)
        return result

    def _sorted_some(self, responses: Tensor, count: int) -> Tensor:
        """Values at ``count`` positions at most, [B, directions, h, w] -> [B, directions, n]."""
        values = responses.flatten(2).float()
        if values.shape[2] > count:
            chosen = torch.randperm(values.shape[2], generator=self.generator)[:count]
            values = values[:, :, chosen.to(values.device)]
        return values.sort(2).values
