import numpy as np
import pytest
import scipy.signal
import torch
from torch import Tensor

from nca.losses.layout import Layout, autocorrelation
from nca.losses.patches import PatchTransport
from nca.losses.texture import build_texture_loss


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dots(places: Tensor, size: int = 64) -> Tensor:
    """White squares of 4x4 pixels on black, [1, 3, size, size]; their number is their only word."""
    picture = torch.zeros(size, size)
    for y, x in places.tolist():
        picture[y : y + 4, x : x + 4] = 1
    return picture.expand(1, 3, size, size).clone()


def lattice() -> Tensor:
    return dots(torch.cartesian_prod(torch.arange(2, 64, 16), torch.arange(2, 64, 16)))


def scattered() -> Tensor:
    """As many dots, moved at random by up to six pixels."""
    places = torch.cartesian_prod(torch.arange(6, 64, 16), torch.arange(6, 64, 16))
    return dots(places + torch.randint(-6, 7, places.shape, generator=generator()))


def test_autocorrelation_is_scipys() -> None:
    picture = torch.randn(1, 1, 20, 24, generator=generator())
    full = scipy.signal.correlate2d(picture[0, 0].numpy(), picture[0, 0].numpy())
    mine = autocorrelation(picture, 5, torus=False)[0, 0]
    for down in range(6):
        for side in range(-5, 6):
            pairs = (20 - down) * (24 - abs(side))
            expected = full[19 + down, 23 + side] / pairs
            assert float(mine[down, side]) == pytest.approx(expected, abs=1e-5)


def test_autocorrelation_of_a_torus_is_a_mean_over_all_places() -> None:
    picture = torch.randn(2, 3, 16, 16, generator=generator())
    mine = autocorrelation(picture, 4, torus=True)
    for down, side in ((0, 0), (3, 2), (4, -1)):
        moved = picture.roll((-down, -side), (2, 3))
        assert torch.allclose(mine[:, :, down, side], (picture * moved).mean((2, 3)), atol=1e-5)


def test_layout_tells_a_lattice_from_scattered_dots() -> None:
    target, other = lattice(), scattered()
    assert np.isclose(target.mean(), other.mean(), rtol=0.1)
    layout = Layout({"color": target})
    moved = float(layout({"color": target.roll((5, 9), (2, 3))})["layout_color"])
    assert moved < 0.1 * float(layout({"color": other})["layout_color"])


def test_patch_transport_is_small_for_the_texture_and_repeats() -> None:
    target = lattice() * 0.8 + 0.1
    near, far = target.roll((5, 9), (2, 3)), target.flip(1) * 0.5
    values = [
        {k: float(v[0]) for k, v in PatchTransport(target, generator())(picture).items()}
        for picture in (near, near, far)
    ]
    assert values[0] == values[1]
    assert list(values[0]) == ["patch1", "patch2", "patch3"]  # the fourth has 8 pixels a side
    assert sum(values[0].values()) < 0.5 * sum(values[2].values())


def test_layout_and_patches_join_the_texture_loss_by_weight() -> None:
    def build(layout: float, patches: float, **weights: float) -> dict[str, Tensor]:
        loss = build_texture_loss(
            lattice(),
            "builtin",
            "gram",
            generator(),
            weights=weights,
            layout_weight=layout,
            patch_weight=patches,
        )
        return loss(scattered())

    assert not any(name.startswith(("layout", "patch")) for name in build(0, 0))
    once, twice = build(1, 1), build(2, 2, patch1=0.0)
    for name in ("layout_color", "layout_net1", "patch2"):
        assert float(twice[name]) == pytest.approx(2 * float(once[name]), rel=1e-5)
    assert float(twice["patch1"]) == 0
    assert float(once["net1"]) == float(twice["net1"])


def test_layout_and_patches_have_gradients_towards_the_target() -> None:
    loss = build_texture_loss(
        lattice(), "patches", "gram", generator(), layout_weight=1, patch_weight=1
    )
    image = (0.6 * scattered()).requires_grad_()
    before = loss(image)
    parts = [v for k, v in before.items() if k.startswith(("layout", "patch"))]
    (gradient,) = torch.autograd.grad(torch.stack(parts).sum(), image)
    assert torch.isfinite(gradient).all()
    after = loss((image - 0.05 * gradient / gradient.abs().max()).detach())
    for name in ("layout_patch0", "patch1"):
        assert float(after[name]) < before[name].item(), name
