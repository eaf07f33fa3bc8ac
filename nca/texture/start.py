"""The rule that a training starts from: fresh, or a trained one (a warm start).

A rule that has learned one texture learns another one sooner, and keeps something of its ways: the
"grafting" of Niklasson et al., 2021.
"""

from dataclasses import replace

import torch
from torch import Tensor

from nca.rule import DEFAULT_FILTERS, EIGHT_BIT_STATE, Rule, RuleSettings
from nca.rulefile import load_rule
from nca.texture.eight_bit import round_weights
from nca.texture.scaling import scale_filters
from nca.texture.settings import TrainSettings


def with_sizes_of_parent(settings: TrainSettings) -> TrainSettings:
    """Take sizes, padding, noise and rate from the rule of ``--from``, if there is one.

    Raises:
        InputError: it cannot be read.
    """
    if settings.from_rule is None:
        return settings
    parent = load_rule(settings.from_rule).rule.settings
    return replace(
        settings,
        channels=parent.channels,
        hidden=parent.hidden,
        padding=parent.padding,
        update_rate=parent.update_rate,
        noise=parent.noise_level if parent.seed_state == "noise" else 0.0,
    )


def starting_rule(
    settings: TrainSettings,
    own: RuleSettings,
    generator: torch.Generator,
    *,
    filters: Tensor | None = None,
    update_bias: bool = False,
) -> Rule:
    """Make the rule, ready to train: its first layer in units of its filters.

    Args:
        settings: of the training.
        own: settings that the task wants. A parent keeps what is its own beyond them: its colors,
            the bound of its hidden layer, its rounding, its filters, its biases.
        generator: of fresh weights.
        filters, update_bias: of a fresh rule.

    Raises:
        InputError: the parent cannot be read.
    """
    fresh = settings.from_rule is None
    if settings.from_rule is None:
        rule = Rule(own, filters, update_bias=update_bias, generator=generator)
    else:
        rule = load_rule(settings.from_rule).rule
        rule.settings = replace(
            own,
            rgb_scale=rule.settings.rgb_scale,
            rgb_offset=rule.settings.rgb_offset,
            hidden_clip=rule.settings.hidden_clip,
            quantization=rule.settings.quantization,
        )
    scale_filters(rule, filter_units(rule.filters, settings.filter_scale), fresh=fresh)
    if settings.state == "rgba8":
        rounding = replace(rule.settings.quantization, state=EIGHT_BIT_STATE)
        rule.settings = replace(rule.settings, quantization=rounding)
        round_weights(rule)
    return rule


def filter_units(filters: Tensor, scale: tuple[float, ...]) -> tuple[float, ...]:
    """What to train the columns of each filter in.

    The scale is for the default filters. A published rule may have them divided by 8, with weights
    8 times as large; a bank of other filters is left as it is.
    """
    usual = torch.tensor(DEFAULT_FILTERS)
    if filters.shape != usual.shape:
        return (1.0,) * len(filters)
    ratio = usual.abs().sum((1, 2)) / filters.abs().sum((1, 2)).clamp(min=1e-6)
    return tuple((torch.tensor(scale) * ratio).tolist())
