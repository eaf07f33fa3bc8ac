"""Compare rules by the losses of several features, and by the sizes of their exports."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from nca.errors import InputError
from nca.exporters.registry import find_target, target_names
from nca.exporters.settings import ExportOptions
from nca.losses.build import build_loss
from nca.losses.features.pretrained import fetched_networks
from nca.losses.settings import LossSettings
from nca.losses.term import Term
from nca.rulefile import RuleFile
from nca.system.console import say

LOSS_SEED = 20_260_131

Size = dict[str, int]


def build_losses(
    target: Tensor, more: Sequence[str] = (), *, wraps: bool = True
) -> dict[str, Term]:
    """Build losses for all available features; each key names the features and the statistic.

    A network whose file is damaged is left out, with a message on standard error; if it is in
    ``more``, this is an error.

    Args:
        target: target image, [1, 3, H, W] in [0, 1].
        more: additional features: names such as ``vgg16``, or paths of ``.safetensors`` files.
        wraps: whether the compared images wrap.

    Raises:
        InputError: features in ``more`` are not available.
    """
    result = {}
    for features in dict.fromkeys((*more, "builtin", "random", "patches", *fetched_networks())):
        # Raw patches need a comparison of distributions; their Gram matrix has only second moments.
        statistic = "transport" if features == "patches" else "gram"
        generator = torch.Generator().manual_seed(LOSS_SEED)
        settings = LossSettings(features=features, statistic=statistic)
        try:
            loss = build_loss(target, settings, generator, wraps=wraps)
        except InputError as error:
            if features in more:
                raise
            say(f"left out: {error}")
            continue
        label = Path(features).stem if features.endswith(".safetensors") else features
        result[f"{label}, {statistic}"] = loss
    return result


def export_sizes(name: str, file: RuleFile) -> dict[str, Size | None]:
    """Size of every export, in bytes and in characters of text; None if an export fails.

    The sizes of several files are added up. Weights stored in an image count only as bytes. Targets
    that store a finished picture are left out.
    """
    sizes: dict[str, Size | None] = {}
    for name_of_target in target_names():
        target = find_target(name_of_target)
        if target.baked:
            continue
        try:
            sizes[name_of_target] = _size(target.build({name: file}, ExportOptions()).values())
        except InputError:
            sizes[name_of_target] = None
    return sizes


def _size(parts: Iterable[bytes]) -> Size:
    parts = list(parts)
    return {"bytes": sum(map(len, parts)), "characters": sum(map(_characters, parts))}


def _characters(part: bytes) -> int:
    try:
        return len(part.decode())
    except UnicodeDecodeError:
        return 0
