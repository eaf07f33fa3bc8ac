"""Differences between image patches and the most similar patches of a target."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from nca.losses.features.base import pyramid
from nca.losses.statistics import precise
from nca.losses.term import Term

LEVELS = 4
COMPONENTS = 32  # number of principal components used to search for the nearest patch
MIN_STD = 1e-3  # lower bound on the std of a target, by which differences are divided


class NearestPatches(Term):
    """RMS difference between random patches of an image and their nearest patches in a target.

    There is one distance per level of an image pyramid, as in Kwatra et al., "Texture Optimization
    for Example-based Synthesis", 2005. A penalty keeps the image from repeating just a few patches
    of the target (Granot et al., "Drop the GAN", CVPR 2022): if d(i, j) is the squared distance
    between patch i of the image and patch j of the target, the nearest patch to i is the one with
    the smallest ``d(i, j) / (alpha * mean(d) + min over i of d(i, j))``.

    Differences from the papers: only some patches of the image and of the target are used, and the
    image patches are drawn again in every call. The search compares principal components of
    patches, which is several times as fast.

    Args:
        target: image, [1, C, H, W] in [0, 1].
        generator: chooses the positions of the patches; must be a CPU generator.
        size: side of the patches. Levels at which the target has fewer than 2x2 patches are left
            out. At a level where an image is smaller than a patch, the image's distance is 0.
        levels: maximum number of pyramid levels.
        queries: number of patches per image and level.
        candidates: maximum number of target patches per level.
        alpha: controls the penalty; with smaller values, the image uses more of the target.
        coverage: weight of the reverse distance, from the same number of random target patches to
            their nearest patches in the image.
        weights: weights of the levels, finest first; any further levels have weight 1.
        wraps: whether the images wrap; the target does not.
        joint: whether the images of a batch share the penalty, as parts of one texture, if
            gradients are computed.
        name: prefix for the names of the levels.
    """

    random = True

    def __init__(
        self,
        target: Tensor,
        generator: torch.Generator,
        *,
        size: int = 7,
        levels: int = LEVELS,
        queries: int = 128,
        candidates: int = 2048,
        alpha: float = 0.01,
        coverage: float = 0.0,
        weights: Sequence[float] = (),
        wraps: bool = True,
        joint: bool = False,
        name: str = "patches",
    ) -> None:
        self.generator, self.size, self.queries = generator, size, queries
        self.alpha, self.coverage, self.wraps, self.joint = alpha, coverage, wraps, joint
        self.name = name
        parts = [
            F.unfold(level, size)[0].T
            for level in pyramid(target, levels, wraps=False)
            if min(level.shape[2:]) > size
        ]
        chosen = [random_subset(len(part), candidates, generator).to(part.device) for part in parts]
        self.targets = [TargetPatches(part[rows]) for part, rows in zip(parts, chosen, strict=True)]
        self.weights = [*weights, *[1.0] * len(parts)][: len(parts)]

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Distances by level, ``NAME/LEVEL`` -> [B]; about 1 for an unrelated image."""
        known = self.targets[0].patches
        levels = pyramid(precise(images).to(known.device), len(self.targets), wraps=self.wraps)
        result = {}
        with torch.autocast(known.device.type, enabled=False):
            for i, (level, target) in enumerate(zip(levels, self.targets, strict=True)):
                if min(level.shape[2:]) < self.size:
                    value = level.new_zeros(len(level))
                else:
                    value = self._distance(self._take(level), target)
                result[f"{self.name}/{i + 1}"] = self.weights[i] * value
        return result

    def _take(self, level: Tensor) -> Tensor:
        """Take random patches of a level, at the same places in every image: [B, queries, D]."""
        height, width = level.shape[2:]
        rows, columns = (side if self.wraps else side - self.size + 1 for side in (height, width))
        places = random_subset(rows * columns, self.queries, self.generator).to(level.device)
        along = torch.arange(self.size, device=level.device)
        y = (places // columns)[:, None, None] + along[:, None]
        x = (places % columns)[:, None, None] + along
        pixels = (y % height * width + x % width).flatten()
        taken = level.flatten(2).index_select(2, pixels)  # [B, C, queries * size**2]
        patches: Tensor = rearrange(taken, "b c (q p) -> b q (c p)", q=len(places))
        return patches

    def _distance(self, patches: Tensor, target: "TargetPatches") -> Tensor:
        nearest, rows, back = self._search(patches.detach(), target)
        value = rms(patches - target.patches[nearest])
        if self.coverage:
            used = patches.gather(1, back[:, :, None].expand(-1, -1, patches.shape[2]))
            value = value + self.coverage * rms(used - target.patches[rows])
        distance: Tensor = value / target.std
        return distance

    def _search(self, patches: Tensor, target: "TargetPatches") -> tuple[Tensor, Tensor, Tensor]:
        """Find nearest patches in both directions.

        Returns:
            For every image patch, the index of its nearest target patch, [B, queries]; the indices
            of some target patches, [M]; and those of their nearest image patches, [B, M].
        """
        count = self.queries if self.coverage else 0
        rows = random_subset(len(target.patches), count, self.generator).to(patches.device)
        found = [target.distances(picture) for picture in patches]  # each [queries, candidates]
        least = [distances.amin(0) for distances in found]
        if self.joint and torch.is_grad_enabled():
            least = [torch.stack(least).amin(0)] * len(found)
        nearest, back = [], []
        for distances, smallest in zip(found, least, strict=True):
            back.append(distances[:, rows].argmin(0))
            floor = self.alpha * distances.mean() + 1e-12
            nearest.append(distances.div_(smallest + floor).argmin(1))
        return torch.stack(nearest), rows, torch.stack(back)

    def __repr__(self) -> str:
        return f"NearestPatches({self.size}x{self.size}, {len(self.targets)} levels)"


class TargetPatches:
    """Patches of a target, prepared for nearest-patch search.

    Args:
        patches: patches, [N, D].
    """

    def __init__(self, patches: Tensor) -> None:
        self.patches = patches
        self.std = patches.std().clamp(min=MIN_STD)
        self.mean = patches.mean(0)
        centered = patches - self.mean
        _, vectors = torch.linalg.eigh(centered.T @ centered)  # in ascending order
        self.axes = vectors[:, -COMPONENTS:]
        components = centered @ self.axes  # [N, COMPONENTS]
        squares = components.square().sum(1, keepdim=True)
        # With the extra columns of squares and ones, one matrix product gives all distances.
        self.factors = torch.cat([-2 * components, squares, torch.ones_like(squares)], 1).T

    def distances(self, patches: Tensor) -> Tensor:
        """Squared distances between patches, [Q, D], and all target patches: [Q, N]."""
        found = (patches - self.mean) @ self.axes
        squares = found.square().sum(1, keepdim=True)
        factors = torch.cat([found, torch.ones_like(squares), squares], 1)
        return (factors @ self.factors).clamp_(min=0)


def rms(differences: Tensor) -> Tensor:
    """Root mean square, [B, ...] -> [B]; its gradient is finite at zero."""
    return (differences.square().flatten(1).mean(1) + 1e-12).sqrt()


def random_subset(count: int, most: int, generator: torch.Generator) -> Tensor:
    """Draw up to ``most`` distinct random integers from 0 to ``count - 1``."""
    return torch.randperm(count, generator=generator)[:most]
