"""A rule of which only the state is rounded: any backend does its steps, torch rounds between."""

import copy
from dataclasses import replace

from nca.rule import Quantization, Rule


def rounds_state_only(rule: Rule) -> bool:
    """Whether nothing but the state is rounded, and that is."""
    quantization = rule.settings.quantization
    return quantization.state is not None and quantization == Quantization(quantization.state)


def without_rounding(rule: Rule) -> Rule:
    """The same rule, weights shared, that rounds nothing."""
    plain = copy.copy(rule)
    plain.settings = replace(rule.settings, quantization=Quantization())
    return plain
