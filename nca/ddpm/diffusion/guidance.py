"""Guidance: wrappers that change the estimates of a denoiser; they work with every sampler."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor
from typing_extensions import override

from nca.ddpm.diffusion.denoiser import Denoise
from nca.losses.features.build import build_features
from nca.losses.perceptual import ContentTerm, StyleLoss, StyleTerm, describe, relative
from nca.losses.statistics import Gram


class ClassFree(Denoise):
    """Strengthens the influence of the class (classifier-free guidance, Ho and Salimans, 2022).

    Args:
        conditional: denoiser that is conditioned on the class.
        unconditional: the same denoiser without a class.
        scale: 1 returns the conditional estimate; larger values return an estimate that is further
            away from the unconditional estimate, in the same direction.
    """

    def __init__(self, conditional: Denoise, unconditional: Denoise, scale: float) -> None:
        self.conditional, self.unconditional, self.scale = conditional, unconditional, scale

    @override
    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        return torch.lerp(self.unconditional(x, sigma), self.conditional(x, sigma), self.scale)


class Distance(Protocol):
    """A loss computed from images, such as :class:`~nca.losses.perceptual.StyleLoss`."""

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        """[B, 3, H, W] in about [0, 1] -> terms by name, [B] each; the loss is their sum."""
        ...


class Guided(Denoise):
    """Reduces a loss of the estimates, such as the distance to a style or an image's structure.

    Each estimate is moved against the gradient of the loss with respect to the noised image. The
    gradient is propagated through the network (Dhariwal and Nichol 2021; Chung et al., "Diffusion
    Posterior Sampling", 2023). Losses have no natural scale, so the gradient for each image is
    normalized: at weight 1, an estimate moves by a quarter of its remaining uncertainty, which is
    ``sigma / sqrt(1 + sigma^2)`` (both as root mean squares).

    Args:
        denoise: the denoiser to guide.
        distance: the loss.
        weight: strength of the guidance.
    """

    def __init__(self, denoise: Denoise, distance: Distance, weight: float = 1.0) -> None:
        self.denoise, self.distance, self.weight = denoise, distance, weight

    @override
    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            denoised = self.denoise(x, sigma)
            terms = self.distance(to_unit(denoised))
            loss = torch.stack(list(terms.values())).sum()
            (gradient,) = torch.autograd.grad(loss, x)
        size = gradient.square().mean((1, 2, 3), keepdim=True).sqrt() + 1e-12
        reach = 0.25 * self.weight * sigma / (1 + sigma**2) ** 0.5
        guided: Tensor = denoised - reach * gradient / size
        return guided.detach()


def to_unit(images: Tensor) -> Tensor:
    """Convert [B, C, H, W] in [-1, 1] to RGB in [0, 1]."""
    return ((images + 1) / 2).expand(-1, 3, -1, -1)


def style_distance(style: Tensor, features: str) -> StyleLoss:
    """The Gram loss of style transfer, for guidance.

    Args:
        style: the style image, [1, 3, H, W] in [0, 1].
        features: see :func:`~nca.losses.features.build.build_features`.

    Raises:
        InputError: the features are not available.
    """
    extractor, statistic = build_features(features, style), Gram()
    targets = describe(extractor(style, wraps=False), statistic)
    return StyleLoss(extractor, styles=[StyleTerm(targets, statistic, name="style")])


def structure_distance(image: Tensor, features: str) -> StyleLoss:
    """The content loss of style transfer, which compares structure instead of pixels.

    Args:
        image: image of the same size as the samples, [1, 3, S, S] in [0, 1].
        features: see :func:`~nca.losses.features.build.build_features`.

    Raises:
        InputError: the features are not available.
    """
    extractor = build_features(features, image)
    layers = extractor(image, wraps=False)
    return StyleLoss(extractor, content=ContentTerm(layers, relative(layers, 1.0, {})))
