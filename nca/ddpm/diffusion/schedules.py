"""Noise schedules: the noise level at each time, and the levels for a sampler.

A discrete schedule has T times, each with a noise level. Between two times, levels are
interpolated, so a sampler can use any level. The schedules of Karras and of flow matching are
continuous.
"""

import math
from collections.abc import Callable
from typing import Protocol, TypeVar

import torch
from torch import Tensor
from typing_extensions import override

from nca.ddpm.settings import ScheduleName

LARGEST_BETA = 0.999
Number = TypeVar("Number", float, Tensor)


class Schedule(Protocol):
    """Maps between noise levels and times; the times are inputs of the network."""

    lowest: float
    highest: float

    def times(self, quantiles: Tensor) -> Tensor:
        """Times at quantiles in [0, 1) of the distribution of times, [B] -> [B]."""
        ...

    def quantiles(self, times: Tensor) -> Tensor:
        """The inverse of :meth:`times`."""
        ...

    def sigma(self, times: Tensor) -> Tensor:
        """Noise levels at the given times, float64."""
        ...

    def time(self, sigma: Tensor) -> Tensor:
        """The inverse of :meth:`sigma`; for levels out of range, the nearest time."""
        ...


class Discrete(Schedule):
    """A schedule with T times, 0 to T - 1.

    Args:
        alpha_bar: the image's share of the variance, [T]; must fall, and lie in (0, 1).

    Attributes:
        alpha_bar: the argument, in float64.
        levels: sigma at each time, rising, [T].

    Raises:
        ValueError: ``alpha_bar`` does not fall, or leaves (0, 1).
    """

    def __init__(self, alpha_bar: Tensor) -> None:
        self.alpha_bar = alpha_bar.double()
        if (self.alpha_bar.diff() >= 0).any() or alpha_bar.min() <= 0 or alpha_bar.max() >= 1:
            raise ValueError("alpha_bar must fall, above 0 and below 1")
        self.levels = ((1 - self.alpha_bar) / self.alpha_bar).sqrt()
        self.lowest, self.highest = float(self.levels[0]), float(self.levels[-1])
        self._log = self.levels.log()

    def __len__(self) -> int:
        return len(self.levels)

    @override
    def times(self, quantiles: Tensor) -> Tensor:
        # Times are whole numbers.
        return (quantiles * len(self)).long().clamp(0, len(self) - 1)

    @override
    def quantiles(self, times: Tensor) -> Tensor:
        # Each time corresponds to a range of quantiles; return the middle of this range.
        return (times.double() + 0.5) / len(self)

    @override
    def sigma(self, times: Tensor) -> Tensor:
        # Between two times, log sigma is interpolated.
        if not times.is_floating_point():
            return self.levels.to(times.device)[times]
        logs, below = self._log.to(times.device), times.long().clamp(0, len(self) - 2)
        return torch.lerp(logs[below], logs[below + 1], times.double() - below).exp()

    @override
    def time(self, sigma: Tensor) -> Tensor:
        # Times are float64, and whole numbers where sigma is one of the levels.
        logs, log = self._log.to(sigma.device), sigma.double().log()
        below = (torch.searchsorted(logs, log, right=True) - 1).clamp(0, len(self) - 2)
        between = (log - logs[below]) / (logs[below + 1] - logs[below])
        return below + between.clamp(0, 1)


class LogNormal(Schedule):
    """Noise levels whose logarithm is normally distributed: Karras et al. 2022, table 1.

    The network gets ``1000 * ln(sigma) / 4`` as its time. This is c_noise from the paper,
    multiplied by a thousand to match the range of common time embeddings.
    """

    lowest, highest = 0.002, 80.0

    def __init__(self, mean: float = -1.2, std: float = 1.2) -> None:
        self.mean, self.std = mean, std

    @override
    def times(self, quantiles: Tensor) -> Tensor:
        normal: Tensor = torch.special.ndtri(quantiles.double().clamp(1e-6, 1 - 1e-6))
        return 250 * (self.mean + self.std * normal)

    @override
    def quantiles(self, times: Tensor) -> Tensor:
        normal = (times.double() / 250 - self.mean) / self.std
        result: Tensor = torch.special.ndtr(normal)
        return result

    @override
    def sigma(self, times: Tensor) -> Tensor:
        return (times.double() / 250).exp()

    @override
    def time(self, sigma: Tensor) -> Tensor:
        return 250 * sigma.double().log()


