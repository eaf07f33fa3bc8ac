import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.spatial
import scipy.stats
import torch
from torch import Tensor

from nca.decoder import DecoderSettings
from nca.evaluation.healing import Healing, PlaceDistance, bound_of, heal, healing_figures
from nca.evaluation.measures import PatchDistance, color_distance, follow, seam
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from tests.helpers.known_rules import decaying, exploding, swinging
from tests.helpers.rules import with_random_decoder


def noise(*size: int, seed: int = 0) -> Tensor:
    """A rough picture, [1, 3, h, w]: no two patches of it are alike."""
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(seed))


def waves(size: int = 64, period: float = 8.0) -> Tensor:
    """A picture that tiles, [1, 3, size, size]."""
    y, x = torch.meshgrid(*2 * [torch.arange(size, dtype=torch.float32)], indexing="ij")
    phase = 2 * torch.pi / period * (x + y)
    return torch.stack([phase.sin(), phase.cos(), (2 * phase).sin()])[None] * 0.4 + 0.5


def test_patch_distance_is_a_distance_of_distributions() -> None:
    distance = PatchDistance(waves())
    assert float(distance(waves())) < 0.05 * float(distance(waves(period=16)))
    moved = torch.cat([waves(), waves().roll((5, 9), (2, 3))])
    near, shifted = distance(moved).tolist()
    assert near == pytest.approx(shifted, abs=0.5)  # pixels of the pyramid fall otherwise


def test_color_distance_is_wasserstein_on_a_line() -> None:
    """Of greys, every direction sees the same distribution, scaled."""
    mine = torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(0)).expand(1, 3, -1, -1)
    theirs = mine**2
    grey = scipy.stats.wasserstein_distance(mine[0, 0].flatten(), theirs[0, 0].flatten())
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(100_000, 3, generator=generator), dim=1)
    expected = 100 * grey * float(directions.sum(1).abs().mean())
    assert float(color_distance(mine, theirs)) == pytest.approx(expected, rel=0.1)
    assert float(color_distance(mine, mine)) == 0


def test_a_picture_on_a_torus_is_the_same_twice_as_large() -> None:
    """Also where its side is odd on some scale."""
    distance = PatchDistance(waves(32))
    for size in ((32, 48), (31, 77), (30, 31)):
        once = noise(*size)
        assert float(distance(once)) == pytest.approx(float(distance(once.repeat(1, 1, 2, 2))))


def test_the_floor_is_what_more_of_the_same_has() -> None:
    distance = PatchDistance(noise(128, 128))
    for size in ((31, 77), (64, 64)):
        fresh = [float(distance(noise(*size, seed=seed))) for seed in range(1, 5)]
        floor = distance.floor(size)
        assert floor is not None
        assert sum(fresh) / 8 < floor < sum(fresh) / 4  # a piece is nearer than a fresh picture
    small, large = distance.floor((32, 32)), distance.floor((64, 64))
    assert small is not None
    assert large is not None
    assert small > 1.5 * large
    assert distance.floor((128, 128)) is None
    assert distance.floor((128, 128), wraps=False) == 0
    assert distance.floor((31, 256)) is None


def test_place_distance_is_that_of_the_nearest_patches() -> None:
    """Colors of 3x3 and contrast of 7x7 pixels, against a tree of all."""

    def patches(picture: Tensor) -> Any:
        windows = np.lib.stride_tricks.sliding_window_view(picture[0].numpy(), (7, 7), (1, 2))
        colors = windows[..., 2:5, 2:5].transpose(1, 2, 0, 3, 4).reshape(-1, 27)
        contrast = 2 * windows.std((-2, -1)).reshape(3, -1).T
        return np.hstack([colors / 27**0.5, contrast / 3**0.5])

    target, place = noise(40, 40), noise(24, 24, seed=1)
    disc = torch.zeros(24, 24, dtype=torch.bool)
    disc[5:15, 7:12] = True
    mine, theirs = patches(place)[disc[3:-3, 3:-3].flatten().numpy()], patches(target)
    there, _ = scipy.spatial.KDTree(theirs).query(mine)
    back, _ = scipy.spatial.KDTree(mine).query(theirs)
    expected = 100 * (there.mean() + back.mean())
    assert PlaceDistance(target, disc)(place) == pytest.approx(expected, rel=1e-4)


def test_place_distance_finds_what_is_wrong_and_what_is_missing() -> None:
    disc = torch.ones(32, 32, dtype=torch.bool)
    distance = PlaceDistance(waves(), disc)
    assert distance(waves(32)) < 0.1  # rounding of cdist
    spoiled = waves(32).clone()
    spoiled[:, :, 10:20, 10:20] = torch.rand(1, 3, 10, 10)
    assert distance(spoiled) > 1
    flat = torch.cat([waves(), torch.full((1, 3, 64, 32), 0.5)], 3)
    assert PlaceDistance(flat, disc)(flat[:, :, :32, 64:]) > 10  # near to some, but what of others
    rough, grey = noise(64, 64), torch.full((1, 3, 32, 32), 0.5)
    distance = PlaceDistance(rough, disc)
    assert distance(grey) > 1.5 * distance(noise(32, 32, seed=1))


