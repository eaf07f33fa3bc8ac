"""What the network predicts, and how to compute an image from it.

All parameterizations use one formula (Karras et al. 2022, eq. 7) with different coefficients: the
denoised image is ``skip(sigma) * x + out(sigma) * network(scale(sigma) * x)``. Parameterizations
differ in the network's target, and therefore in how the mean squared error weights noise levels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from nca.ddpm.settings import TargetName

GAMMA = 5.0  # upper bound of min-SNR weights


@dataclass(frozen=True)
class Parameterization:
    """Coefficients as functions of the noise level, float64.

    Attributes:
        skip: factor of the noised image in the denoised image.
        out: factor of the network's output.
        scale: factor of the noised image in the network's input.
    """

    skip: Callable[[Tensor], Tensor]
    out: Callable[[Tensor], Tensor]
    scale: Callable[[Tensor], Tensor]

    def target(self, images: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        """What the network should predict, [B, C, H, W].

        Args:
            images, noise: [B, C, H, W].
            sigma: [B] float64.
        """
        skip, out = self.skip(sigma), self.out(sigma)
        # (image - skip * x) / out, rearranged to avoid rounding errors when sigma is small.
        of_noise = expand_like(skip * sigma / out, noise) * noise
        return expand_like((1 - skip) / out, images) * images - of_noise

    def min_snr(self, sigma: Tensor) -> Tensor:
        """Weights for the squared error of the network's output, [B].

        Hang et al., "Efficient Diffusion Training via Min-SNR Weighting", 2023: the error of the
        image has weight ``min(1 / sigma^2, 5)``.
        """
        return sigma.pow(-2).clamp(max=GAMMA) * self.out(sigma).square()


def expand_like(values: Tensor, images: Tensor) -> Tensor:
    """Reshape [B] to [B, 1, 1, 1], with the dtype and device of a batch of images."""
    return values.to(images)[:, None, None, None]


# These are not lambdas, because the parameterization is pickled when worker processes are spawned.


def unit_variance(std: float) -> Callable[[Tensor], Tensor]:
    """Make a scale function that gives inputs a variance of 1; ``std`` is the std of the images."""
    return partial(_scale, std)


def _scale(std: float, sigma: Tensor) -> Tensor:
    return (sigma.square() + std**2).rsqrt()


def predict_noise() -> Parameterization:
    """Predict the noise (Ho et al. 2020)."""
    return Parameterization(torch.ones_like, torch.neg, unit_variance(1))


def predict_image() -> Parameterization:
    """Predict the image itself."""
    return Parameterization(torch.zeros_like, torch.ones_like, unit_variance(1))


def predict_v() -> Parameterization:
    """Predict ``sqrt(alpha_bar) noise - sqrt(1 - alpha_bar) image`` (Salimans and Ho 2022)."""
    return Parameterization(_skip_v, _out_v, unit_variance(1))


def _skip_v(sigma: Tensor) -> Tensor:
    return 1 / (1 + sigma.square())


def _out_v(sigma: Tensor) -> Tensor:
    return -sigma * (1 + sigma.square()).rsqrt()


def predict_edm(std: float) -> Parameterization:
    """Scale input and output to unit variance (Karras et al. 2022); ``std``: std of the images."""
    return Parameterization(partial(_skip_edm, std), partial(_out_edm, std), unit_variance(std))


def _skip_edm(std: float, sigma: Tensor) -> Tensor:
    return std**2 / (sigma.square() + std**2)


def _out_edm(std: float, sigma: Tensor) -> Tensor:
    return sigma * std * (sigma.square() + std**2).rsqrt()


def predict_flow() -> Parameterization:
    """Predict ``noise - image``, the velocity of a rectified flow (Liu et al., Lipman et al. 2022).

    With ``t = sigma / (1 + sigma)``, the input is ``(1 - t) image + t noise``.
    """
    return Parameterization(_scale_flow, _out_flow, _scale_flow)


def _scale_flow(sigma: Tensor) -> Tensor:
    return 1 / (1 + sigma)


def _out_flow(sigma: Tensor) -> Tensor:
    return -sigma / (1 + sigma)


def build_parameterization(name: TargetName, std: float) -> Parameterization:
    """Make a parameterization by the name of its target; ``std`` is the std of the images."""
    if name == "edm":
        return predict_edm(std)
    targets: dict[TargetName, Callable[[], Parameterization]] = {
        "noise": predict_noise,
        "image": predict_image,
        "v": predict_v,
        "flow": predict_flow,
    }
    return targets[name]()
