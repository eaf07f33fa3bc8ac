"""Make the rule that training starts from: a fresh one, or a trained one (warm start).

A rule that has learned one texture learns another one faster, and keeps some of its old behavior.
Niklasson et al., 2021, call this "grafting".
"""

from dataclasses import replace

import torch
from torch import Tensor

from nca.decoder import Decoder
from nca.maps import map_width
from nca.rule import DEFAULT_FILTERS, DILATED_FILTERS, Rule
from nca.rule_settings import EIGHT_BIT_STATE, RuleSettings
from nca.rulefile import load_rule
from nca.texture.reparametrize import scale_filters
from nca.texture.settings import TrainSettings
from nca.texture.state_formats import round_weights


def with_sizes_of_parent(settings: TrainSettings) -> TrainSettings:
    """Take sizes, padding, noise, update rate and decoder (if any) from the rule ``from_rule``.

    Raises:
        InputError: the rule cannot be read.
    """
    if settings.task.from_rule is None:
        return settings
    parent = load_rule(settings.task.from_rule).rule.settings
    return settings.override(
        channels=parent.channels,
        hidden=parent.hidden,
        padding=parent.padding,
        update_rate=parent.update_rate,
        decoder=parent.decoder.scale if parent.decoder else settings.rule.decoder,
        noise=parent.noise_level if parent.start == "noise" else 0.0,
    )


def starting_rule(
    settings: TrainSettings,
    generator: torch.Generator,
    own: RuleSettings,
    *,
    filters: Tensor | None = None,
    update_bias: bool = False,
) -> Rule:
    """Make the initial rule; its first layer is trained in units that match the filters.

    Args:
        settings: settings of the run.
        generator: source of new weights.
        own: settings that the task requires. Everything else comes from the parent rule, if there
            is one: color map, bound of the hidden layer, rounding, filters with dilations, and
            biases.
        filters, update_bias: arguments of a new rule; ignored with a parent rule.

    Raises:
        InputError: the parent rule cannot be read.
    """
    parent = settings.task.from_rule
    if parent is None:
        rule = Rule(own, filters, update_bias=update_bias, generator=generator)
    else:
        rule = load_rule(parent).rule
        outputs = map_width(own.maps)
        if own.decoder and (rule.decoder is None or rule.decoder.outputs != outputs):
            rule.decoder = Decoder(own.decoder, own.channels, generator, outputs=outputs)
        rule.settings = replace(
            own,
            decoder=None if rule.decoder is None else rule.decoder.settings,
            dilations=rule.settings.dilations,
            rgb_scale=rule.settings.rgb_scale,
            rgb_offset=rule.settings.rgb_offset,
            hidden_clip=rule.settings.hidden_clip,
            quantization=rule.settings.quantization,
        )
    units = filter_units(rule.filters, settings.optimizer.filter_scale)
    scale_filters(rule, units, fresh=parent is None)
    if settings.rule.state == "rgba8":
        rounding = replace(rule.settings.quantization, state=EIGHT_BIT_STATE)
        rule.settings = replace(rule.settings, quantization=rounding)
        round_weights(rule)
    return rule


def filter_units(filters: Tensor, scale: tuple[float, ...]) -> tuple[float, ...]:
    """Compute the units in which the columns of each filter are trained.

    ``scale`` is meant for the default filters; their dilated copies have the same units. If an
    imported rule has filters divided by 8, its units are 8 times as large. A set of filters of a
    different shape is trained in units of 1.
    """
    if len(filters) == len(DILATED_FILTERS):
        usual, scale = torch.tensor(DILATED_FILTERS), (*scale, *scale[1:])
    elif len(filters) == len(DEFAULT_FILTERS):
        usual = torch.tensor(DEFAULT_FILTERS)
    else:
        return (1.0,) * len(filters)
    ratio = usual.abs().sum((1, 2)) / filters.abs().sum((1, 2)).clamp(min=1e-6)
    return tuple((torch.tensor(scale) * ratio).tolist())
