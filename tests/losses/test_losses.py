import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
import torch.nn.functional as F
from torch import Tensor

from nca.errors import InputError
from nca.losses.build import build_loss
from nca.losses.features.base import Patches, halve, pyramid
from nca.losses.features.patchnet import Builtin, PatchNet, RandomBank, _BothSigns
from nca.losses.pixels import TotalVariation
from nca.losses.settings import LossSettings
from nca.losses.statistics import (
    STATISTICS,
    Gram,
    LessonGram,
    Moments,
    SlicedTransport,
    _TraceOfRoot,
    gram,
    trace_of_root,
)
from nca.losses.term import Term
from nca.losses.texture import TextureLoss, curvature, overflow


def texture_loss(target: Tensor, features: str, statistic: str, *, wraps: bool = True) -> Term:
    settings = LossSettings(features=features, statistic=statistic)
    return build_loss(target, settings, generator(), wraps=wraps)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stripes(period: int = 8, size: int = 64, angle: float = 0.6) -> Tensor:
    """A picture of [1, 3, size, size] with waves in three colors."""
    y, x = torch.meshgrid(*2 * [torch.arange(size, dtype=torch.float32)], indexing="ij")
    phase = 2 * torch.pi / period * (x * np.cos(angle) + y * np.sin(angle))
    return torch.stack([phase.sin(), phase.cos(), (2 * phase).sin()])[None] * 0.4 + 0.5


EXTRACTORS = {
    "patchnet": PatchNet,
    "random": RandomBank,
    "builtin": Builtin,
    "patches": lambda _: Patches(),
}


