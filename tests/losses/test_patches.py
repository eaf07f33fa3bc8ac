from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nca.losses.build import build_loss
from nca.losses.features.base import circular_pad
from nca.losses.patches import NearestPatches, TargetPatches
from nca.losses.settings import LossSettings


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*size: int, seed: int = 0) -> Tensor:
    return torch.rand(1, 3, *size, generator=seeded(seed))


def total(term: NearestPatches, images: Tensor) -> Tensor:
    return torch.stack(list(term(images).values())).sum(0)


@pytest.mark.parametrize("wraps", [True, False])
def test_every_patch_is_compared_with_its_nearest(*, wraps: bool) -> None:
    """With all queries, all candidates and no penalty: the plain definition."""
    target, image = noise(14, 15), noise(2 * 8, 12, seed=1).view(2, 3, 8, 12)
    term = NearestPatches(
        target, seeded(), size=3, levels=1, queries=999, candidates=999, alpha=1e9, wraps=wraps
    )
    theirs = F.unfold(target, 3)[0].T
    padded = circular_pad(image, 1) if wraps else image
    for found, patches in zip(term(image)["patches/1"], F.unfold(padded, 3).mT, strict=True):
        nearest = theirs[torch.cdist(patches, theirs).argmin(1)]
        expected = (patches - nearest).square().mean().sqrt() / theirs.std()
        assert float(found) == pytest.approx(float(expected), rel=1e-4)


def test_only_its_own_patches_cost_nothing() -> None:
    target = noise(40, 40)
    inside = partial(NearestPatches, target, size=5, candidates=9999, levels=1, wraps=False)
    assert float(total(inside(seeded()), target)) < 1e-2
    assert float(total(inside(seeded()), noise(40, 40, seed=1))) > 0.5
    wrapped = NearestPatches(target.repeat(1, 1, 2, 2), seeded(), size=5, candidates=9999, levels=2)
    assert float(total(wrapped, target.roll((6, 10), (2, 3)))) < 0.05


def test_a_patch_that_many_use_becomes_expensive() -> None:
    """A flat image is nearest to the one flat patch; with the penalty, other patches count too."""
    target = noise(24, 24)
    target[:, :, :5, :5] = 0.5
    flat = torch.full((1, 3, 24, 24), 0.5)
    known = [NearestPatches(target, seeded(), size=5, levels=1, alpha=a) for a in (1e9, 1e-3)]
    without, penalized = (float(total(term, flat)) for term in known)
    assert without < 0.05
    assert penalized < 0.05  # all patches are equal, so that all use the same one
    varied = flat + 0.05 * (noise(24, 24, seed=2) - 0.5)
    without, penalized = (float(total(term, varied)) for term in known)
    assert penalized > 3 * without


def test_a_patch_that_another_image_uses_is_not_missing_in_a_joint_batch() -> None:
    target = noise(24, 24)
    target[:, :, :5, :5] = 0.5
    varied = 0.5 + 0.05 * (noise(24, 24, seed=2) - 0.5)
    batch = torch.cat([varied, target])
    known = [
        NearestPatches(
            target, seeded(), size=5, levels=1, queries=999, alpha=1e-3, joint=joint, wraps=False
        )
        for joint in (False, True)
    ]
    single, joint = (float(total(term, batch)[0]) for term in known)
    assert joint < 0.3 * single
    with torch.no_grad():
        assert float(total(known[1], batch)[0]) == pytest.approx(single)


def test_coverage_counts_what_the_image_leaves_out() -> None:
    target = noise(32, 32)
    target[:, :, :, 16:] = 0.2  # half is rough, half flat
    flat = torch.full((1, 3, 32, 32), 0.2)
    plain, both = (
        NearestPatches(target, seeded(), size=5, levels=1, alpha=1e9, coverage=c) for c in (0, 1)
    )
    assert float(total(plain, flat)) < 0.05
    assert float(total(both, flat)) > 0.5


def test_gradients_lead_to_the_patches_of_the_target() -> None:
    target = noise(48, 48, seed=3)
    target = F.avg_pool2d(circular_pad(target, 2), 5, 1)
    term = NearestPatches(target, seeded(), size=5, levels=2, queries=400)
    image = noise(32, 32, seed=4).requires_grad_()
    optimizer = torch.optim.Adam([image], 0.05)
    first = float(total(term, image.detach()))
    for _ in range(60):
        optimizer.zero_grad()
        total(term, image).sum().backward()
        optimizer.step()
    assert float(total(term, image.detach())) < 0.4 * first


def test_the_generator_decides_everything() -> None:
    images = noise(2 * 32, 32, seed=1).view(2, 3, 32, 32)
    runs = []
    for _ in range(2):
        term = NearestPatches(noise(40, 40), seeded(7), coverage=0.5, queries=20, candidates=50)
        runs.append([total(term, images), total(term, images)])
    assert torch.equal(runs[0][0], runs[1][0])
    assert torch.equal(runs[0][1], runs[1][1])
    assert not torch.equal(runs[0][0], runs[0][1])


def test_levels_and_their_weights() -> None:
    term = NearestPatches(noise(64, 64), seeded(), size=7, weights=(0.0, 2.0))
    plain = NearestPatches(noise(64, 64), seeded(), size=7)
    image = noise(64, 64, seed=1)
    found, expected = term(image), plain(image)
    assert list(found) == ["patches/1", "patches/2", "patches/3", "patches/4"]
    assert [float(found[f"patches/{i}"] / expected[f"patches/{i}"]) for i in (1, 2, 3)] == [0, 2, 1]
    assert list(NearestPatches(noise(64, 64), seeded(), size=11)(image)) == list(found)[:3]
    small = term(noise(24, 24))  # 3x3 pixels at the last level
    assert float(small["patches/3"]) == float(small["patches/4"]) == 0 < float(small["patches/2"])


def test_a_perfect_and_a_flat_image_have_finite_gradients() -> None:
    for target in (noise(20, 20), torch.full((1, 3, 20, 20), 0.3)):
        image = target.clone().requires_grad_()
        term = NearestPatches(target, seeded(), size=3, levels=2, wraps=False)
        total(term, image).sum().backward()
        assert image.grad is not None
        assert torch.isfinite(image.grad).all()


def test_the_search_needs_no_more_than_the_components() -> None:
    """For smooth patches the nearest by components is as near as the nearest of all."""
    smooth = F.avg_pool2d(noise(80, 80), 9, 1)
    patches = F.unfold(smooth, 7)[0].T
    queries, known = patches[::97], TargetPatches(patches[1::2])
    found = known.patches[known.distances(queries).argmin(1)]
    best = torch.cdist(queries, known.patches).min(1).values
    assert (queries - found).norm(dim=1).mean() < 1.05 * best.mean()


def test_it_is_a_term_by_name() -> None:
    settings = LossSettings(terms={"patches": 0.5}, texture_weight=0.0)
    target, image = noise(48, 48), noise(48, 48, seed=1)
    for wraps in (True, False):
        loss = build_loss(target, settings, seeded(), wraps=wraps)(image)
        own = NearestPatches(target, seeded(), weights=(0.2,), wraps=wraps)(image)
        assert float(loss["patches/1"]) == pytest.approx(0.5 * float(own["patches/1"]))
