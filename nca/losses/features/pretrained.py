"""Features from networks trained on ImageNet: VGG-16, VGG-19 (Simonyan, Zisserman), SqueezeNet 1.1.

The weights are torchvision's. They are downloaded once from their official address and checked
against the hash in the file name, or read from a file with torchvision's key names. Only the layers
in use are kept, and they are frozen.
"""

import hashlib
import ssl
import sys
import urllib.error
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from nca.errors import InputError
from nca.losses.features.base import FeatureExtractor, Features, check_taps
from nca.losses.features.pooling import POOLINGS
from nca.losses.features.weights import read_weights

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Architecture:
    """A network: URL and size of its weights, and default taps (layers whose outputs are used)."""

    url: str
    megabytes: int
    taps: tuple[str, ...]


VGG_TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
ARCHITECTURES = {
    "vgg16": Architecture("https://download.pytorch.org/models/vgg16-397923af.pth", 528, VGG_TAPS),
    "vgg19": Architecture("https://download.pytorch.org/models/vgg19-dcbb9e9d.pth", 548, VGG_TAPS),
    "squeezenet1_1": Architecture(
        "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
        5,
        ("relu1", "fire3", "fire5", "fire7", "fire9"),
    ),
}
# Number of convolutions per block; there is 2x2 max pooling between blocks.
VGG_BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


def load_weights(source: str) -> tuple[str, dict[str, Tensor]]:
    """Download or read weights.

    Args:
        source: ``vgg16``, ``vgg19``, ``squeezenet1_1``, or the path of a file.

    Returns:
        The name of the architecture and its ``features.*`` tensors.

    Raises:
        InputError: the weights are not in the cache and cannot be downloaded, the hash is wrong, or
            the file is not usable.
    """
    if source in ARCHITECTURES:
        return source, _download(source, ARCHITECTURES[source])
    path = Path(source)
    weights = read_weights(path)
    kept = {name: tensor.float() for name, tensor in weights.items() if "features." in name}
    if "features.0.weight" not in kept:
        raise InputError(
            f"{path} has no tensor 'features.0.weight' (torchvision's name of the first layer)"
        )
    return _recognize(kept), kept


def fetched_networks() -> list[str]:
    """Names of the networks whose weights are in the cache; the files are not checked."""
    return [name for name, net in ARCHITECTURES.items() if _cache_path(net).exists()]


def _cache_path(architecture: Architecture) -> Path:
    file_name = architecture.url.rpartition("/")[2]
    return Path(torch.hub.get_dir(), "checkpoints", file_name)


def _download(name: str, architecture: Architecture) -> dict[str, Tensor]:
    path = _cache_path(architecture)
    if not path.exists():
        _fetch(name, architecture, path)
    try:
        _check_hash(path)
        weights: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        return {key: tensor for key, tensor in weights.items() if key.startswith("features.")}
    except Exception as error:  # damaged data can fail anywhere in torch and pickle
        text = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{name}: {path} cannot be used ({text}); delete it to download it again"
        ) from error