@pytest.mark.parametrize("name", EXTRACTORS)
def test_features_on_a_torus_move_with_the_picture(name: str) -> None:
    extract = EXTRACTORS[name](stripes())
    image = torch.rand(2, 3, 64, 64, generator=generator())
    moved = extract(image.roll((8, 16), (2, 3)), wraps=True)
    for layer, features in extract(image, wraps=True).items():
        scale = 64 // features.shape[-1]
        expected = features.roll((8 // scale, 16 // scale), (2, 3))
        assert torch.allclose(moved[layer], expected, atol=1e-4), layer


@pytest.mark.parametrize("name", EXTRACTORS)
def test_features_without_a_torus_see_no_border(name: str) -> None:
    extract = EXTRACTORS[name](stripes())
    image = stripes(size=64)
    brighter = F.pad(image[:, :, 8:-8, 8:-8], (8, 8, 8, 8), value=1.0)
    for layer, features in extract(image, wraps=False).items():
        assert torch.isfinite(features).all()
        assert features.shape[1] == extract(brighter, wraps=False)[layer].shape[1]
        assert features.shape[-1] < 64 or layer == "color"


def test_patchnet_responses_are_normalized_on_the_target() -> None:
    target = stripes() + 0.05 * torch.randn(1, 3, 64, 64, generator=generator())
    net = PatchNet(target)
    weight, bias = net.layers[0]
    response = F.conv2d(net.normalize(target), weight, bias)
    assert response.mean((0, 2, 3)).abs().max() < 1e-3
    assert (response.std((0, 2, 3)) <= 1.01).all()
    assert response.std((0, 2, 3)).median() > 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_both_signs_of_a_response_have_the_bits_of_two_relus(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x, more = torch.randn(2, 5, 6, 7, dtype=dtype), torch.randn(2, 4, 6, 7)
    x[0, 0, 0, :3] = torch.tensor([0.0, -0.0, torch.nan])
    upstream = torch.randn(2, 14, 6, 7, dtype=dtype)

    def both(of: Callable[[Tensor, Tensor], Tensor]) -> list[Tensor]:
        inputs = [x.clone().requires_grad_(), more.clone().requires_grad_()]
        result = of(*inputs)
        return [result.detach(), *torch.autograd.grad(result, inputs, upstream)]

    right = both(lambda x, more: torch.cat([F.relu(x), F.relu(-x), more.to(dtype)], 1))
    for got, expected in zip(both(_BothSigns.apply), right, strict=True):
        assert got.dtype == expected.dtype
        assert torch.equal(got.nan_to_num(7), expected.nan_to_num(7))


def test_patchnet_is_the_same_for_the_same_seed() -> None:
    first, second, other = PatchNet(stripes()), PatchNet(stripes()), PatchNet(stripes(), seed=1)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first.layers, second.layers, strict=True))
    assert not torch.equal(first.layers[0][0], other.layers[0][0])


@pytest.mark.parametrize("size", [32, 48, 128])
def test_no_layer_gets_too_coarse(size: int) -> None:
    features = Builtin(stripes(size=size))(stripes(size=size), wraps=True)
    assert min(min(f.shape[2:]) for f in features.values()) >= 10


def test_a_flat_picture_has_features_too() -> None:
    flat = torch.full((1, 3, 64, 64), 0.3)
    for features in Builtin(flat)(torch.rand(1, 3, 64, 64), wraps=True).values():
        assert torch.isfinite(features).all()


def test_halving_keeps_the_mean_and_the_torus() -> None:
    image = torch.rand(1, 3, 32, 32, generator=generator())
    half = halve(image, wraps=True)
    assert half.shape == (1, 3, 16, 16)
    assert torch.allclose(half.mean((2, 3)), image.mean((2, 3)), atol=1e-6)
    assert torch.allclose(halve(image.roll(2, 3), wraps=True), half.roll(1, 3), atol=1e-6)
    assert [p.shape[-1] for p in pyramid(image, 3, wraps=False)] == [32, 16, 8]


def test_gram_is_the_mean_of_outer_products() -> None:
    features = torch.randn(2, 5, 3, 4, generator=generator())
    vectors = features[1].flatten(1).double().numpy()
    expected = sum(np.outer(v, v) for v in vectors.T) / 12
    assert np.abs(gram(features)[1].numpy() - expected).max() < 1e-6


def test_gram_is_float32_under_autocast() -> None:
    """Bfloat16 keeps three digits: the sum over 16,384 positions would lose the small entries."""
    features = torch.rand(1, 8, 128, 128, generator=generator())
    expected = (features[0].flatten(1).double() @ features[0].flatten(1).double().T) / 128**2
    with torch.autocast("cpu", torch.bfloat16):
        result = gram(features)
    assert result.dtype == torch.float32
    assert (result[0].double() - expected).abs().max() < 1e-5


@pytest.mark.parametrize(("statistic", "least"), [("gram", 0.999), ("transport", 0.99)])
def test_the_gradient_in_bfloat16_points_where_the_one_in_float32_does(
    statistic: str, least: float
) -> None:
    target = torch.rand(1, 3, 16, 16, generator=generator()).repeat_interleave(3, 2)
    target = target.repeat_interleave(3, 3)  # [1, 3, 48, 48]
    images = torch.rand(2, 3, 48, 48, generator=generator(1))
    gradients = []
    for bfloat16 in (False, True):
        features = Builtin(target)
        loss = TextureLoss(target, features, STATISTICS[statistic](generator()))
        loss.kernel = None  # it computes in float32 whatever is asked
        pixels = images.clone().requires_grad_(True)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            total = torch.stack(list(loss(pixels).values())).sum()
        gradients.append(torch.autograd.grad(total, pixels)[0].flatten())
    assert not torch.equal(*gradients)
    assert float(torch.cosine_similarity(*gradients, dim=0)) > least


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("statistic", ["gram", "wasserstein", "moments", "transport"])
def test_crops_of_a_texture_match_it_jointly(statistic: str, native: bool) -> None:
    noise = torch.rand(1, 3, 64, 64, generator=generator())
    target = torch.cat([0.5 * noise, 1 - 0.2 * noise], 3)  # dark, then bright
    crops = torch.cat([target[..., :64], target[..., 64:]])
    loss = TextureLoss(
        target, Builtin(target), STATISTICS[statistic](generator()), wraps=False, joint=True
    )
    if not native:
        loss.kernel = None
    assert bool(loss.kernel) == (native and statistic != "transport")
    joint = torch.stack(list(loss(crops).values()))  # [layer, crop]
    with torch.no_grad():
        single = torch.stack(list(loss(crops).values()))
    assert torch.equal(joint[:, 0], joint[:, 1])
    assert (single[:, 0] != single[:, 1]).all()
    assert joint.sum() < 0.4 * single.sum()


@pytest.mark.parametrize("name", STATISTICS)
def test_equal_features_have_no_distance(name: str) -> None:
    statistic = STATISTICS[name](generator())
    features = torch.randn(1, 6, 20, 20, generator=generator(1))
    target = statistic.describe(features)
    assert abs(float(statistic.distance(features, target)[0])) < 1e-5
    assert float(statistic.distance(2 * features, target)[0]) > 0.1


@pytest.mark.parametrize("name", ["gram", "moments", "transport"])
def test_distances_are_per_picture_and_blind_to_places(name: str) -> None:
    """The lesson's loss is left out: it sums over the batch, which is why it is not ours."""
    features = torch.randn(3, 6, 16, 16, generator=generator())
    target = torch.randn(1, 6, 20, 20, generator=generator(1))
    shuffled = features.flatten(2)[:, :, torch.randperm(256, generator=generator(2))]

    def distance(of: Tensor) -> Tensor:
        statistic = STATISTICS[name](generator(5))
        return statistic.distance(of, statistic.describe(target))

    assert torch.allclose(distance(features), distance(shuffled.view_as(features)), atol=1e-5)
    assert torch.allclose(distance(features)[1:2], distance(features[1:2]), atol=1e-5)


def test_gram_distance_is_robust() -> None:
    features = torch.randn(1, 4, 32, 32, generator=generator())
    statistic = Gram()
    target = statistic.describe(features)
    near, far, further = (float(statistic.distance(k * features, target)) for k in (1.01, 10, 20))
    relative = 1.01**2 - 1  # quadratic when near, linear in the matrix when far
    assert near == pytest.approx(np.hypot(relative, 0.1) - 0.1, rel=1e-3)
    assert further / far == pytest.approx(399 / 99, rel=0.01)


def test_lesson_gram_is_the_lesson_s() -> None:
    """As in notebook 16B: einsum over the batch, divided by the number of positions."""
    batch = torch.randn(4, 5, 6, 7, generator=generator())
    target = torch.randn(1, 5, 6, 7, generator=generator(1))
    grams = [torch.einsum("bchw,bdhw->cd", f, f) / (6 * 7) for f in (batch, target)]
    expected = (grams[0] - grams[1]).pow(2).mean()
    statistic = LessonGram()
    assert torch.allclose(statistic.distance(batch, statistic.describe(target)).mean(), expected)


def test_moments_see_mean_and_covariance_apart() -> None:
    features = torch.randn(1, 4, 32, 32, generator=generator()) + 1
    statistic = Moments()
    target = statistic.describe(features)
    cov = np.cov(features[0].flatten(1).numpy(), bias=True)
    assert np.abs(target[0, :, :-1].numpy() - cov).max() < 1e-5
    assert float(statistic.distance(features + 0.5, target)) > 0.1
    assert float(statistic.distance(features.mean((2, 3), True) * 2 - features, target)) < 1e-5


def test_transport_in_one_dimension_is_wasserstein() -> None:
    mine = torch.randn(1, 1, 40, 50, generator=generator())
    theirs = torch.randn(1, 1, 40, 50, generator=generator(1)) * 1.5 + 0.7
    statistic = SlicedTransport(generator(2))
    distance = float(statistic.distance(mine, statistic.describe(theirs)))
    flat = theirs.flatten().numpy()
    spread = np.abs(flat - flat.mean()).mean()
    expected = scipy.stats.wasserstein_distance(mine.flatten().numpy(), flat) / spread
    assert distance == pytest.approx(expected, rel=1e-3)


def test_transport_takes_pictures_of_another_size() -> None:
    statistic = SlicedTransport(generator(), samples=300)
    target = statistic.describe(torch.randn(1, 3, 64, 64, generator=generator(1)))
    same = statistic.distance(torch.randn(2, 3, 32, 32, generator=generator(3)), target)
    other = statistic.distance(torch.randn(2, 3, 32, 32, generator=generator(3)) * 2, target)
    assert same.max() < 0.2 < other.min()


@pytest.mark.parametrize("features", ["builtin", "random", "patches"])
@pytest.mark.parametrize("statistic", ["gram", "transport", "moments"])
def test_losses_distinguish_textures_and_have_gradients(features: str, statistic: str) -> None:
    loss = texture_loss(stripes(), features, statistic, wraps=False)
    images = torch.cat([stripes(), stripes(period=16), torch.rand(1, 3, 64, 64)])
    images = images.requires_grad_()
    totals = torch.stack(list(loss(images).values())).sum(0)
    assert totals.shape == (3,)
    assert totals[0] < totals[1:].min() / 3
    totals.sum().backward()
    assert images.grad is not None
    assert torch.isfinite(images.grad).all()
    assert (images.grad[1:].flatten(1).norm(dim=1) > 0).all()


@pytest.mark.parametrize("features", ["builtin", "random"])
def test_gradients_agree_with_finite_differences(features: str) -> None:
    torch.manual_seed(0)
    target = stripes(size=48).double()
    loss = texture_loss(target, features, "gram")
    image = torch.rand(1, 3, 32, 32, dtype=torch.float64, requires_grad=True)
    direction = torch.randn_like(image)

    def total(of: Tensor) -> Tensor:
        return torch.stack(list(loss(of).values())).sum()

    total(image).backward()
    assert image.grad is not None
    slope = (image.grad * direction).sum()
    with torch.no_grad():
        measured = (total(image + 1e-6 * direction) - total(image - 1e-6 * direction)) / 2e-6
    assert float(slope) == pytest.approx(float(measured), rel=1e-4)


def test_weights_of_layers() -> None:
    loss = build_loss(stripes(), LossSettings(layer_weights={"net1": 0.0}), generator())
    layers = loss(torch.rand(1, 3, 64, 64))
    assert layers["texture/net1"] == 0
    assert layers["texture/net2"] > 0
    with pytest.raises(InputError, match="no layer 'net9'; the layers are color"):
        build_loss(stripes(), LossSettings(layer_weights={"net9": 1.0}), generator())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"features": "vgg99"}, "`features` vgg99: must be one of builtin"),
        ({"statistic": "mean"}, "`statistic` mean: must be one of gram, wasserstein"),
        ({"terms": {"rough": 1.0}}, "`terms` rough: must be one of smooth"),
    ],
)
def test_unknown_names_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        build_loss(stripes(), LossSettings(**change), generator())


