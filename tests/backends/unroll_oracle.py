"""Rules for tests of unrolls, and their results in float64 by ``Rule.step`` alone."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nca.rng import random_masks
from nca.rule import Rule
from nca.rule_settings import RuleSettings

Unroll = Callable[[Tensor, Rule, Tensor], Tensor]


class Case(NamedTuple):
    rule: Rule
    state: Tensor
    masks: Tensor
    d_last: Tensor


def make_case(
    channels: int = 12,
    hidden: int = 96,
    size: tuple[int, int] = (16, 16),
    *,
    batch: int = 2,
    steps: int = 8,
    rate: float = 0.5,
    filters: Tensor | None = None,
    bias: bool = False,
    seed: int = 0,
    **settings: Any,
) -> Case:
    generator = torch.Generator().manual_seed(seed)
    given = RuleSettings(channels=channels, hidden=hidden, update_rate=rate, **settings)
    rule = Rule(given, filters, update_bias=bias, generator=generator)
    with torch.no_grad():  # small enough that no state runs away
        rule.w1.mul_(0.5)
        rule.w2.normal_(0, 0.05 / hidden**0.5, generator=generator)
        if rule.b2 is not None:
            rule.b2.normal_(0, 0.01, generator=generator)
    shape = (batch, channels, *size)
    return Case(
        rule,
        torch.randn(shape, generator=generator) * 0.3,
        random_masks(steps, batch, *size, rate, generator),
        torch.randn(shape, generator=generator),
    )


def results(unroll: Unroll, case: Case) -> dict[str, Tensor]:
    """Last state and all gradients."""
    rule = copy.deepcopy(case.rule)
    state = case.state.clone().requires_grad_(True)
    last = unroll(state, rule, case.masks)
    last.backward(case.d_last)  # type: ignore[no-untyped-call]
    assert state.grad is not None
    gradients = {f"d_{name}": parameter.grad for name, parameter in rule.named_parameters()}
    return {"last": last.detach(), "d_state": state.grad, **gradients}


def oracle(case: Case) -> dict[str, Tensor]:
    def steps(state: Tensor, rule: Rule, masks: Tensor) -> Tensor:
        for mask in masks:
            state = rule.step(state, mask)
        return state

    rule, state, masks, d_last = case
    return results(
        steps, Case(copy.deepcopy(rule).double(), state.double(), masks, d_last.double())
    )


def largest_error(got: Tensor, right: Tensor) -> float:
    """Largest difference, relative to the largest right value."""
    return float((got.double() - right).abs().max() / right.abs().max())


def cosine(got: Tensor, right: Tensor) -> float:
    return float(torch.cosine_similarity(got.double().flatten(), right.flatten(), dim=0))
