"""Run rules that round only the state: any backend computes a step, then torch rounds the state."""

from dataclasses import replace

from nca.rule import Rule
from nca.rule_settings import Quantization


def rounds_state_only(rule: Rule) -> bool:
    """Whether the state, and nothing else, is rounded."""
    quantization = rule.settings.quantization
    return quantization.state is not None and quantization == Quantization(quantization.state)


def without_rounding(rule: Rule) -> Rule:
    """Copy a rule without its rounding; the copy shares the rule's weights."""
    plain = object.__new__(type(rule))  # copy.copy rejects parametrized modules
    settings = replace(rule.settings, quantization=Quantization())
    plain.__dict__ = rule.__dict__ | {"settings": settings}
    return plain
