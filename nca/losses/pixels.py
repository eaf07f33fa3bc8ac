"""Terms of a loss that look at the colors of a picture alone."""

from collections.abc import Sequence

import torch
from torch import Tensor


class TotalVariation:
    """Mean squared difference of neighbors: what keeps noise out.

    Mahendran and Vedaldi, "Understanding Deep Image Representations by Inverting Them", 2015; with
    the exponent 2 edges are dearer than with 1, and ripples cost nothing extra.
    """

    name = "smooth"

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, images: Tensor) -> Tensor:
        """See :class:`nca.losses.style.PixelTerm`."""
        across = (images[..., :, 1:] - images[..., :, :-1]).square().mean((1, 2, 3))
        down = (images[..., 1:, :] - images[..., :-1, :]).square().mean((1, 2, 3))
        return self.weight * (across + down)


class MatchImage:
    """Mean squared difference from a picture: the lesson's first objective.

    Args:
        image: [1, 3, H, W] in [0, 1].
        weight: of the term.
    """

    name = "image"

    def __init__(self, image: Tensor, weight: float = 1.0) -> None:
        self.image, self.weight = image, weight

    def __call__(self, images: Tensor) -> Tensor:
        """See :class:`nca.losses.style.PixelTerm`."""
        return self.weight * (images - self.image).square().mean((1, 2, 3))


class OverallColor:
    """Squared distance of the mean color from a color.

    Args:
        color: red, green and blue in [0, 1].
        weight: of the term.
    """

    name = "color"

    def __init__(self, color: Sequence[float], weight: float = 1.0) -> None:
        self.color, self.weight = torch.tensor(color), weight

    def __call__(self, images: Tensor) -> Tensor:
        """See :class:`nca.losses.style.PixelTerm`."""
        return self.weight * (images.mean((2, 3)) - self.color.to(images)).square().mean(1)


class Palette:
    """Mean squared distance of every pixel from the nearest color of a palette.

    Args:
        colors: red, green and blue in [0, 1] each.
        weight: of the term.
    """

    name = "palette"

    def __init__(self, colors: Sequence[Sequence[float]], weight: float = 1.0) -> None:
        self.colors, self.weight = torch.tensor(colors), weight

    def __call__(self, images: Tensor) -> Tensor:
        """See :class:`nca.losses.style.PixelTerm`."""
        distances = [
            (images - color[:, None, None]).square().mean(1) for color in self.colors.to(images)
        ]
        return self.weight * torch.stack(distances).amin(0).mean((1, 2))