def test_place_distance_of_a_large_picture_needs_little_memory() -> None:
    code = """
import resource, torch
from nca.evaluation.healing import PlaceDistance
torch.set_num_threads(1)
used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
disc = torch.ones(256, 256, dtype=torch.bool)
target, before = torch.rand(1, 3, 1024, 1024), used()
PlaceDistance(target, disc)(target[:, :, :256, :256])
print(used() - before)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 1  # GB


def test_seam_is_one_where_a_picture_tiles() -> None:
    assert seam(waves()[0]) == pytest.approx(1, abs=0.3)
    ramp = torch.linspace(0, 1, 64).expand(3, 64, 64)
    assert seam(ramp) > 50


def test_a_run_that_blows_up_ends_there() -> None:
    distance = PatchDistance(waves())
    run = follow(exploding(10), waves(), distance, [1, 2000], (16, 16), 0)
    assert [m.steps for m in run] == [1]


def test_a_texture_that_comes_back_heals() -> None:
    healed = heal(decaying(0.5), 64, 0)
    assert healed.measurable
    assert healed.steps is not None
    assert healed.steps <= 100
    assert healed.outcome == str(healed.steps)
    assert list(healed.pictures) == ["grown", "a disc is erased", f"{healed.steps} steps later"]
    _, erased, after = healed.pictures.values()
    assert erased.min() == 0
    assert after.min() > 0.4


def test_a_texture_that_comes_by_has_not_healed_yet() -> None:
    healed = heal(swinging(0.5), 64, 0)
    assert healed.bound is not None
    assert healed.distances[1] < healed.bound < healed.distances[2]
    assert healed.steps is not None
    assert healed.steps > 100
    first = healed.steps // 10
    assert healed.distances[first - 1] > healed.bound
    assert max(healed.distances[first:]) <= healed.bound
    assert len(healed.distances) == first + 2


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0, 2.0])
def test_a_texture_that_does_not_come_back_is_reported(level: float) -> None:
    """A rule that never changes anything shows its noise for ever; a hole in it stays."""
    rule = Rule(RuleSettings(4, 8, start="noise", noise_level=level))
    healing = heal(rule, 64, 0)
    assert healing.measurable
    assert healing.steps is None
    assert healing.outcome == "not in 2,000"
    assert list(healing.pictures)[-1] == "2,000 steps later"


def test_the_bound_is_what_is_usual() -> None:
    assert bound_of([10.0, 10.2, 9.8]) == pytest.approx(11)
    assert bound_of([9.0, 11.0]) == pytest.approx(12)
    assert bound_of([0.0, 0.1]) == 200 / 255


def test_a_rule_of_a_flat_picture_is_measured_to_a_level_of_255() -> None:
    healed = heal(decaying(0.5), 64, 0)
    assert healed.bound == 200 / 255
    *_, last, after = healed.distances
    assert after <= last <= 200 / 255


def test_where_a_hole_is_not_seen_healing_is_not_measurable() -> None:
    """A rule that makes nothing of nothing has holes everywhere."""
    healing = heal(Rule(RuleSettings(4, 8)), 64, 0)
    assert not healing.measurable
    assert healing.steps is None
    assert healing.outcome == "not measurable"


@pytest.mark.parametrize(("size", "measurable"), [(11, False), (12, True)])
def test_the_smallest_place_has_patches(size: int, measurable: bool) -> None:
    """With a decoder, 3 cells across have 6 pixels, and 4 have 8."""
    settings = replace(decaying(0.4).settings, decoder=DecoderSettings(8))
    healing = heal(with_random_decoder(settings), size, 0)
    assert (healing.bound is not None) == measurable
    assert bool(healing.distances) == measurable


def test_a_rule_that_blows_up_does_not_heal() -> None:
    healing = heal(exploding(0.6), 64, 0)
    assert (healing.steps, healing.outcome, healing.bound) == (None, "blew up", None)
    assert not healing.pictures


@pytest.mark.parametrize(
    ("steps", "median"),
    [
        ([10, 30, 20, 80], 25),
        ([10, 30, 20, None], 25),  # the one that does not heal is the slowest
        ([10, 30, None, None], None),
        ([10, 30, None, "not measurable"], 30),
        (["not measurable"] * 4, None),
    ],
)
def test_the_median_is_of_what_was_measured(
    steps: list[int | str | None], median: float | None
) -> None:
    healing = [
        Healing(s if isinstance(s, int) else None, str(s), not isinstance(s, str), 1.0, [], {})
        for s in steps
    ]
    figures = healing_figures(healing)
    assert figures["median"] == median
    assert figures["measurable"] == [not isinstance(s, str) for s in steps]
