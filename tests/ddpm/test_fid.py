"""FID and KID against scipy and the definition; intervals; the contents of the report."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch
from torch import Tensor

from nca.ddpm.checkpoint import Run
from nca.ddpm.data.dataset import ImageDataset
from nca.ddpm.fid.classifier import train_classifier
from nca.ddpm.fid.distances import Interval, compare, frechet, kernel_distance
from nca.ddpm.fid.evaluator import FidEvaluator, measure
from nca.ddpm.settings import FidSettings
from nca.errors import InputError
from nca.training.generators import generator_state
from tests.helpers.ddpm_run import trained_run


def features(count: int, seed: int, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(6, 6, generator=torch.Generator().manual_seed(9))
    return torch.randn(count, 6, generator=generator) @ mixing + shift


def test_frechet_is_that_of_scipy() -> None:
    a, b = features(200, 0), features(150, 1, 0.5) * 1.3
    first, second = np.cov(a.numpy().T), np.cov(b.numpy().T)
    root = scipy.linalg.sqrtm(first @ second).real
    mean = ((a.mean(0) - b.mean(0)) ** 2).sum()
    expected = float(mean) + np.trace(first + second - 2 * root)
    assert frechet(a, b) == pytest.approx(expected, rel=1e-4)
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)


def test_frechet_stands_more_dimensions_than_pictures() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 8, 20, generator=generator)
    assert frechet(a, b) > 0
    assert frechet(a, a) == pytest.approx(0, abs=1e-5)


def test_kid_is_the_mean_over_pairs() -> None:
    a, b = features(7, 0), features(9, 1, 0.5)

    def kernel(x: Tensor, y: Tensor) -> float:
        return (float(x.double() @ y.double()) / 6 + 1) ** 3

    def pairs(x: Tensor) -> float:
        return np.mean([kernel(p, q) for i, p in enumerate(x) for j, q in enumerate(x) if i != j])

    between = np.mean([kernel(p, q) for p in a for q in b])
    assert kernel_distance(a, b) == pytest.approx(pairs(a) + pairs(b) - 2 * between)


def test_kid_has_no_bias() -> None:
    values = [kernel_distance(features(40, i), features(40, 500 + i)) for i in range(60)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 60**0.5
    assert kernel_distance(features(40, 0), features(40, 500, 2.0)) > 3 * np.std(values)


def test_one_picture_is_not_enough() -> None:
    for distance in (frechet, kernel_distance):
        with pytest.raises(ValueError, match="two images or more"):
            distance(features(1, 0), features(5, 1))


def test_the_interval_is_that_of_students_t() -> None:
    values = [1.0, 2.5, 2.0, 4.0]
    interval = Interval.of(values)
    low, high = scipy.stats.t.interval(0.95, 3, np.mean(values), scipy.stats.sem(values))
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-3)
    # Two variances of as many degrees of freedom and the same size have twice as many.
    parts = [3 + (value - 3) / 4**0.5 / (9 / 4) ** 0.5 for value in values]
    both = Interval.of(values, parts)
    assert both.reference_error == pytest.approx(both.repeats_error)
    low, high = scipy.stats.t.interval(0.95, 6, np.mean(values), 2**0.5 * scipy.stats.sem(values))
    assert (both.low, both.high) == pytest.approx((low, high), rel=1e-3)


def test_a_classifier_learns_without_touching_the_generators() -> None:
    """Two kinds of pictures, light on the left and light on the right."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(100, (256, 1, 12, 12), generator=generator).to(torch.uint8)
    labels = torch.arange(256) % 2
    for side in range(2):
        images[labels == side, :, :, 6 * side : 6 * side + 6] += 100
    before = generator_state()["torch"]
    for pictures in (ImageDataset(images, labels, ("left", "right")), ImageDataset(images)):
        network = train_classifier(pictures)
        assert torch.equal(generator_state()["torch"], before)
        both = network.features(images.float() / 127.5 - 1)
        assert both.shape == (256, 64)
        apart = kernel_distance(both[labels == 0], both[labels == 1])
        assert apart > 10 * abs(kernel_distance(both[0:128:2], both[128::2]))


