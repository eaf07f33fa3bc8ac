from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from nca.errors import InputError
from nca.losses.features.build import build_features
from nca.losses.perceptual import (
    ContentTerm,
    PerceptualLoss,
    StyleLoss,
    StyleTerm,
    at_layer,
    describe,
    mixture,
    relative,
    select,
)
from nca.losses.pixels import MatchImage, OverallColor, Palette, TotalVariation
from nca.losses.statistics import STATISTICS, SlicedTransport, Wasserstein
from tests.losses.test_losses import generator, stripes

MERGEABLE = ["gram", "wasserstein", "moments", "lesson20"]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed))


def covariance(features: Tensor) -> np.ndarray:
    return np.cov(features[0].flatten(1).double().numpy(), bias=True)


def test_wasserstein_is_that_of_scipy_s_square_root() -> None:
    mix = noise(6, 6, seed=2)
    mine, theirs = noise(1, 6, 20, 20), torch.einsum("ij,bjhw->bihw", mix, noise(1, 6, 30, 20)) + 1
    statistic = Wasserstein()
    a, b = covariance(mine), covariance(theirs)
    root = scipy.linalg.sqrtm(b)
    cross = np.trace(scipy.linalg.sqrtm(root @ a @ root).real)
    offset = (mine.mean((2, 3)) - theirs.mean((2, 3))).square().sum()
    square = float(offset) + np.trace(a) + np.trace(b) - 2 * cross
    relative = square / (np.trace(b) + float(theirs.mean((2, 3)).square().sum()))
    expected = np.sqrt(relative + 0.1**2) - 0.1
    distance = float(statistic.distance(mine, statistic.describe(theirs)))
    assert distance == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("name", MERGEABLE)
def test_parts_merge_to_the_whole(name: str) -> None:
    statistic = STATISTICS[name](generator())
    whole = noise(1, 5, 8, 9) + torch.arange(9) / 3  # the parts differ in their means
    parts = [whole[..., :4], whole[..., 4:]]
    merged = statistic.merge([statistic.describe(part) for part in parts], [4 / 9, 5 / 9])
    assert torch.allclose(merged, statistic.describe(whole), atol=1e-5)


def test_a_mixture_of_clouds_has_points_of_both() -> None:
    statistic = SlicedTransport(generator())
    parts = [statistic.describe(noise(1, 3, 16, 16, seed=i) + 10 * i) for i in range(2)]
    merged = statistic.merge(parts, [0.25, 0.75])
    assert float((merged[0, 0] > 5).float().mean()) == pytest.approx(0.75)


def scalar_loss(name: str) -> Callable[[Tensor], Tensor]:
    """A loss by name, of [1, 3, 24, 24] in float64."""
    style, content = stripes(size=48).double(), stripes(12, 24).double()
    pixels = {
        "smooth": 2.0 * TotalVariation(),
        "image": 2.0 * MatchImage(content),
        "color": 2.0 * OverallColor((0.1, 0.5, 0.9)),
        "palette": 2.0 * Palette([(0.1, 0.5, 0.9), (1.0, 0.0, 0.0)]),
    }
    if name in pixels:
        return lambda images: StyleLoss(None, pixels=[pixels[name]])(images)[name].sum()
    features = build_features("random", style)
    layers = features(style, wraps=False)
    if name == "content":
        kept = features(content, wraps=False)
        loss = StyleLoss(features, content=ContentTerm(kept, relative(kept, 1.0, {})))
    else:
        torch.manual_seed(0)
        region = torch.zeros(24, 24, dtype=torch.bool)
        region[:, :20] = True
        # New directions in every call would make every call another function.
        statistic = STATISTICS[name](generator())
        targets = describe(layers, statistic)
        loss = StyleLoss(features, styles=[StyleTerm(targets, statistic, region=region)])

    def total(images: Tensor) -> Tensor:
        for term in loss.styles:
            if isinstance(term.statistic, SlicedTransport):
                term.statistic.generator.manual_seed(5)
        return torch.stack(list(loss(images).values())).sum()

    return total


@pytest.mark.parametrize(
    "name", ["smooth", "image", "color", "palette", "content", *sorted(STATISTICS)]
)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    total = scalar_loss(name)
    image = torch.rand(1, 3, 24, 24, dtype=torch.float64, generator=generator(1)).requires_grad_()
    direction = torch.randn(image.shape, dtype=torch.float64, generator=generator(2))
    total(image).backward()
    assert image.grad is not None
    slope = float((image.grad * direction).sum())
    with torch.no_grad():
        measured = (total(image + 1e-6 * direction) - total(image - 1e-6 * direction)) / 2e-6
    assert slope == pytest.approx(float(measured), rel=1e-3)


