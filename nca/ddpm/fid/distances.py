"""FID and KID of two sets of features, and confidence intervals of repeated measurements."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# 0.975 quantiles of Student's t-distribution, for 1, 2, 3, ... degrees of freedom. For more degrees
# of freedom, the distribution is nearly normal.
T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
       2.145, 2.131, 2.120, 2.110, 2.101, 2.093)  # fmt: skip
PARTS = 10  # number of parts that the reference is split into

Distance = Callable[[Tensor, Tensor], float]


def frechet(a: Tensor, b: Tensor) -> float:
    """Compute the Frechet distance between Gaussians fitted to two sets (Heusel et al. 2017).

    The estimate has a positive bias, which falls with the number of images. Compare only distances
    that were computed from equal numbers of images.

    Args:
        a, b: features, [N, D] and [M, D].

    Raises:
        ValueError: a set has fewer than two members.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError("a covariance needs two images or more")
    a, b = a.double(), b.double()
    mean = (a.mean(0) - b.mean(0)).square().sum()
    first, second = a.T.cov(), b.T.cov()
    # sqrt(AB) has the same trace as sqrt(sqrt(A) B sqrt(A)), which is symmetric.
    root = _root(first)
    middle = torch.linalg.eigvalsh(root @ second @ root).clamp(min=0).sqrt().sum()
    return float(mean + first.trace() + second.trace() - 2 * middle)


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = vectors * values.clamp(min=0).sqrt() @ vectors.T
    return root


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """Estimate the squared maximum mean discrepancy, unbiased, with kernel ``(x y / D + 1)^3``.

    Binkowski et al., "Demystifying MMD GANs", 2018. Its expectation is 0 for two samples from the
    same distribution, so it can be negative.

    Args:
        a, b: features, [N, D] and [M, D].

    Raises:
        ValueError: a set has fewer than two members.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError("an unbiased estimate needs two images or more")
    a, b = a.double(), b.double()

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        values: Tensor = (x @ y.T / x.shape[1] + 1).pow(3)
        return values

    def within(x: Tensor) -> Tensor:
        values = kernel(x, x)
        return (values.sum() - values.trace()) / (len(x) * (len(x) - 1))

    return float(within(a) + within(b) - 2 * kernel(a, b).mean())


@dataclass(frozen=True)
class Interval:
    """A mean with its 95% confidence interval.

    Attributes:
        mean, low, high: the mean and the bounds of the interval, by Student's t-distribution.
        values: values of the repeats.
        repeats_error, reference_error: standard errors of the mean that are due to the variation
            between repeats and between parts of the reference.
    """

    mean: float
    low: float
    high: float
    values: list[float]
    repeats_error: float
    reference_error: float

    @classmethod
    def of(cls, values: list[float], without_part: Sequence[float] = ()) -> "Interval":
        """Compute the interval of two or more independent values.

        Args:
            values: values of the repeats.
            without_part: for each part of the reference, the mean of the values that are measured
                without that part. The variance of these means estimates the sampling variation of
                the reference (the delete-a-group jackknife, e.g. Wolter, "Introduction to Variance
                Estimation").
        """
        count, parts = len(values), len(without_part)
        repeats = statistics.variance(values) / count
        reference = (parts - 1) ** 2 / parts * statistics.variance(without_part) if parts else 0.0
        # Welch and Satterthwaite: degrees of freedom of a sum of two variances.
        square = repeats**2 / (count - 1) + (reference**2 / (parts - 1) if parts else 0)
        freedom = (repeats + reference) ** 2 / square if square > 0 else 1
        reach = quantile(freedom) * math.sqrt(repeats + reference)
        mean = statistics.fmean(values)
        return cls(
            mean, mean - reach, mean + reach, values, math.sqrt(repeats), math.sqrt(reference)
        )


def quantile(freedom: float) -> float:
    """Look up the 0.975 quantile of Student's t-distribution; ``freedom`` is rounded down."""
    whole = int(freedom + 1e-9)
    return T95[whole - 1] if whole <= len(T95) else 1.96


def compare(distance: Distance, sets: Sequence[Tensor], reference: Tensor) -> Interval:
    """Compute the mean distance between sets of features and a reference.

    The interval accounts for sampling variation, both in the sets and in the reference.

    Args:
        distance: distance between two sets, such as :func:`frechet`.
        sets: two or more independent sets, [N, D] each.
        reference: [M, D], in random order.
    """
    parts = torch.arange(len(reference)) % min(PARTS, len(reference) // 2)
    without_part = [
        statistics.fmean(distance(features, reference[parts != part]) for features in sets)
        for part in range(int(parts.max()) + 1)
    ]
    return Interval.of([distance(features, reference) for features in sets], without_part)
