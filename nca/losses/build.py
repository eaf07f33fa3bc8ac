"""Features by name."""

from torch import Tensor

from nca.errors import InputError
from nca.losses.features import FeatureExtractor, Patches
from nca.losses.patchnet import Builtin, RandomBank
from nca.losses.pretrained import ARCHITECTURES, Pretrained, Taps

FEATURES = ("builtin", "random", "patches", *ARCHITECTURES)


def is_pretrained(name: str) -> bool:
    """Whether the features of this name are a net's, which needs no target to be made."""
    return name in ARCHITECTURES or name.endswith(".safetensors")


def build_features(
    name: str, target: Tensor, *, taps: Taps = None, border: str = "reflect", pooling: str = "max"
) -> FeatureExtractor:
    """Make the features that a name asks for.

    Args:
        name: one of :data:`FEATURES`, or the path of a ``.safetensors`` file.
        target: [1, 3, H, W] in [0, 1]: what the features are fitted to that are not pretrained.
        taps, border, pooling: of pretrained ones, see :class:`~nca.losses.pretrained.Pretrained`.

    Raises:
        InputError: the features cannot be had, or have no choice of pooling.
    """
    if is_pretrained(name):
        return Pretrained(name, taps, border, pooling)
    if pooling != "max":
        raise InputError(f"--pooling {pooling}: only a trained net has that choice, not {name}")
    if name == "builtin":
        return Builtin(target)
    if name == "random":
        return RandomBank(target)
    if name == "patches":
        return Patches()
    raise InputError(
        f"--features {name}: must be one of {', '.join(FEATURES)}, or a .safetensors file"
    )