def true_kernel_distance(square: float) -> float:
    """Between the standard normal distribution in 4 dimensions and a shifted one.

    The moments of the product of two independent draws, for the kernel ``(x y / 4 + 1)^3``.
    """
    size = 4
    first, second = square / size, (square**2 + 2 * square + size) / size**2
    third = (square**3 + 3 * square**2 + 3 * (square**2 + square * size + 2 * square)) / size**3
    within = (1 + 3 / size) + (1 + 3 * first + 3 * second + third)
    return within - 2 * (1 + 3 * (square + size) / size**2)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_interval_is_that_of_the_whole_comparison(shift: float) -> None:
    """It holds the true distance of two Gaussians in 95 of 100 cases; the repeats alone, in few."""
    truth, trials = true_kernel_distance(shift**2), 100
    means, held, held_by_repeats = [], 0, 0
    errors = {"reference": 0.0, "repeats": 0.0}
    for trial in range(trials):
        generator = torch.Generator().manual_seed(trial)
        reference = torch.randn(60, 4, generator=generator)
        sets = [torch.randn(60, 4, generator=generator) + shift / 2 for _ in range(5)]
        interval = compare(kernel_distance, sets, reference)
        alone = Interval.of(interval.values)
        means.append(interval.mean)
        held += interval.low <= truth <= interval.high
        held_by_repeats += alone.low <= truth <= alone.high
        errors["reference"] += interval.reference_error**2 / trials
        errors["repeats"] += interval.repeats_error**2 / trials
    assert abs(np.mean(means) - truth) < 3 * np.std(means) / trials**0.5
    assert 0.92 <= held / trials <= 0.99
    assert held_by_repeats / trials < 0.85
    assert errors["reference"] > errors["repeats"]
    assert 0.8 < sum(errors.values()) ** 0.5 / np.std(means) < 1.35


def test_the_interval_of_a_frechet_distance_is_as_wide_as_it_scatters() -> None:
    intervals = []
    for trial in range(60):
        generator = torch.Generator().manual_seed(trial)
        sets = torch.randn(3, 200, 4, generator=generator) + 0.5
        intervals.append(compare(frechet, list(sets), torch.randn(80, 4, generator=generator)))
    scatter = np.std([interval.mean for interval in intervals])
    square = np.mean([i.reference_error**2 + i.repeats_error**2 for i in intervals])
    assert 0.8 < square**0.5 / scatter < 1.35
    assert np.mean([interval.mean for interval in intervals]) == pytest.approx(1, abs=0.15)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained_run(tmp_path_factory.mktemp("fid"))


def test_a_report_says_what_it_is_of(run: Run, tmp_path: Path) -> None:
    settings = FidSettings(run.path, n=12, repeats=2, steps=3, json=tmp_path / "fid.json")
    report = measure(settings)
    assert [row.name for row in report.rows] == ["samples", "reals"]
    assert "no, n is below 2048" in report.protocol["comparable"]
    assert report.protocol["n"] == 12
    assert "FID: no" in str(report)
    written = json.loads((tmp_path / "fid.json").read_text())
    assert written["rows"][1]["kid"]["values"] == report.rows[1].kid.values
    # Hardly trained, the samples are farther from the pictures than pictures are.
    samples, reals = (row.kid for row in report.rows)
    assert min(samples.values) > max(reals.values)
    again = measure(settings).rows[0].fid.values  # perhaps on another number of threads
    assert again == pytest.approx(report.rows[0].fid.values, rel=1e-4)


def test_more_pictures_than_there_are_is_refused(run: Run) -> None:
    settings = FidSettings(run.path, n=16)
    with pytest.raises(InputError, match="`n` 16: must be at most 15"):
        measure(settings)


def test_2048_pictures_are_called_comparable(run: Run) -> None:
    evaluator = FidEvaluator(run, FidSettings(run.path, n=12, repeats=2))
    evaluator.settings = evaluator.settings.override(n=2048)
    assert evaluator.protocol()["comparable"].startswith("with other figures")
