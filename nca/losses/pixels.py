"""Loss terms that use only the pixel colors of an image."""

from collections.abc import Sequence

import torch
from torch import Tensor
from typing_extensions import override

from nca.losses.term import Term


class TotalVariation(Term):
    """Mean squared difference between neighboring pixels; suppresses noise.

    Mahendran and Vedaldi, "Understanding Deep Image Representations by Inverting Them", 2015. The
    differences are squared (exponent 2). With an exponent of 1, edges would cost less and small
    ripples more.
    """

    @override
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        across = (images[..., :, 1:] - images[..., :, :-1]).square().mean((1, 2, 3))
        down = (images[..., 1:, :] - images[..., :-1, :]).square().mean((1, 2, 3))
        return {"smooth": across + down}


class MatchImage(Term):
    """Mean squared difference from an image: the first objective in fast.ai's lesson 20.

    Args:
        image: [1, 3, H, W] in [0, 1].
    """

    def __init__(self, image: Tensor) -> None:
        self.image = image

    @override
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        return {"image": (images - self.image).square().mean((1, 2, 3))}


class OverallColor(Term):
    """Squared distance between the mean color of an image and a given color.

    Args:
        color: red, green and blue in [0, 1].
    """

    def __init__(self, color: Sequence[float]) -> None:
        self.color = torch.tensor(color)

    @override
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        return {"color": (images.mean((2, 3)) - self.color.to(images)).square().mean(1)}


class Palette(Term):
    """Mean squared distance between each pixel and the nearest color in a palette.

    Args:
        colors: the palette; each color is red, green and blue in [0, 1].
    """

    def __init__(self, colors: Sequence[Sequence[float]]) -> None:
        self.colors = torch.tensor(colors)

    @override
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        distances = [
            (images - color[:, None, None]).square().mean(1) for color in self.colors.to(images)
        ]
        return {"palette": torch.stack(distances).amin(0).mean((1, 2))}
