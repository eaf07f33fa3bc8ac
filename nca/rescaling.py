"""Rules made of others: a larger pattern, shorter steps, calm."""

import torch
from torch import Tensor

from nca.rule import Rule


@torch.no_grad()
def rescaled(rule: Rule, scale: float, pace: float = 1.0) -> Rule:
    """The rule whose pattern is larger and whose steps are shorter, as a plain rule.

    Pajouheshgar et al., "NoiseNCA", 2024, take a rule for a differential equation: cells that are
    ``dx = 1 / scale`` apart see derivatives of order n that are ``scale**n`` times as large, and a
    step of the length ``dt = pace`` changes them by ``pace`` times as much. Stable is about
    ``pace <= 1 / scale**2``.

    Args:
        rule: trained at a scale and a pace of 1; one that grows from noise bears most.
        scale: size of the pattern.
        pace: length of a step.
    """
    copy = rule.with_settings()
    factors = [scale ** derivative_order(coefficients) for coefficients in copy.filters]
    copy.filters.mul_(copy.filters.new_tensor(factors)[:, None, None])
    copy.w2.mul_(pace)
    if copy.b2 is not None:
        copy.b2.mul_(pace)
    return copy


def calmed(rule: Rule) -> Rule:
    """The rule whose cells all fire, at a step that is as much shorter, as a plain rule.

    Cells that fire by chance differ by a step from their neighbors, which is seen as grain. A
    texture grows by chance: without it cells that start alike would stay alike.
    """
    rate = rule.settings.update_rate
    return rescaled(rule.with_settings(update_rate=1.0), 1.0, rate)


def derivative_order(coefficients: Tensor) -> int:
    """0 for a filter that sees a constant, 1 for an odd one (a gradient), 2 for the rest."""
    if abs(float(coefficients.sum())) > 1e-6 * float(coefficients.abs().sum()):
        return 0
    return 1 if torch.equal(coefficients, -coefficients.flip(0, 1)) else 2