def test_all_terms_take_one_pass_and_are_named_by_layer() -> None:
    style, content = stripes(), stripes(20)
    passes = []
    features = build_features("random", style)

    def counted(images: Tensor, *, wraps: bool) -> dict[str, Tensor]:
        passes.append(wraps)
        return features(images, wraps=wraps)

    kept = {"bank2": features(content, wraps=False)["bank2"]}
    gram = STATISTICS["gram"](generator())
    targets = describe(features(style, wraps=False), gram)
    loss = StyleLoss(
        counted,
        styles=[StyleTerm(targets, gram, name="style", weights={"bank1": 3.0}, weight=2.0)],
        content=ContentTerm(kept, relative(kept, 5.0, {})),
        pixels=[TotalVariation()],
    )
    losses = loss(torch.cat([style, content, torch.rand(1, 3, 64, 64)]))
    assert passes == [False]
    assert list(losses) == [*(f"style/bank{i}" for i in range(1, 4)), "content/bank2", "smooth"]
    assert all(value.shape == (3,) for value in losses.values())
    assert float(losses["style/bank2"][0]) == pytest.approx(0, abs=1e-5)
    assert float(losses["content/bank2"][1]) == pytest.approx(0, abs=1e-5)
    assert float(losses["content/bank2"][2]) > 1
    distance = StyleTerm(targets, gram)(features(content, wraps=False))
    assert float(losses["style/bank1"][1]) == pytest.approx(6 * float(distance["bank1"]), rel=1e-4)


def test_a_style_term_sees_its_region_only() -> None:
    features = {"a": noise(1, 4, 16, 16)}
    left = torch.zeros(16, 16, dtype=torch.bool)
    left[:, :8] = True
    gram = STATISTICS["gram"](generator())
    term = StyleTerm(describe(features, gram, left), gram, region=left)
    changed = {"a": features["a"] + 5 * ~left}
    assert float(term(changed)["a"]) == pytest.approx(0, abs=1e-6)
    assert float(term({"a": features["a"] + 5 * left})["a"]) > 0.5


def test_a_mixture_lies_between_its_styles() -> None:
    gram = STATISTICS["gram"](generator())
    described = [describe({"a": k * noise(1, 4, 16, 16)}, gram) for k in (1.0, 3.0)]
    mixed = mixture(described, gram, [3.0, 1.0])["a"]
    assert torch.allclose(mixed, described[0]["a"] * (0.75 + 0.25 * 9))


def test_a_weight_of_no_layer_is_named() -> None:
    kept = {"a": noise(1, 4, 16, 16)}
    gram = STATISTICS["gram"](generator())
    for make in (
        lambda: StyleTerm(describe(kept, gram), gram, weights={"b": 1.0}),
        lambda: relative(kept, 1.0, {"b": 1.0}),
    ):
        with pytest.raises(InputError, match="no layer 'b'; the layers are a"):
            make()


def test_regions_follow_a_layer_down() -> None:
    region = torch.zeros(32, 48, dtype=torch.bool)
    region[8:, 24:] = True
    assert torch.equal(at_layer(region, 4, 6), region[::8, ::8])
    assert select(noise(2, 3, 4, 6), region).shape == (2, 3, 1, 9)
    with pytest.raises(
        InputError, match=r"mask of 48x32 pixels: .* covers no position of a 6x4 feature layer"
    ):
        select(noise(2, 3, 4, 6), torch.zeros(32, 48))


def test_colors_pull_where_they_should() -> None:
    gray = torch.full((1, 3, 8, 8), 0.5)
    assert float(OverallColor((0.5, 0.5, 0.5))(gray)["color"]) == 0
    assert float(OverallColor((1.0, 0.5, 0.5))(gray)["color"]) == pytest.approx(0.25 / 3)
    half = torch.cat([gray, gray + 0.5], 3)
    assert float(Palette([(0.5, 0.5, 0.5), (1.0, 1.0, 1.0)])(half)["palette"]) == 0
    assert float(Palette([(0.5, 0.5, 0.5)])(half)["palette"]) == pytest.approx(0.125)
    assert float(TotalVariation()(half)["smooth"]) == pytest.approx(0.25 / 15)


def two_layers(images: Tensor, *, wraps: bool) -> dict[str, Tensor]:
    assert not wraps
    return {"fine": images, "coarse": 3 * images[..., ::2, ::2]}


def test_perceptual_loss_compares_features_with_those_of_the_own_original() -> None:
    example, images, originals = (noise(n, 3, 8, 8, seed=n) for n in (1, 2, 3))
    originals = originals[:2]
    loss = PerceptualLoss(two_layers, example, {"coarse": 0.5})
    x, y, e = (tensor.double().numpy() for tensor in (images, originals, example))
    fine = np.square(x - y).mean((1, 2, 3)) / np.square(e).mean()
    reduced = np.square(x - y)[..., ::2, ::2].mean((1, 2, 3)) / np.square(e[..., ::2, ::2]).mean()
    assert loss(images, originals).tolist() == pytest.approx(list(fine + 0.5 * reduced), rel=1e-5)
    assert loss(originals, originals).tolist() == [0, 0]


def test_perceptual_loss_refuses_an_unknown_layer() -> None:
    with pytest.raises(InputError, match="no layer 'net9'; the layers are"):
        PerceptualLoss(two_layers, noise(1, 3, 8, 8), {"net9": 1.0})
