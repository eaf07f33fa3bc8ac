"""The distance of pictures from a texture, and the price of a state that overflows."""

from collections.abc import Mapping

import torch
from torch import Tensor

from nca.losses.build import build_features, is_pretrained
from nca.losses.features import FeatureExtractor
from nca.losses.statistics import STATISTICS, Statistic
from nca.losses.style import StyleTerm, describe


class TextureLoss:
    """Distance of pictures from the texture of a target, layer by layer.

    Args:
        target: [1, 3, H, W] in [0, 1].
        features: the layers that are compared.
        statistic: what is compared of each.
        weights: of layers by name; 1 where not named.
        torus: whether the pictures, not the target, live on a torus.

    Raises:
        InputError: a weight names a layer that there is not.
    """

    def __init__(
        self,
        target: Tensor,
        features: FeatureExtractor,
        statistic: Statistic,
        *,
        weights: Mapping[str, float] | None = None,
        torus: bool = True,
    ) -> None:
        self.features, self.torus, self.device = features, torus, target.device
        with torch.no_grad():
            targets = describe(features(target, torus=False), statistic)
        self.style = StyleTerm(targets, statistic, weights=weights)

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Weighted distance of every picture, by layer.

        Args:
            images: [B, 3, H, W] in about [0, 1]; moved to where the target is.

        Returns:
            Name of the layer -> [B].
        """
        return self.style(self.features(images.to(self.device), torus=self.torus))


def build_texture_loss(
    target: Tensor,
    features: str,
    statistic: str,
    generator: torch.Generator,
    *,
    weights: Mapping[str, float] | None = None,
    torus: bool = True,
) -> TextureLoss:
    """Make the loss that names ask for.

    Args:
        target: [1, 3, H, W] in [0, 1].
        features: one of :data:`nca.losses.build.FEATURES`, or the path of a ``.safetensors`` file.
        statistic: a key of :data:`nca.losses.statistics.STATISTICS`.
        generator: source of whatever the statistic draws at random.
        weights: of layers by name.
        torus: whether the pictures live on a torus.

    Raises:
        InputError: the features cannot be had.
    """
    # The lesson took the net as it was trained, with zeros beyond the border.
    lesson = statistic == "lesson20" and is_pretrained(features)
    extractor = build_features(features, target, border="zeros" if lesson else "reflect")
    return TextureLoss(
        target,
        extractor,
        STATISTICS[statistic](generator),
        weights=weights,
        torus=torus and not lesson,
    )


def overflow(state: Tensor) -> Tensor:
    """How far a state leaves [-1, 1], mean over all values: what keeps a rule from blowing up."""
    return (state - state.clamp(-1, 1)).abs().mean()
