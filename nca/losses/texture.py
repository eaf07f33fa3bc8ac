"""The distance of pictures from a texture, and the price of a state that overflows."""

from collections.abc import Mapping

import torch
from torch import Tensor

from nca.errors import InputError
from nca.losses.features import FeatureExtractor, Patches
from nca.losses.patchnet import Builtin, RandomBank
from nca.losses.pretrained import ARCHITECTURES, Pretrained
from nca.losses.statistics import STATISTICS, Statistic

FEATURES = ("builtin", "random", "patches", *ARCHITECTURES)


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
        self.features, self.statistic, self.torus = features, statistic, torus
        with torch.no_grad():
            layers = features(target, torus=False)
            self.targets = {name: statistic.describe(layer) for name, layer in layers.items()}
        self.weights = dict.fromkeys(self.targets, 1.0) | dict(weights or {})
        unknown = sorted(set(self.weights) - set(self.targets))
        if unknown:
            raise InputError(f"no layer {unknown[0]!r} to weigh; there are {list(self.targets)}")

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Weighted distance of every picture, by layer.

        Args:
            images: [B, 3, H, W] in about [0, 1].

        Returns:
            Name of the layer -> [B].
        """
        layers = self.features(images, torus=self.torus)
        return {
            name: self.weights[name] * self.statistic.distance(layer, self.targets[name])
            for name, layer in layers.items()
        }


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
        features: one of :data:`FEATURES`, or the path of a ``.safetensors`` file.
        statistic: a key of :data:`nca.losses.statistics.STATISTICS`.
        generator: source of whatever the statistic draws at random.
        weights: of layers by name.
        torus: whether the pictures live on a torus.

    Raises:
        InputError: the features cannot be had.
    """
    extractor: FeatureExtractor
    if features == "builtin":
        extractor = Builtin(target)
    elif features == "random":
        extractor = RandomBank(target)
    elif features == "patches":
        extractor = Patches()
    elif features in ARCHITECTURES or features.endswith(".safetensors"):
        # The lesson took the net as it was trained, with zeros beyond the border.
        lesson = statistic == "lesson20"
        extractor = Pretrained(features, border="zeros" if lesson else "reflect")
        torus = torus and not lesson
    else:
        raise InputError(
            f"--features {features}: must be one of {', '.join(FEATURES)}, or a .safetensors file"
        )
    return TextureLoss(
        target, extractor, STATISTICS[statistic](generator), weights=weights, torus=torus
    )


def overflow(state: Tensor) -> Tensor:
    """How far a state leaves [-1, 1], mean over all values: what keeps a rule from blowing up."""
    return (state - state.clamp(-1, 1)).abs().mean()
