"""Choose the colors of a painted image: from the style or from the content.

Gatys, Bethge, Hertzmann and Shechtman, "Preserving Color in Neural Artistic Style Transfer", 2016.
"""

import torch
from torch import Tensor

# Rec. 601 luma of gamma-coded red, green and blue, as in JPEG and television.
LUMINANCE = (0.299, 0.587, 0.114)


def luminance(images: Tensor) -> Tensor:
    """Brightness of colors, [B, 3, H, W] -> [B, 1, H, W]."""
    weights = images.new_tensor(LUMINANCE)[:, None, None]
    return (images * weights).sum(1, keepdim=True)


def gray(images: Tensor) -> Tensor:
    """Images without color, [B, 3, H, W]."""
    return luminance(images).expand_as(images).clone()


def match_luminance(style: Tensor, content: Tensor) -> Tensor:
    """Make a style gray, with the brightness and contrast of the content.

    Without this, a dark style would darken the result.
    """
    theirs, ours = luminance(style), luminance(content)
    matched = (theirs - theirs.mean()) * (ours.std() / (theirs.std() + 1e-6)) + ours.mean()
    return matched.clamp(0, 1).expand_as(style).clone()


def with_colors_of(painted: Tensor, content: Tensor) -> Tensor:
    """The brightness of one image with the hue and saturation of another, in [0, 1]."""
    return (content + luminance(painted) - luminance(content)).clamp(0, 1)


def transfer_colors(style: Tensor, content: Tensor) -> Tensor:
    """Give a style the mean and covariance of the content's colors by a linear map.

    Among all such maps this one moves the colors least (Pitie and Kokaram, "The Linear
    Monge-Kantorovitch Linear Color Mapping for Example-Based Color Transfer", 2007).

    Args:
        style: [1, 3, H, W].
        content: [1, 3, h, w].

    Returns:
        [1, 3, H, W], clipped to [0, 1].
    """
    mean, covariance = _moments(style)
    content_mean, content_covariance = _moments(content)
    root = _power(covariance, 0.5)
    inverse = _power(covariance, -0.5)
    matrix = inverse @ _power(root @ content_covariance @ root, 0.5) @ inverse
    moved = matrix @ (style.double()[0].flatten(1) - mean) + content_mean
    return moved.view(style.shape).to(style).clamp(0, 1)


def _moments(image: Tensor) -> tuple[Tensor, Tensor]:
    colors = image.double()[0].flatten(1)
    mean = colors.mean(1, keepdim=True)
    centered = colors - mean
    return mean, centered @ centered.T / colors.shape[1]


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    # The floor, a std of 0.001, is for images of one color.
    power: Tensor = vectors * values.clamp(min=1e-6).pow(exponent) @ vectors.T
    return power
