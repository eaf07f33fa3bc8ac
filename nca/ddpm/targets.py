"""What the net predicts, and how that makes a picture.

All targets are one formula (Karras et al. 2022, eq. 7) with other coefficients: the denoised
picture is ``skip(sigma) * x + out(sigma) * net(scale(sigma) * x)``. They differ in what the net's
output has to be then, and so in what the mean squared error weighs.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from nca.ddpm.settings import TargetName

GAMMA = 5.0  # of min-SNR


@dataclass(frozen=True)
class Target:
    """Coefficients as functions of the noise level, float64.

    Attributes:
        skip: how much of the noised picture is in the denoised one.
        out: what the net's output is multiplied by.
        deviation: of the pictures: the noised one is scaled to ``x / sqrt(sigma^2 + deviation^2)``
            for the net.
    """

    skip: Callable[[Tensor], Tensor]
    out: Callable[[Tensor], Tensor]
    deviation: float = 1.0

    def scale(self, sigma: Tensor) -> Tensor:
        """What the noised picture is multiplied by for the net."""
        return (sigma.square() + self.deviation**2).rsqrt()

    def of(self, pictures: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        """What the net should put out.

        Args:
            pictures, noise: [B, C, H, W].
            sigma: [B] float64.
        """
        skip, out = self.skip(sigma), self.out(sigma)
        # (picture - skip * x) / out, written so that a small sigma cancels before it is rounded.
        return spread((1 - skip) / out, pictures) * pictures - spread(skip * sigma / out, noise) * (
            noise
        )

    def min_snr(self, sigma: Tensor) -> Tensor:
        """Weights of the squared error of the net's output, [B].

        Hang et al., "Efficient Diffusion Training via Min-SNR Weighting", 2023: the error of the
        picture counts ``min(1 / sigma^2, 5)``.
        """
        return sigma.pow(-2).clamp(max=GAMMA) * self.out(sigma).square()


def spread(values: Tensor, like: Tensor) -> Tensor:
    """[B] as [B, 1, 1, 1] in the type of a batch of pictures."""
    return values.to(like)[:, None, None, None]


def noise_target() -> Target:
    """The noise (Ho et al. 2020)."""
    return Target(skip=lambda s: s.new_ones(s.shape), out=lambda s: -s)


def image_target() -> Target:
    """The picture itself."""
    return Target(skip=lambda s: s.new_zeros(s.shape), out=lambda s: s.new_ones(s.shape))


def v_target() -> Target:
    """``sqrt(alpha_bar) noise - sqrt(1 - alpha_bar) picture`` (Salimans and Ho 2022)."""
    return Target(
        skip=lambda s: 1 / (1 + s.square()),
        out=lambda s: -s * (1 + s.square()).rsqrt(),
    )


def edm_target(deviation: float) -> Target:
    """Unit variance in and out (Karras et al. 2022), given the deviation of the pictures."""
    square = deviation**2
    return Target(
        skip=lambda s: square / (s.square() + square),
        out=lambda s: s * deviation * (s.square() + square).rsqrt(),
        deviation=deviation,
    )


def build_target(name: TargetName, deviation: float) -> Target:
    """Make a target by name; ``deviation`` is that of all values of the pictures."""
    if name == "edm":
        return edm_target(deviation)
    return {"noise": noise_target, "image": image_target, "v": v_target}[name]()
