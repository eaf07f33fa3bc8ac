"""Guidance: wrappers of a denoiser that pull its guesses somewhere, good for every sampler."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from nca.ddpm.denoiser import Denoise
from nca.losses.features.build import build_features
from nca.losses.perceptual import ContentTerm, StyleLoss, StyleTerm, describe, relative
from nca.losses.statistics import Gram


class ClassFree:
    """Insist on a class: Ho and Salimans, "Classifier-Free Diffusion Guidance", 2022.

    Args:
        told: denoiser that is told the class.
        untold: the same, told none.
        scale: 1: as trained; above: away from pictures at large.
    """

    def __init__(self, told: Denoise, untold: Denoise, scale: float) -> None:
        self.told, self.untold, self.scale = told, untold, scale

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """See :class:`~nca.ddpm.denoiser.Denoise`."""
        return torch.lerp(self.untold(x, sigma), self.told(x, sigma), self.scale)


class Distance(Protocol):
    """A loss of pictures, such as :class:`~nca.losses.perceptual.StyleLoss`."""

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        """[B, 3, H, W] in about [0, 1] -> terms by name, [B] each; their sum is what is lost."""
        ...


class Guided:
    """Make the guesses lose less of something: a style, the structure of a picture.

    The guess moves against the gradient of the loss with respect to the noised picture, through the
    net (Dhariwal and Nichol 2021; Chung et al., "Diffusion Posterior Sampling", 2023). Losses have
    no natural scale, so the gradient is divided by its own size, picture by picture: at weight 1,
    the guess moves by as much as a quarter of what is still uncertain of it, at most.

    Args:
        denoise: what is guided.
        distance: what should become small.
        weight: how strongly.
    """

    def __init__(self, denoise: Denoise, distance: Distance, weight: float = 1.0) -> None:
        self.denoise, self.distance, self.weight = denoise, distance, weight

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """See :class:`~nca.ddpm.denoiser.Denoise`."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            denoised = self.denoise(x, sigma)
            terms = self.distance(to_unit(denoised))
            lost = torch.stack(list(terms.values())).sum()
            (gradient,) = torch.autograd.grad(lost, x)
        size = gradient.square().mean((1, 2, 3), keepdim=True).sqrt() + 1e-12
        reach = 0.25 * self.weight * sigma / (1 + sigma**2) ** 0.5
        guided: Tensor = denoised - reach * gradient / size
        return guided.detach()


def to_unit(pictures: Tensor) -> Tensor:
    """[B, C, H, W] in [-1, 1] as RGB in [0, 1]."""
    return ((pictures + 1) / 2).expand(-1, 3, -1, -1)


def style_distance(style: Tensor, features: str) -> StyleLoss:
    """The Gram loss of style transfer, as something to guide by.

    Args:
        style: [1, 3, H, W] in [0, 1].
        features: see :func:`~nca.losses.build.build_features`.

    Raises:
        InputError: the features cannot be had.
    """
    extractor, statistic = build_features(features, style), Gram()
    targets = describe(extractor(style, torus=False), statistic)
    return StyleLoss(extractor, styles=[StyleTerm(targets, statistic, name="style")])


def structure_distance(picture: Tensor, features: str) -> StyleLoss:
    """The content loss of style transfer: what is where, not which pixel has which value.

    Args:
        picture: [1, 3, S, S] in [0, 1], of the size of the samples.
        features: see :func:`~nca.losses.build.build_features`.

    Raises:
        InputError: the features cannot be had.
    """
    extractor = build_features(features, picture)
    layers = extractor(picture, torus=False)
    return StyleLoss(extractor, content=ContentTerm(layers, relative(layers, 1.0, {})))
