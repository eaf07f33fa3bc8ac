"""Features of ResNets and ConvNeXts: torchvision's architectures, with weights from a file.

ResNet: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, with the variants
ResNeXt and Wide ResNet. ConvNeXt: Liu et al., "A ConvNet for the 2020s", CVPR 2022. The
architecture is recognized by the names and sizes of the tensors in the weights file.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from nca.errors import InputError
from nca.losses.features.base import FeatureExtractor, Features, check_taps
from nca.losses.features.pooling import POOLINGS
from nca.losses.features.pretrained import IMAGENET_MEAN, IMAGENET_STD, Taps
from nca.losses.features.weights import read_weights

RESNETS = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
    "resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d",
    "wide_resnet50_2", "wide_resnet101_2",
)  # fmt: skip
CONVNEXTS = ("convnext_tiny", "convnext_small", "convnext_base", "convnext_large")
# The default layers; the deepest one is a sixteenth as wide and high as the image, as with VGG.
RESNET_TAPS = ("relu", "layer1", "layer2", "layer3")
CONVNEXT_TAPS = ("features.0", "features.1", "features.3", "features.5")

Nodes = list[tuple[tuple[str, ...], nn.Module]]


def is_residual(weights: Mapping[str, Tensor]) -> bool:
    """Whether tensors are those of a ResNet or ConvNeXt, judged by the name of the first layer."""
    return "conv1.weight" in weights or "features.0.0.weight" in weights


class Residual(FeatureExtractor):
    """A frozen ResNet or ConvNeXt.

    Layers have torchvision's names: ``relu`` and ``layer1`` to ``layer4``, or ``features.0`` to
    ``features.7``. Their blocks have names, too, such as ``layer3.2``.

    Args:
        path: ``.pth`` or ``.safetensors`` file of the network, with or without its classifier.
        taps, border, pooling: see :class:`~nca.losses.features.pretrained.Pretrained`.

    Attributes:
        min_side: minimum side of an image, in pixels.

    Raises:
        InputError: torchvision is missing, or the file, a tap or the pooling is not usable.
    """

    def __init__(
        self, path: str, taps: Taps = None, border: str = "reflect", pooling: str = "max"
    ) -> None:
        weights = read_weights(Path(path))
        self.architecture = recognize(path, weights)
        net = build(self.architecture, weights)
        is_resnet = self.architecture in RESNETS
        if pooling != "max" and not is_resnet:
            raise InputError(f"`pooling` {pooling}: {self.architecture} has no pooling")
        self.pool = StemPool(pooling)
        nodes = _resnet(net, self.pool) if is_resnet else _convnext(net)
        names = [name for aliases, _ in nodes for name in aliases]
        if taps is None:
            taps = RESNET_TAPS if is_resnet else CONVNEXT_TAPS
        elif callable(taps):
            taps = taps(names)
        check_taps(path, taps, names)
        last = max(i for i, (aliases, _) in enumerate(nodes) if set(aliases) & set(taps))
        self.nodes, self.taps = nodes[: last + 1], frozenset(taps)
        self.mean = torch.tensor(IMAGENET_MEAN)[:, None, None]
        self.std = torch.tensor(IMAGENET_STD)[:, None, None]
        self.border = "zeros"
        with torch.no_grad():
            *_, deepest = self(torch.zeros(1, 3, 64, 64), wraps=False).values()
        self.min_side = 64 // deepest.shape[-1] * (2 if is_resnet else 4)
        self.border = border

    @override
    def __call__(self, images: Tensor, *, wraps: bool) -> Features:
        border: Any = "circular" if wraps else self.border
        self.pool.border = border
        features = (images - self.mean.to(images)) / self.std.to(images)
        features = features.contiguous(memory_format=torch.channels_last)
        result: Features = {}
        for names, node in self.nodes:
            for part in node.to(images.device).modules():
                if isinstance(part, nn.Conv2d):
                    part.padding_mode = border
            features = node(features)
            result |= {name: features for name in names if name in self.taps}
        return result


def recognize(path: str, weights: Mapping[str, Tensor]) -> str:
    """Find the architecture that has tensors of these names and sizes.

    Raises:
        InputError: torchvision is missing, or there is no such architecture.
    """
    found = _sizes(weights)
    for name in RESNETS if "conv1.weight" in weights else CONVNEXTS:
        with torch.device("meta"):
            net = _models().get_model(name, weights=None)
        if _sizes(net.state_dict()) == found:
            return name
    known = ", ".join((*RESNETS, *CONVNEXTS))
    raise InputError(f"{path}: its tensors match none of the known networks: {known}")


def build(name: str, weights: Mapping[str, Tensor]) -> Any:
    """Build a frozen network; its classifier is not used, and keeps random weights."""
    net = _models().get_model(name, weights=None)
    kept = {key: tensor for key, tensor in weights.items() if not _is_classifier(key)}
    net.load_state_dict(kept, strict=False)
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)


class StemPool(nn.Module):
    """Reduce the 3x3 square around every second position to one value.

    This is the only pooling layer of a ResNet without its classifier.

    Args:
        pooling: see :data:`nca.losses.features.pooling.POOLINGS`.
    """

    def __init__(self, pooling: str) -> None:
        super().__init__()
        self.reduce = POOLINGS[pooling]
        self.border = "zeros"

    @override
    def forward(self, features: Tensor) -> Tensor:
        """[B, N, h, w] -> [B, N, h / 2, w / 2]."""
        mode = "circular" if self.border == "circular" else "replicate"
        return self.reduce(F.pad(features, (1, 0, 1, 0), mode=mode), 3, self.border)


def _resnet(net: Any, pool: nn.Module) -> Nodes:
    nodes: Nodes = [(("relu",), nn.Sequential(net.conv1, net.bn1, net.relu))]
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        nodes += _blocks(stage, getattr(net, stage))
    aliases, block = nodes[1]
    nodes[1] = aliases, nn.Sequential(pool, block)
    return nodes


def _convnext(net: Any) -> Nodes:
    nodes: Nodes = []
    for index, stage in enumerate(net.features):
        name = f"features.{index}"
        # Stages with even numbers only downsample; those with odd numbers consist of blocks.
        nodes += _blocks(name, stage) if index % 2 else [((name,), stage)]
    return nodes


def _blocks(stage: str, blocks: Any) -> Nodes:
    """Name each block by its number; the last block also gets the name of the stage."""
    nodes: Nodes = [((f"{stage}.{i}",), block) for i, block in enumerate(blocks)]
    nodes[-1] = (*nodes[-1][0], stage), nodes[-1][1]
    return nodes


def _sizes(weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {
        name: tensor.shape
        for name, tensor in weights.items()
        # Files from before 2018 have no batch counters.
        if not _is_classifier(name) and not name.endswith("num_batches_tracked")
    }


def _is_classifier(name: str) -> bool:
    return name.startswith(("fc.", "classifier."))


def _models() -> Any:
    try:
        return import_module("torchvision.models")
    except (ImportError, RuntimeError) as error:  # RuntimeError: built for another torch
        raise InputError(
            f"ResNet and ConvNeXt need torchvision, built for the installed torch "
            f"({error}): pip install 'nca-studio[torchvision]'"
        ) from error
