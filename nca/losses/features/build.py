"""Build feature extractors by name."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from nca.errors import InputError
from nca.losses.features.base import FeatureExtractor, Patches
from nca.losses.features.patchnet import Builtin, RandomBank
from nca.losses.features.pretrained import ARCHITECTURES, Pretrained, Taps
from nca.losses.features.residual import Residual, is_residual
from nca.losses.features.weights import SUFFIXES, read_weights

# Features that are built for a target, [1, C, H, W] in [0, 1].
FITTED: dict[str, Callable[[Tensor], FeatureExtractor]] = {
    "builtin": Builtin,
    "random": RandomBank,
    "patches": lambda _: Patches(),
}
FEATURES = (*FITTED, *ARCHITECTURES)


def is_pretrained(name: str) -> bool:
    """Whether features with this name come from a pretrained network, which needs no target."""
    return name in ARCHITECTURES or name.endswith(SUFFIXES)


def build_features(
    name: str, target: Tensor, *, taps: Taps = None, border: str = "reflect", pooling: str = "max"
) -> FeatureExtractor:
    """Build features by name.

    Args:
        name: one of :data:`FEATURES`, or the path of a ``.safetensors`` or ``.pth`` file.
        target: image, [1, C, H, W] in [0, 1], for features that are fitted to a target.
        taps, border, pooling: arguments for pretrained features; see
            :class:`~nca.losses.features.pretrained.Pretrained`.

    Raises:
        InputError: the features do not exist, or do not support this pooling.
    """
    if name.endswith(SUFFIXES) and is_residual(read_weights(Path(name))):
        return Residual(name, taps, border, pooling)
    if is_pretrained(name):
        return Pretrained(name, taps, border, pooling)
    if name not in FITTED:
        raise InputError(
            f"`features` {name}: must be one of {', '.join(FEATURES)}, or a file of weights "
            f"({' or '.join(SUFFIXES)})"
        )
    if pooling != "max":
        raise InputError(f"`pooling` {pooling}: only pretrained networks offer it, not {name}")
    return FITTED[name](target)
