"""Features and loss terms by name."""

from collections.abc import Callable

import torch
from torch import Tensor

from nca.errors import InputError
from nca.losses.features import FeatureExtractor, Patches
from nca.losses.patchnet import Builtin, RandomBank
from nca.losses.pixels import TotalVariation
from nca.losses.pretrained import ARCHITECTURES, Pretrained, Taps
from nca.losses.settings import LossSettings
from nca.losses.statistics import build_statistic
from nca.losses.term import Term
from nca.losses.texture import TextureLoss

# Features that are fitted to a target, [1, 3, H, W] in [0, 1].
FITTED: dict[str, Callable[[Tensor], FeatureExtractor]] = {
    "builtin": Builtin,
    "random": RandomBank,
    "patches": lambda _: Patches(),
}
FEATURES = (*FITTED, *ARCHITECTURES)

# Terms beside the texture loss, of a target, [1, 3, H, W] in [0, 1]; --terms NAME WEIGHT.
TERMS: dict[str, Callable[[Tensor, torch.Generator], Term]] = {
    "smooth": lambda target, generator: TotalVariation(),
}


def is_pretrained(name: str) -> bool:
    """Whether the features of this name are a network's, which needs no target."""
    return name in ARCHITECTURES or name.endswith(".safetensors")


def build_features(
    name: str, target: Tensor, *, taps: Taps = None, border: str = "reflect", pooling: str = "max"
) -> FeatureExtractor:
    """Make the features of a name.

    Args:
        name: one of :data:`FEATURES`, or the path of a ``.safetensors`` file.
        target: [1, 3, H, W] in [0, 1], which fitted features are fitted to.
        taps, border, pooling: of pretrained ones, see :class:`~nca.losses.pretrained.Pretrained`.

    Raises:
        InputError: there are no such features, or they have no choice of pooling.
    """
    if is_pretrained(name):
        return Pretrained(name, taps, border, pooling)
    if name not in FITTED:
        raise InputError(
            f"`features` {name}: must be one of {', '.join(FEATURES)}, or a .safetensors file"
        )
    if pooling != "max":
        raise InputError(f"`pooling` {pooling}: only pretrained networks offer it, not {name}")
    return FITTED[name](target)


def build_loss(
    target: Tensor,
    settings: LossSettings,
    generator: torch.Generator,
    *,
    torus: bool = True,
    name: str = "texture",
) -> Term:
    """Make the loss of a texture.

    ::

        loss = build_loss(read_texture("leaf.jpg", 128)[None], LossSettings(), torch.Generator())

    Args:
        target: [1, 3, H, W] in [0, 1].
        settings: features, statistic, weights, additional terms.
        generator: source of random numbers of terms that need some.
        torus: whether the images that are compared wrap.
        name: prefix of the names of the texture's layers.

    Raises:
        InputError: features, statistic, layer or term do not exist.
    """
    # A network that pads with zeros sees the border of every image.
    zeros = settings.border == "zeros" and is_pretrained(settings.features)
    texture = TextureLoss(
        target,
        build_features(settings.features, target, border=settings.border),
        build_statistic(settings.statistic, generator),
        weights=settings.layer_weights,
        torus=torus and not zeros,
        name=name,
    )
    loss = settings.texture_weight * texture
    for extra, weight in settings.terms.items():
        if extra not in TERMS:
            raise InputError(f"`terms` {extra}: must be one of {', '.join(TERMS)}")
        loss += weight * TERMS[extra](target, generator)
    return loss
