import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nca.errors import InputError
from nca.evaluation.comparisons import build_losses
from nca.images import read_square
from nca.losses.build import build_loss
from nca.losses.features import pretrained
from nca.losses.features.build import build_features
from nca.losses.features.pooling import blur_pool, max_pool
from nca.losses.features.pretrained import Architecture, Pretrained, load_weights
from nca.losses.settings import LossSettings
from nca.pictures import picture_path
from tests.conftest import DATA
from tests.losses.torchvision_models import torchvision_models

# torchvision's configurations: channels of the convolutions, "M" for pooling.
VGG16 = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]
VGG19 = [64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M"]


class DoubledAverage(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return sum(x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)) / 2


def vgg(
    configuration: list[int | str], narrow: int, pool: nn.Module | None = None
) -> nn.Sequential:
    """VGG's features as its authors' table and torchvision have them, with fewer channels."""
    layers: list[nn.Module] = []
    channels = 3
    for width in configuration:
        if isinstance(width, str):
            layers.append(pool or nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, width // narrow, 3, padding=1), nn.ReLU()]
            channels = width // narrow
    return nn.Sequential(*layers)


class Fire(nn.Module):
    """SqueezeNet's module as torchvision builds it."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x).relu(), self.expand3x3(x).relu()], 1)


def squeezenet() -> nn.Sequential:
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    sizes = [(16, 4, 8), (16, 4, 8), (16, 8, 16), (32, 8, 16), (32, 12, 24), (48, 12, 24),
             (48, 16, 32), (64, 16, 32)]  # fmt: skip
    fires = [Fire(*size) for size in sizes]
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2),
        nn.ReLU(),
        pool,
        *fires[:2],
        pool,
        *fires[2:4],
        pool,
        *fires[4:],
    )


def save_features(net: nn.Sequential, path: Path) -> Path:
    save_file({f"features.{name}": tensor for name, tensor in net.state_dict().items()}, path)
    return path


def normalized(images: Tensor) -> Tensor:
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (images - mean[:, None, None]) / std[:, None, None]


# The taps of the lesson: features[1, 6, 11, 18, 25] of VGG-16, after ReLU.
@pytest.mark.parametrize(
    ("configuration", "narrow", "taps"),
    [(VGG16, 1, (1, 6, 11, 18, 25)), (VGG19, 16, (1, 6, 11, 20, 29))],
)
def test_vgg_layers_are_torchvision_s(
    tmp_path: Path, configuration: list[int | str], narrow: int, taps: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    net = vgg(configuration, narrow)
    path = save_features(net, tmp_path / "vgg.safetensors")
    extract = Pretrained(str(path), border="zeros")
    assert extract.architecture == ("vgg16" if configuration is VGG16 else "vgg19")
    images = torch.rand(1, 3, 32, 32)
    result = extract(images, wraps=False)
    assert list(result) == ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
    with torch.no_grad():
        for tap, features in zip(taps, result.values(), strict=True):
            expected = net[: tap + 1](normalized(images))
            assert torch.allclose(features, expected, atol=1e-5)


def test_average_pooling_takes_the_place_of_the_maximum(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = vgg(VGG19, 16, DoubledAverage())
    extract = Pretrained(
        str(save_features(net, tmp_path / "v.safetensors")), border="zeros", pooling="average"
    )
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        expected = net[:30](normalized(images))
        assert torch.allclose(extract(images, wraps=False)["relu5_1"], expected, atol=1e-5)
    with pytest.raises(InputError, match="`pooling` average: only pretrained networks offer it"):
        build_features("builtin", images, pooling="average")


class BlurredMaximum(nn.Module):
    """Zhang's pooling, position by position."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        def maximum(row: int, column: int) -> Tensor:
            rows = torch.arange(row, row + self.side).clamp(0, x.shape[-2] - 1)
            columns = torch.arange(column, column + self.side).clamp(0, x.shape[-1] - 1)
            return x[..., rows[:, None], columns].amax((-2, -1))

        def blurred(row: int, column: int) -> Tensor:
            kernel = {-1: 1 / 4, 0: 1 / 2, 1: 1 / 4}
            return sum(
                a * b * maximum(row + i, column + j)
                for i, a in kernel.items()
                for j, b in kernel.items()
            )

        height, width = x.shape[-2] // 2, x.shape[-1] // 2
        rows = [
            torch.stack([blurred(2 * i, 2 * j) for j in range(width)], -1) for i in range(height)
        ]
        return torch.stack(rows, -2)


@pytest.mark.parametrize("side", [2, 3])
def test_blurred_maxima_lie_where_the_maxima_lie(side: int) -> None:
    features = torch.rand(1, 2, 7, 8)
    found = blur_pool(features, side, "reflect")
    assert found.shape == max_pool(features, side, "reflect").shape
    assert torch.allclose(found, BlurredMaximum(side)(features))


def test_blur_makes_a_network_care_less_about_a_shift(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = str(save_features(vgg(VGG19, 8), tmp_path / "v.safetensors"))
    images = torch.rand(1, 3, 32, 32)

    def change(pooling: str) -> Tensor:
        extract = Pretrained(path, ("relu3_1",), pooling=pooling)
        first, moved = (
            extract(x, wraps=True)["relu3_1"].mean((2, 3)) for x in (images, images.roll(1, 3))
        )
        return (moved - first).norm() / first.std()

    assert change("blur") < change("max") / 3


@pytest.mark.parametrize(
    ("name", "taps"),
    [
        ("vgg16", (1, 6, 11, 18, 25)),
        ("vgg19", (1, 6, 11, 20, 29)),
        ("squeezenet1_1", (1, 4, 7, 10, 12)),
    ],
)
def test_layers_are_those_of_torchvision_itself(
    tmp_path: Path, name: str, taps: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    net = torchvision_models().get_model(name, weights=None).features.eval()
    extract = Pretrained(str(save_features(net, tmp_path / "net.safetensors")), border="zeros")
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for tap, features in zip(taps, extract(images, wraps=False).values(), strict=True):
            assert torch.allclose(features, net[: tap + 1](normalized(images)), atol=1e-5)


def test_squeezenet_layers_are_torchvision_s(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = squeezenet()
    extract = Pretrained(str(save_features(net, tmp_path / "s.safetensors")), border="zeros")
    assert extract.architecture == "squeezenet1_1"
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        result = extract(images, wraps=False).values()
        for tap, features in zip((1, 4, 7, 10, 12), result, strict=True):
            expected = net[: tap + 1](normalized(images))
            assert features.shape == expected.shape
            assert torch.allclose(features, expected, atol=1e-5)


def test_only_the_layers_in_use_are_kept(tmp_path: Path) -> None:
    path = save_features(vgg(VGG19, 16), tmp_path / "vgg.safetensors")
    extract = Pretrained(str(path), taps=("relu2_2",))
    assert [node.name for node in extract.nodes] == ["relu1_1", "relu1_2", "relu2_1", "relu2_2"]
    assert list(extract(torch.rand(1, 3, 16, 16), wraps=True)) == ["relu2_2"]
    assert not any(node.weight.requires_grad for node in extract.nodes)


def test_a_cut_off_file_has_the_taps_it_has(tmp_path: Path) -> None:
    whole = {f"features.{k}": v for k, v in vgg(VGG19, 16).state_dict().items()}
    short = {k: v for k, v in whole.items() if int(k.split(".")[1]) <= 10}
    save_file(short, tmp_path / "short.safetensors")
    extract = Pretrained(str(tmp_path / "short.safetensors"))
    assert extract.taps == {"relu1_1", "relu2_1", "relu3_1"}
    with pytest.raises(InputError, match="no layer 'relu5_1'; it has"):
        Pretrained(str(tmp_path / "short.safetensors"), taps=("relu5_1",))


def test_a_torus_has_no_border(tmp_path: Path) -> None:
    extract = Pretrained(str(save_features(vgg(VGG19, 16), tmp_path / "v.safetensors")))
    images = torch.rand(1, 3, 32, 32)
    moved = extract(images.roll(16, 3), wraps=True)
    for name, features in extract(images, wraps=True).items():
        shift = 16 * features.shape[-1] // 32
        assert torch.allclose(features.roll(shift, 3), moved[name], atol=1e-4)


def test_unusable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read features"):
        load_weights(str(tmp_path / "none.safetensors"))
    (tmp_path / "bad.safetensors").write_bytes(b"hello")
    with pytest.raises(InputError, match="cannot read features"):
        load_weights(str(tmp_path / "bad.safetensors"))
    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"no tensor 'features\.0\.weight'"):
        load_weights(str(tmp_path / "other.safetensors"))


@pytest.fixture
def official(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local 'official address', with weights whose name contains their hash."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    weights = {f"features.{k}": v for k, v in vgg(VGG16, 16).state_dict().items()}
    weights["classifier.0.weight"] = torch.zeros(3)
    torch.save(weights, tmp_path / "weights.pth")
    digest = hashlib.sha256((tmp_path / "weights.pth").read_bytes()).hexdigest()[:8]
    path = (tmp_path / "weights.pth").rename(tmp_path / f"vgg16-{digest}.pth")
    entry = Architecture(path.as_uri(), 1, pretrained.VGG_TAPS)
    monkeypatch.setitem(pretrained.ARCHITECTURES, "vgg16", entry)
    return path


def test_weights_are_fetched_once_and_checked(
    official: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, weights = load_weights("vgg16")
    assert name == "vgg16"
    assert all(key.startswith("features.") for key in weights)
    assert "fetching vgg16 (1 MB) from file://" in capsys.readouterr().err
    official.unlink()
    load_weights("vgg16")
    assert "fetching" not in capsys.readouterr().err


def test_damaged_weights_are_refused(official: Path) -> None:
    data = bytearray(official.read_bytes())
    data[len(data) // 2] ^= 1
    official.write_bytes(data)
    with pytest.raises(InputError, match=r"vgg16 from .* is damaged: invalid hash value"):
        load_weights("vgg16")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"<html>captive portal</html>",
        lambda data: data[: len(data) // 2],
        lambda data: bytes(range(256)) * 400,
        lambda data: data[:-1000] + bytes([data[-1000] ^ 1]) + data[-999:],
    ],
)
def test_a_damaged_file_in_the_cache_is_named(
    official: Path, damage: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    load_weights("vgg16")
    cached = Path(torch.hub.get_dir(), "checkpoints", official.name)
    cached.write_bytes(damage(cached.read_bytes()))
    with pytest.raises(
        InputError, match=r"^vgg16: .*\.pth cannot be used \(.*\); delete it"
    ) as caught:
        load_weights("vgg16")
    assert str(cached) in str(caught.value)
    target = read_square(picture_path("coral"), 64)[None]
    capsys.readouterr()
    assert list(build_losses(target)) == ["builtin, gram", "random, gram", "patches, transport"]
    assert capsys.readouterr().err.startswith(f"left out: vgg16: {cached} cannot be used")
    with pytest.raises(InputError, match="cannot be used"):
        build_losses(target, ["vgg16"])


def test_weights_without_a_tensor_are_refused(tmp_path: Path) -> None:
    weights = {f"features.{k}": v for k, v in vgg(VGG16, 16).state_dict().items()}
    for name in ("features.0.bias", "features.10.bias"):
        part = {key: tensor for key, tensor in weights.items() if key != name}
        save_file(part, tmp_path / "part.safetensors")
        with pytest.raises(InputError, match=f"no tensor '{name}'"):
            Pretrained(str(tmp_path / "part.safetensors"))


def test_without_network_a_remedy_is_suggested(official: Path) -> None:
    official.unlink()
    said = r"cannot download vgg16 from .* `features` builtin, which needs no"
    with pytest.raises(InputError, match=said):
        load_weights("vgg16")


@pytest.fixture
def genuine() -> str:
    """Genuine pretrained VGG-19 layers."""
    path = DATA / "features" / "vgg19_relu3_1_fp16.safetensors"
    if not path.exists():
        pytest.skip(f"no {path.name} beside the checkout")
    return str(path)


def test_genuine_features_distinguish_textures(genuine: str) -> None:
    """Two halves of one photograph are closer than two photographs."""
    names = ("veined_0106.jpg", "bubbly_0101.jpg", "interlaced_0172.jpg")
    pictures = [read_square(DATA / "textures" / name, 128)[None] for name in names]
    for i, picture in enumerate(pictures):
        settings = LossSettings(features=genuine)
        loss = build_loss(picture[..., :64], settings, torch.Generator(), wraps=False)
        distances = [
            float(torch.stack(list(loss(other[..., 64:]).values())).sum()) for other in pictures
        ]
        assert distances.index(min(distances)) == i
    assert all(t.dtype == torch.float16 for t in load_file(genuine).values())
