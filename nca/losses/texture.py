"""The distance of pictures from a texture, and the price of a state that overflows."""

from collections.abc import Mapping

import torch
from torch import Tensor

from nca.errors import InputError
from nca.losses.features import FeatureExtractor, Patches
from nca.losses.layout import Layout
from nca.losses.patches import PatchTransport
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
        layout: weight of where features recur; 0: not compared.
        patches: a distance of patches to be added, and its weight.

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
        layout: float = 0.0,
        patches: tuple[PatchTransport, float] | None = None,
    ) -> None:
        self.features, self.statistic, self.torus = features, statistic, torus
        self.patches = patches[0] if patches else None
        with torch.no_grad():
            layers = features(target, torus=False)
            self.targets = {name: statistic.describe(layer) for name, layer in layers.items()}
            self.layout = Layout(layers, torus=torus) if layout else None
            known = dict.fromkeys(self.targets, 1.0)
            if self.layout:
                known |= dict.fromkeys(self.layout.names, layout)
            if self.patches and patches:
                known |= dict.fromkeys(self.patches.names, patches[1])
        self.weights = known | dict(weights or {})
        unknown = sorted(set(self.weights) - set(known))
        if unknown:
            raise InputError(f"no layer {unknown[0]!r} to weigh; there are {list(known)}")

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Weighted distance of every picture, by layer.

        Args:
            images: [B, 3, H, W] in about [0, 1].

        Returns:
            Name of the layer -> [B].
        """
        layers = self.features(images, torus=self.torus)
        distances = {
            name: self.statistic.distance(layer, self.targets[name])
            for name, layer in layers.items()
        }
        if self.layout:
            distances |= self.layout(layers)
        if self.patches:
            distances |= self.patches(images)
        return {name: self.weights[name] * distance for name, distance in distances.items()}


def build_texture_loss(
    target: Tensor,
    features: str,
    statistic: str,
    generator: torch.Generator,
    *,
    weights: Mapping[str, float] | None = None,
    torus: bool = True,
    layout_weight: float = 0.0,
    patch_weight: float = 0.0,
) -> TextureLoss:
    """Make the loss that names ask for.

    Args:
        target: [1, 3, H, W] in [0, 1].
        features: one of :data:`FEATURES`, or the path of a ``.safetensors`` file.
        statistic: a key of :data:`nca.losses.statistics.STATISTICS`.
        generator: source of whatever the statistic draws at random.
        weights: of layers by name.
        torus: whether the pictures live on a torus.
        layout_weight: of :class:`nca.losses.layout.Layout`; 0: without.
        patch_weight: of :class:`nca.losses.patches.PatchTransport`; 0: without.

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
    patches = PatchTransport(target, generator, torus=torus) if patch_weight else None
    return TextureLoss(
        target,
        extractor,
        STATISTICS[statistic](generator),
        weights=weights,
        torus=torus,
        layout=layout_weight,
        patches=(patches, patch_weight) if patches else None,
    )


def overflow(state: Tensor) -> Tensor:
    """How far a state leaves [-1, 1], mean over all values: what keeps a rule from blowing up."""
    return (state - state.clamp(-1, 1)).abs().mean()