def test_terms_add_have_weights_and_print_themselves() -> None:
    settings = LossSettings(features="random", texture_weight=0.5, terms={"smooth": 3.0})
    loss = build_loss(stripes(), settings, generator())
    images = torch.rand(2, 3, 32, 32, generator=generator())
    plain = texture_loss(stripes(), "random", "wasserstein")(images)
    assert torch.equal(loss(images)["texture/bank1"], 0.5 * plain["texture/bank1"])
    assert torch.equal(loss(images)["smooth"], 3 * TotalVariation()(images)["smooth"])
    assert repr(loss) == "0.5 * TextureLoss(RandomBank, Wasserstein) + 3 * TotalVariation()"
    with pytest.raises(ValueError, match="two loss terms are named 'smooth'"):
        (TotalVariation() + TotalVariation())(images)


def test_overflow_counts_what_leaves_the_unit_range() -> None:
    state = torch.tensor([0.5, -0.5, 1.0, 3.0, -2.0, 0.0])
    assert overflow(state) == pytest.approx((2 + 1) / 6)


def test_curvature_is_small_for_smooth_channels_at_any_scale() -> None:
    noise = torch.randn(2, 3, 64, 64, generator=generator())
    assert curvature(noise, wraps=True).tolist() == pytest.approx([12, 12], rel=0.05)
    wave = (2 * torch.pi * torch.arange(64) / 16).sin()[None, None, :, None].expand(1, 3, 64, 64)
    expected = (2 - 2 * math.cos(2 * math.pi / 16)) ** 2
    assert curvature(wave, wraps=True).item() == pytest.approx(expected, rel=0.01)
    assert torch.allclose(curvature(100 * noise, wraps=True), curvature(noise, wraps=True), 1e-2)
    slope = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    assert curvature(slope, wraps=False) < 1e-6
    assert curvature(slope, wraps=True) > 0.1  # the seam
    assert curvature(torch.ones(1, 1, 8, 8), wraps=True) == 0