def _fetch(name: str, architecture: Architecture, path: Path) -> None:
    print(
        f"fetching {name} ({architecture.megabytes} MB) from {architecture.url}, once",
        file=sys.stderr,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(architecture.url, str(path), _hash_in_name(path))
    except (urllib.error.URLError, ssl.SSLError, OSError, TimeoutError) as error:
        raise InputError(
            f"cannot download {name} from {architecture.url} ({getattr(error, 'reason', error)}); "
            f"use `features` builtin, which needs no download, or a file of weights"
        ) from error
    except RuntimeError as error:  # torch.hub raises this if the hash does not match
        raise InputError(f"{name} from {architecture.url} is damaged: {error}") from error


def _hash_in_name(path: Path) -> str:
    """First digits of the SHA-256 hash, taken from the file name: ``name-HASH.pth``."""
    return path.stem.rpartition("-")[2]


def _check_hash(path: Path) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    expected = _hash_in_name(path)
    if not found.startswith(expected):
        raise ValueError(f"its SHA-256 begins with {found[: len(expected)]}, not {expected}")


def _recognize(weights: Mapping[str, Tensor]) -> str:
    if "features.3.squeeze.weight" in weights:
        return "squeezenet1_1"
    # Up to relu3_3 the two VGGs have the same layers; a file that ends there counts as VGG-19.
    return (
        "vgg16"
        if tuple(weights.get("features.17.weight", torch.empty(0, 0)).shape[:2])
        == (
            512,
            256,
        )
        else "vgg19"
    )


Taps = tuple[str, ...] | Callable[[Sequence[str]], tuple[str, ...]] | None


class Pretrained(FeatureExtractor):
    """A frozen pretrained network.

    Args:
        source: see :func:`load_weights`.
        taps: layer names, such as ``relu3_1``, or a function that picks from the list of all layer
            names; default: the network's usual five, or those of them that a truncated file has.
        border: padding for images that do not wrap: ``reflect`` avoids an artificial edge at the
            border; ``zeros`` is what the networks were trained with.
        pooling: ``max`` as in training, ``average``, or ``blur``.

    Attributes:
        min_side: minimum side of an image, in pixels; the deepest layer is then 2 positions wide.

    Raises:
        InputError: a tap is unknown, or the weights cannot be loaded; see :func:`load_weights`.
    """

    def __init__(
        self, source: str, taps: Taps = None, border: str = "reflect", pooling: str = "max"
    ) -> None:
        self.architecture, weights = load_weights(source)
        self.border, self.pool = border, POOLINGS[pooling]
        nodes = (
            _vgg(self.architecture, weights) if "vgg" in self.architecture else _squeezenet(weights)
        )
        names = [node.name for node in nodes]
        if taps is None:
            taps = tuple(n for n in ARCHITECTURES[self.architecture].taps if n in names)
        elif callable(taps):
            taps = taps(names)
        check_taps(source, taps, names)
        last = max(names.index(name) for name in taps)
        self.nodes, self.taps = nodes[: last + 1], frozenset(taps)
        halvings = sum(bool(node.pool) + (node.stride == 2) for node in self.nodes)
        self.min_side = 2 * 2**halvings
        self.mean = torch.tensor(IMAGENET_MEAN)[:, None, None]
        self.std = torch.tensor(IMAGENET_STD)[:, None, None]

    @override
    def __call__(self, images: Tensor, *, wraps: bool) -> Features:
        border = "circular" if wraps else self.border
        features = (images - self.mean.to(images)) / self.std.to(images)
        features = features.contiguous(memory_format=torch.channels_last)
        result = {}
        for node in self.nodes:
            if node.pool:
                features = self.pool(features, node.pool, border)
            features = node(features, border)
            if node.name in self.taps:
                result[node.name] = features
        return result


@dataclass(frozen=True)
class Convolution:
    """A convolution followed by ReLU.

    Attributes:
        name: name of the output.
        weight, bias: parameters of the convolution.
        pool: side of the squares that are pooled before the convolution; 0: no pooling.
        stride: stride of the convolution.
        pads: False if the network was trained without padding in this layer.
    """

    name: str
    weight: Tensor
    bias: Tensor
    pool: int = 0
    stride: int = 1
    pads: bool = True

    def __call__(self, features: Tensor, border: str) -> Tensor:
        """[B, N, h, w] -> [B, M, h', w'], with ``border`` as in :class:`Pretrained`."""
        margin = self.weight.shape[-1] // 2
        if margin and (self.pads or border == "circular"):
            if border != "zeros":
                features, margin = F.pad(features, (margin,) * 4, mode=border), 0
        else:
            margin = 0
        weight, bias = self.weight.to(features.device), self.bias.to(features.device)
        return F.relu(F.conv2d(features, weight, bias, self.stride, margin))


@dataclass(frozen=True)
class Fire:
    """A Fire module of SqueezeNet (Iandola et al. 2016): squeeze, then expand with two sizes."""

    name: str
    squeeze: Convolution
    expand1: Convolution
    expand3: Convolution
    pool: int = 0
    stride: int = 1

    def __call__(self, features: Tensor, border: str) -> Tensor:
        """[B, N, h, w] -> [B, M, h', w'], with ``border`` as in :class:`Pretrained`."""
        squeezed = self.squeeze(features, border)
        return torch.cat([self.expand1(squeezed, border), self.expand3(squeezed, border)], 1)


def _tensor(weights: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in weights:
        raise InputError(f"the weights have no tensor {name!r} (torchvision's name)")
    tensor = weights[name].detach().requires_grad_(False)
    if tensor.ndim == 4:
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    return tensor


def _vgg(architecture: str, weights: Mapping[str, Tensor]) -> list[Convolution | Fire]:
    nodes: list[Convolution | Fire] = []
    index = 0  # in torchvision's `features`, where ReLU and pooling count as layers
    for block, count in enumerate(VGG_BLOCKS[architecture], 1):
        for i in range(1, count + 1):
            key = f"features.{index}"
            if f"{key}.weight" not in weights:
                return nodes
            nodes.append(
                Convolution(
                    f"relu{block}_{i}",
                    _tensor(weights, f"{key}.weight"),
                    _tensor(weights, f"{key}.bias"),
                    pool=2 if i == 1 and block > 1 else 0,
                )
            )
            index += 2
        index += 1
    return nodes


def _squeezenet(weights: Mapping[str, Tensor]) -> list[Convolution | Fire]:
    def convolution(key: str) -> Convolution:
        return Convolution("", _tensor(weights, f"{key}.weight"), _tensor(weights, f"{key}.bias"))

    first = replace(convolution("features.0"), name="relu1", stride=2, pads=False)
    nodes: list[Convolution | Fire] = [first]
    for number, index in enumerate((3, 4, 6, 7, 9, 10, 11, 12), 2):
        key = f"features.{index}"
        if f"{key}.squeeze.weight" not in weights:
            break
        nodes.append(
            Fire(
                f"fire{number}",
                convolution(f"{key}.squeeze"),
                convolution(f"{key}.expand1x1"),
                convolution(f"{key}.expand3x3"),
                pool=3 if index in (3, 6, 9) else 0,
            )
        )
    return nodes
