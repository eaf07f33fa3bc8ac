from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from nca.losses.features.base import FeatureExtractor, Mirrored, mirror
from nca.losses.features.build import build_features
from nca.losses.features.pretrained import Pretrained
from nca.losses.perceptual import ContentTerm, StyleLoss, StyleTerm, describe, relative
from nca.losses.pixels import TotalVariation
from nca.losses.statistics import STATISTICS
from nca.losses.tiled import MARGIN, UNIT, TiledLoss, cover, describe_tiled
from tests.losses.test_losses import generator, stripes
from tests.losses.test_pretrained import VGG19, save_features, vgg

SIZE = 224  # of the tiles


def picture(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(1, 3, height, width, generator=generator(seed))


@pytest.fixture
def net(tmp_path: Path) -> FeatureExtractor:
    torch.manual_seed(0)
    path = save_features(vgg(VGG19, 16), tmp_path / "vgg.safetensors")
    return Pretrained(str(path), ("relu1_1", "relu2_1", "relu3_1"))


def builtin(_: FeatureExtractor) -> FeatureExtractor:
    return Mirrored(build_features("builtin", stripes(11, 128)))


FEATURES: dict[str, Callable[[FeatureExtractor], FeatureExtractor]] = {
    "vgg": lambda net: net,
    "builtin": builtin,
}


TOLERANCE = {"vgg": 1e-3, "builtin": 0.01}


@pytest.mark.parametrize("length", [225, 256, 289, 500, 1025])
@pytest.mark.parametrize("seed", [None, 0, 1, 2, 3])
def test_tiles_cover_every_pixel_once(length: int, seed: int | None) -> None:
    random = None if seed is None else generator(seed)
    count = torch.zeros(length, 300)
    for tile in cover(length, 300, SIZE, random):
        for span, whole in ((tile.rows, length), (tile.columns, 300)):
            assert span.end - span.start >= UNIT
            assert span.start - span.before == min(MARGIN, span.start)
            assert span.after - span.end == min(MARGIN, whole - span.end)
        count[tile.rows.start : tile.rows.end, tile.columns.start : tile.columns.end] += 1
    assert (count == 1).all()


def test_a_small_picture_is_one_tile() -> None:
    (tile,) = cover(200, SIZE, SIZE, generator())
    assert tile.area() == 200 * SIZE
    assert tile.cut(picture(200, SIZE)).shape[-2:] == (200, SIZE)


@pytest.mark.parametrize("kind", FEATURES)
@pytest.mark.parametrize("statistic", ["gram", "wasserstein", "moments"])
def test_tiles_give_the_loss_and_the_gradient_of_the_whole(
    kind: str, statistic: str, net: FeatureExtractor
) -> None:
    features, compared = FEATURES[kind](net), STATISTICS[statistic](generator())
    content, style = picture(256, 320), stripes(9, 288)
    with torch.no_grad():
        kept = features(content, wraps=False)
        last = list(kept)[-1]
        targets = describe(features(style, wraps=False), compared)
    tiled_targets = describe_tiled(features, style, list(kept), compared, SIZE)
    for name, target in targets.items():
        error = (tiled_targets[name] - target).norm() / target.norm()
        assert float(error) < TOLERANCE[kind], name
    region = torch.zeros(256, 320, dtype=torch.bool)
    region[32:192, :160] = True
    loss = StyleLoss(
        features,
        styles=[
            StyleTerm(targets, compared, name="style"),
            StyleTerm(targets, compared, name="left", region=region),
        ],
        content=ContentTerm({last: kept[last]}, relative({last: kept[last]}, 1.0, {})),
        pixels=[TotalVariation()],
    )
    image = picture(256, 320, seed=1)
    results = []
    for variant in (loss, TiledLoss(loss, content, SIZE, generator())):
        at = image.clone().requires_grad_()
        losses = variant(at)
        torch.stack(list(losses.values())).sum().backward()
        assert at.grad is not None
        results.append(({name: float(value.detach()) for name, value in losses.items()}, at.grad))
    (values, gradient), (tiled_values, tiled_gradient) = results
    assert tiled_values == pytest.approx(values, rel=TOLERANCE[kind], abs=1e-5)
    error = (tiled_gradient - gradient).norm() / gradient.norm()
    assert float(error) < 3 * TOLERANCE[kind]


def test_every_pixel_of_a_mirrored_picture_counts() -> None:
    """The gradient of a sum over all positions is as large at the border as in the middle."""
    image = picture(64, 96).requires_grad_()
    for name, layer in builtin(image)(image, wraps=False).items():
        assert layer.shape[-1] / layer.shape[-2] == 1.5, name
        (gradient,) = torch.autograd.grad(layer.square().sum(), image, retain_graph=True)
        size = gradient.abs().mean((0, 1))
        border = torch.cat([size[:4].flatten(), size[-4:].flatten()]).mean()
        assert 0.6 < float(border / size[16:-16].mean()) < 1.7, name
        # The outermost pixels too: 32|123|21 would have them half as often as the next.
        for outer, inner in ((size[0], size[1]), (size[-1], size[-2])):
            assert float(outer.mean() / inner.mean()) > 0.85, name


def test_a_mirror_repeats_the_border() -> None:
    image = torch.arange(12.0).view(1, 1, 3, 4)
    padded = mirror(image, 3)[0, 0].numpy()
    assert (padded == np.pad(image[0, 0].numpy(), 3, mode="symmetric")).all()


def test_the_grid_moves_from_step_to_step() -> None:
    random = generator()
    grids = {tuple(t.rows.start for t in cover(600, 600, SIZE, random)) for _ in range(20)}
    assert len(grids) > 3