def test_texture_loss_keeps_the_target_s_description(tmp_path: Path) -> None:
    calls = []

    def extract(images: Tensor, *, wraps: bool) -> dict[str, Tensor]:
        calls.append((tuple(images.shape), wraps))
        return {"a": images}

    loss = TextureLoss(stripes(), extract, Gram(), wraps=True)
    loss(torch.rand(2, 3, 32, 32))
    assert calls == [((1, 3, 64, 64), False), ((2, 3, 32, 32), True)]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_trace_of_a_matrix_that_is_not_finite_is_nan(value: float) -> None:
    matrices = torch.eye(20).repeat(2, 1, 1)
    matrices[1, 3, 4] = value
    traces = trace_of_root(matrices.requires_grad_(True), torch.tensor(1e-6))
    assert traces[0] == 20
    assert traces[1].isnan()
    traces[0].backward()


def test_the_trace_of_a_root_by_products_is_that_by_eigenvalues() -> None:
    factors = torch.randn(3, 20, 60, generator=torch.Generator().manual_seed(0))
    matrices = (factors @ factors.mT / 60).requires_grad_(True)
    right = trace_of_root(matrices, torch.tensor(1e-6))
    got = _TraceOfRoot.apply(matrices)
    assert torch.allclose(got, right, rtol=1e-5)
    gradients = [torch.autograd.grad(trace.sum(), matrices)[0] for trace in (right, got)]
    assert torch.allclose(*gradients, atol=1e-4)
