"""Rules whose runs are known exactly: every cell follows a linear equation by itself."""

import math

import torch
from torch import Tensor

from nca.rule import Rule
from nca.rule_settings import RuleSettings


def linear(settings: RuleSettings, matrix: Tensor, constant: Tensor) -> Rule:
    """A rule that adds ``matrix @ state + constant`` to a cell, [C, C] and [C]."""
    rule = Rule(settings, update_bias=True)
    with torch.no_grad():
        rule.w1.zero_()
        rule.b1.zero_()
        rule.w2.zero_()
        for c in range(settings.channels):
            for unit, sign in ((2 * c, 1.0), (2 * c + 1, -1.0)):
                rule.w1[unit, 4 * c] = sign
                rule.w2[:, unit] = sign * matrix[:, c]
        assert rule.b2 is not None
        rule.b2.copy_(constant)
    return rule


def decaying(level: float) -> Rule:
    """A rule whose cells all approach one gray, by a fifth of the distance per step."""
    settings = RuleSettings(4, 8, rgb_offset=0.0)
    return linear(settings, -0.2 * torch.eye(4), torch.full((4,), 0.2 * level))


def exploding(rate: float) -> Rule:
    """A rule whose cells grow by a factor of 1 + ``rate`` when they fire."""
    settings = RuleSettings(4, 8, start="noise", noise_level=1.0)
    return linear(settings, rate * torch.eye(4), torch.zeros(4))


def swinging(level: float) -> Rule:
    """A rule whose colors swing around a level, crossing it after 10 steps, then every 20."""
    settings = RuleSettings(6, 12, rgb_offset=0.0, update_rate=1.0)
    angle, decay = 2 * math.pi / 40, 0.98
    there, back = decay * math.cos(angle) - 1, decay * math.sin(angle)
    matrix = torch.kron(torch.tensor([[there, back], [-back, there]]), torch.eye(3))
    at_rest = torch.cat([torch.full((3,), level), torch.zeros(3)])
    return linear(settings, matrix, -matrix @ at_rest)
