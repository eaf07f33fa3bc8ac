"""Build losses by name."""

from collections.abc import Callable, Collection, Iterable

import torch
from torch import Tensor

from nca.errors import InputError
from nca.losses.features.build import build_features, is_pretrained
from nca.losses.patches import NearestPatches
from nca.losses.pixels import TotalVariation
from nca.losses.settings import LossSettings
from nca.losses.statistics import build_statistic
from nca.losses.term import Term
from nca.losses.texture import TextureLoss

MakeTerm = Callable[[Tensor, torch.Generator, bool], Term]

# Additional terms for --terms NAME WEIGHT. Each function gets a target, [1, C, H, W] in [0, 1], a
# random number generator, and whether the compared images wrap.
# The finest level of patches has a low weight, because at full weight it also removes the image's
# own grain.
TERMS: dict[str, MakeTerm] = {
    "smooth": lambda target, generator, wraps: TotalVariation(),
    "patches": lambda target, generator, wraps: NearestPatches(
        target, generator, weights=(0.2,), wraps=wraps
    ),
}
# Used instead if the images are small crops, which are compared jointly. They need not contain all
# patches of the target, so the penalty is weaker.
CROP_TERMS: dict[str, MakeTerm] = {
    "patches": lambda target, generator, wraps: NearestPatches(
        target, generator, weights=(0.2,), wraps=wraps, alpha=0.1, joint=True
    ),
}


def build_loss(
    target: Tensor,
    settings: LossSettings,
    generator: torch.Generator,
    *,
    wraps: bool = True,
    joint: bool = False,
    name: str = "texture",
) -> Term:
    """Build the loss of a texture.

    ::

        loss = build_loss(read_texture("leaf.jpg", 128)[None], LossSettings(), torch.Generator())

    Args:
        target: image, [1, C, H, W] in [0, 1].
        settings: features, statistic, weights, additional terms.
        generator: source of random numbers, for terms that need them.
        wraps: whether the compared images wrap.
        joint: whether batches are compared as a whole; see :class:`TextureLoss`.
        name: prefix for the layer names of the texture loss.

    Raises:
        InputError: the features, the statistic, a layer or a term does not exist.
    """
    # A network that pads with zeros sees a border around every image, even if the image wraps.
    zeros = settings.border == "zeros" and is_pretrained(settings.features)
    texture = TextureLoss(
        target,
        build_features(settings.features, target, border=settings.border),
        build_statistic(settings.statistic, generator),
        weights=settings.layer_weights,
        wraps=wraps and not zeros,
        joint=joint,
        name=name,
    )
    loss = settings.texture_weight * texture
    check_terms(settings.terms, TERMS)
    terms = TERMS | CROP_TERMS if joint else TERMS
    for extra, weight in settings.terms.items():
        loss += weight * terms[extra](target, generator, wraps)
    return loss


def check_terms(terms: Iterable[str], known: Collection[str]) -> None:
    """Check the names of additional terms.

    Raises:
        InputError: a term is not known.
    """
    for name in terms:
        if name not in known:
            raise InputError(f"`terms` {name}: must be one of {', '.join(known)}")