class Flow(Schedule):
    """The straight path of a rectified flow, from the image to the noise.

    At t in (0, 1), the noised image is ``(1 - t) image + t noise``, so ``sigma = t / (1 - t)``
    (Liu et al. 2022; Lipman et al. 2022). The network gets ``1000 * t`` as its time.
    """

    lowest, highest = 1 / 999, 999.0

    @override
    def times(self, quantiles: Tensor) -> Tensor:
        return 1000 * quantiles.double().clamp(0.001, 0.999)

    @override
    def quantiles(self, times: Tensor) -> Tensor:
        return times.double() / 1000

    @override
    def sigma(self, times: Tensor) -> Tensor:
        return times.double() / (1000 - times.double())

    @override
    def time(self, sigma: Tensor) -> Tensor:
        return 1000 * flow_time(sigma.double())


def flow_time(sigma: Number) -> Number:
    """The time t of a rectified flow at which the noise level is ``sigma``."""
    return sigma / (1 + sigma)


def even_levels(schedule: Schedule, steps: int, highest: float = math.inf) -> Tensor:
    """Falling noise levels, [steps], evenly spaced in time; T steps use all T levels."""
    ends = [min(schedule.highest, highest), schedule.lowest]
    first, last = schedule.time(torch.tensor(ends, dtype=torch.float64)).tolist()
    return schedule.sigma(torch.linspace(first, last, steps, dtype=torch.float64))


def karras_levels(
    schedule: Schedule, steps: int, highest: float = LogNormal.highest, rho: float = 7.0
) -> Tensor:
    """Falling noise levels, [steps], denser at low levels: Karras et al. 2022, eq. 5.

    The levels start at 80 at most, as in the paper, unless ``highest`` is larger. Without this
    limit, most levels of a cosine schedule, which reaches 20,000, would be spent on pure noise.
    """
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    high = min(schedule.highest, highest) ** (1 / rho)
    levels: Tensor = (high + ramp * (schedule.lowest ** (1 / rho) - high)).pow(rho)
    return levels


def flow_levels(schedule: Schedule, steps: int, highest: float = math.inf) -> Tensor:
    """Falling noise levels, [steps], evenly spaced in the t of :class:`Flow`; 0 would come next."""
    first = flow_time(min(schedule.highest, highest))
    t = torch.linspace(first, 0, steps + 1, dtype=torch.float64)[:-1]
    return t / (1 - t)


def linear(steps: int, first: float = 1e-4, last: float = 0.02) -> Tensor:
    """alpha_bar of Ho et al. 2020: beta rises linearly.

    ``first`` and ``last`` are the betas for 1,000 steps. They are scaled so that any number of
    steps ends at about the same noise level.
    """
    scale = 1000 / steps
    betas = torch.linspace(first * scale, last * scale, steps, dtype=torch.float64)
    return (1 - betas.clamp(max=LARGEST_BETA)).cumprod(0)


def cosine(steps: int, offset: float = 0.008) -> Tensor:
    """alpha_bar of Nichol and Dhariwal 2021, eq. 17: a squared cosine."""
    times = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    return _limited(((times + offset) / (1 + offset) * math.pi / 2).cos().square())


def sigmoid(steps: int, start: float = -3.0, end: float = 3.0) -> Tensor:
    """alpha_bar of Jabri et al. 2022, algorithm 1: a sigmoid, stretched to run from 1 to 0."""
    times = torch.linspace(start, end, steps + 1, dtype=torch.float64)
    values = torch.sigmoid(-times)
    return _limited((values - values[-1]) / (values[0] - values[-1]))


def _limited(alpha_bar: Tensor) -> Tensor:
    """Drop time 0 from a curve over times 0 to T, and limit the betas to 0.999.

    The limit keeps a trace of the image at time T.
    """
    betas = 1 - alpha_bar[1:] / alpha_bar[:-1]
    return (1 - betas.clamp(max=LARGEST_BETA)).cumprod(0)


ALPHA_BARS: dict[str, Callable[[int], Tensor]] = {
    "linear": linear,
    "cosine": cosine,
    "sigmoid": sigmoid,
}


def build_schedule(name: ScheduleName, steps: int) -> Schedule:
    """Make a schedule by name; ``steps`` is T."""
    if name == "karras":
        return LogNormal()
    if name == "flow":
        return Flow()
    return Discrete(ALPHA_BARS[name](steps))
