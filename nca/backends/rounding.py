"""A rule of which only the state is rounded: any backend does its steps, torch rounds between."""

from dataclasses import replace

from nca.rule import Quantization, Rule


def rounds_state_only(rule: Rule) -> bool:
    """Whether nothing but the state is rounded, and that is."""
    quantization = rule.settings.quantization
    return quantization.state is not None and quantization == Quantization(quantization.state)


def without_rounding(rule: Rule) -> Rule:
    """The same rule, weights shared, that rounds nothing."""
    plain = object.__new__(type(rule))  # copy.copy refuses modules that are parametrized
    settings = replace(rule.settings, quantization=Quantization())
    plain.__dict__ = rule.__dict__ | {"settings": settings}
    return plain
