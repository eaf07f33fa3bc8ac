"""Rules derived from others: with a larger pattern, with shorter steps, or for calm runs."""

import torch
from torch import Tensor

from nca.rule import Rule


@torch.no_grad()
def rescaled(rule: Rule, coarseness: float, dt: float = 1.0) -> Rule:
    """A copy of the rule with a larger pattern and shorter steps.

    Pajouheshgar et al., "NoiseNCA", 2024, treat a rule as a differential equation. If cells are
    ``dx = 1 / coarseness`` apart, derivatives of order n are ``coarseness**n`` times as large. A
    step of length ``dt`` changes cells by ``dt`` times as much. Steps are stable up to about
    ``dt <= 1 / coarseness**2``.

    Args:
        rule: a rule that was trained with a coarseness and a step length of 1. Rules that grow from
            noise remain stable over the widest range.
        coarseness: size of the pattern; 1 is the size in training.
        dt: length of a step; 1 is the length in training.
    """
    copy = rule.with_settings()
    factors = [coarseness ** derivative_order(coefficients) for coefficients in copy.filters]
    copy.filters.mul_(copy.filters.new_tensor(factors)[:, None, None])
    copy.w2.mul_(dt)
    if copy.b2 is not None:
        copy.b2.mul_(dt)
    return copy


def calmed(rule: Rule) -> Rule:
    """A copy of the rule for calm runs: all cells fire, and changes are scaled by the update rate.

    A cell that fires at random is often one update ahead of its neighbor, which is visible as
    grain. But a texture needs random firing to grow, because without it, cells with equal values
    would stay equal.
    """
    rate = rule.settings.update_rate
    return rescaled(rule.with_settings(update_rate=1.0), 1.0, rate)


def derivative_order(coefficients: Tensor) -> int:
    """Order of the derivative that a filter computes.

    It is 0 if the filter responds to a constant, 1 if the filter is odd (a gradient), otherwise 2.
    """
    if abs(float(coefficients.sum())) > 1e-6 * float(coefficients.abs().sum()):
        return 0
    return 1 if torch.equal(coefficients, -coefficients.flip(0, 1)) else 2


def gradient_pairs(rule: Rule) -> list[tuple[int, int]]:
    """Pairs (x, y) of odd filters of a dilation that are transposes of each other."""
    filters, dilations = rule.filters, rule.dilations
    odd = [k for k, coefficients in enumerate(filters) if derivative_order(coefficients) == 1]
    pairs: list[tuple[int, int]] = []
    for x in odd:
        for y in odd:
            free = all(x not in pair and y not in pair for pair in pairs)
            alike = dilations[x] == dilations[y] and torch.equal(filters[x].T, filters[y])
            if x < y and free and alike:
                pairs.append((x, y))
    return pairs
