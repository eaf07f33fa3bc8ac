"""ResNet and ConvNeXt with random weights, compared with torchvision's own forward passes."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from nca.api.pictures import as_picture
from nca.errors import InputError
from nca.losses.features.build import build_features
from nca.losses.features.residual import Residual
from nca.losses.features.weights import read_weights
from nca.style.settings import style_settings
from nca.style.train import StyleTraining
from tests.helpers.picture_makers import blobs
from tests.losses.test_pretrained import BlurredMaximum, normalized
from tests.losses.torchvision_models import torchvision_models


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nets")


def net_of(name: str) -> Any:
    """The architecture with random weights and random statistics, as after a training."""
    torch.manual_seed(0)
    net = torchvision_models().get_model(name, weights=None).eval()
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-0.1, 0.1)
            part.running_var.uniform_(0.5, 1.5)
        if hasattr(part, "layer_scale"):  # 1e-6 hides a block
            nn.init.ones_(part.layer_scale)
    return net


@pytest.fixture(scope="module")
def resnet(folder: Path) -> tuple[Any, str]:
    net = net_of("resnet18")
    torch.save(net.state_dict(), folder / "a.pth")
    return net, str(folder / "a.pth")


@pytest.fixture(scope="module")
def convnext(folder: Path) -> tuple[Any, str]:
    net = net_of("convnext_tiny")
    without_classifier = {k: v for k, v in net.state_dict().items() if "classifier" not in k}
    save_file(without_classifier, folder / "b.safetensors")
    return net, str(folder / "b.safetensors")


def watched(net: Any, names: tuple[str, ...], images: Tensor) -> list[Tensor]:
    """Outputs of torchvision's modules, by hooks."""
    kept: dict[str, Tensor] = {}
    # The first ReLU of a ResNet is one module of its own; blocks have others.
    hooks = [
        net.get_submodule(name).register_forward_hook(
            lambda _, __, out, name=name: kept.setdefault(name, out.clone())
        )
        for name in names
    ]
    with torch.no_grad():
        net(normalized(images))
    for hook in hooks:
        hook.remove()
    return [kept[name] for name in names]


@pytest.mark.parametrize(
    ("which", "architecture", "taps"),
    [
        ("resnet", "resnet18", ("relu", "layer1.0", "layer1", "layer2", "layer3", "layer4")),
        ("convnext", "convnext_tiny", ("features.0", "features.1", "features.3.1", "features.6")),
    ],
)
def test_layers_are_torchvision_s(
    which: str, architecture: str, taps: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    net, path = request.getfixturevalue(which)
    extract = build_features(path, torch.empty(0), taps=taps, border="zeros")
    assert isinstance(extract, Residual)
    assert extract.architecture == architecture
    images = torch.rand(2, 3, 64, 96)
    found = extract(images, wraps=False)
    assert list(found) == list(taps)
    for features, expected in zip(found.values(), watched(net, taps, images), strict=True):
        assert torch.allclose(features, expected, atol=1e-4)


def test_an_image_that_wraps_has_no_border(resnet: Any, convnext: Any) -> None:
    images = torch.rand(1, 3, 64, 64)
    for _, path in (resnet, convnext):
        extract = build_features(path, images)
        moved = extract(images.roll(32, 3), wraps=True)
        for name, features in extract(images, wraps=True).items():
            shift = 32 * features.shape[-1] // 64
            assert torch.allclose(features.roll(shift, 3), moved[name], atol=1e-4)
        assert not torch.allclose(extract(images, wraps=False)[name], features, atol=1e-4)


def test_the_stem_may_blur_its_maxima(resnet: Any, convnext: Any) -> None:
    net, path = resnet
    images = torch.rand(1, 3, 32, 32)
    extract = build_features(path, images, taps=("layer1",), border="zeros", pooling="blur")
    with torch.no_grad():
        first = net.relu(net.bn1(net.conv1(normalized(images))))
        # Squares around every second position begin one position before it.
        pooled = BlurredMaximum(3)(torch.cat([first[..., :1, :], first], -2)[..., [0, *range(16)]])
        assert torch.allclose(extract(images, wraps=False)["layer1"], net.layer1(pooled), atol=1e-4)
    with pytest.raises(InputError, match="`pooling` blur: convnext_tiny has no pooling"):
        build_features(convnext[1], images, pooling="blur")


def test_a_style_transfer_uses_them_and_names_their_layers(resnet: Any, convnext: Any) -> None:
    for (_, path), layers, side in (
        (resnet, {"style/relu", "style/layer3", "content/layer2"}, 32),
        (convnext, {"style/features.0", "style/features.5", "content/features.3"}, 64),
    ):
        pictures = [blobs(96, 128), blobs(96, 128).flip(3), blobs(28, 40)]
        content, style, narrow = (as_picture(picture[0], "picture") for picture in pictures)
        values = {"features": path, "size": 128, "smallest": 128, "quiet": True}
        training = StyleTraining(style_settings(content, [style], None, **values))
        losses = training.objective.loss(training.learner.model())
        assert layers <= set(losses)
        sum(loss.sum() for loss in losses.values()).backward()
        gradient = training.learner.model.pixels.grad
        assert gradient.isfinite().all()
        assert (gradient != 0).any()
        small = {"size": 40, "smallest": 40}
        with pytest.raises(InputError, match=f"need {side} or more"):
            StyleTraining(style_settings(narrow, [style], None, **values | small))


def test_unusable_weights_are_named(
    folder: Path, resnet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = resnet[0].state_dict()
    torch.save({k: v for k, v in weights.items() if "layer4" not in k}, folder / "cut.pth")
    with pytest.raises(
        InputError, match=r"cut.pth: its tensors match none of the known networks: resnet18"
    ):
        build_features(str(folder / "cut.pth"), torch.empty(0))
    with pytest.raises(InputError, match=r"no layer 'layer9'; it has relu, layer1\.0"):
        build_features(resnet[1], torch.empty(0), taps=("layer9",))
    torch.save(nn.ReLU(), folder / "code.pth")
    with pytest.raises(InputError, match=r"cannot read features from .*code.pth: Weights only"):
        read_weights(folder / "code.pth")
    (folder / "damaged.pth").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"damaged.pth: it is damaged, or torch.save did not"):
        read_weights(folder / "damaged.pth")
    torch.save([1], folder / "list.pth")
    with pytest.raises(InputError, match=r"list.pth: must be a state_dict, tensors by name"):
        read_weights(folder / "list.pth")
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(InputError, match=r"pip install 'nca-studio\[torchvision\]'"):
        build_features(resnet[1], torch.empty(0))
