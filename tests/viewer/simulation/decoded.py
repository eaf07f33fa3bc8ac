"""The picture of rules that share a grid, in plain torch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nca.decoder import interpolate, pixel_places
from nca.rule import Rule


def owned_shares(shares: Tensor, count: int) -> list[Tensor]:
    """The share of every rule in every cell, [H, W], from the bytes of a field, [H, W, 4]."""
    return [
        sum(
            (shares[..., i + 1] / 255 * (shares[..., i] == number) for i in (0, 2)),
            torch.zeros(shares.shape[:2]),
        )
        for number in range(count)
    ]


def between(rule: Rule, values: Tensor, scale: int) -> Tensor:
    """Values of cells [N, H, W] that wrap, interpolated: [N, scale * H, scale * W]."""
    rows, columns = (pixel_places(0, side, scale * side) for side in values.shape[1:])
    return interpolate(rule.pad(values[None]), rows, columns, wraps=True)[0]


def details(rule: Rule, state: Tensor, scale: int) -> Tensor:
    """What a decoder adds to a state [C, H, W] that wraps, [N, scale * H, scale * W]."""
    assert rule.decoder is not None
    rows, columns = (pixel_places(0, side, scale * side) for side in state.shape[1:])
    padded = rule.pad(state[None, : rule.settings.channels])
    return rule.decoder(padded, rows, columns, wraps=True)[0]


@torch.no_grad()
def mixed_picture(
    rules: Sequence[Rule], owned: Sequence[Tensor], state: Tensor, scale: int
) -> Tensor:
    """The picture of a state [C, H, W] that wraps, [3, scale * H, scale * W]."""
    height, width = state.shape[1:]
    shares = list(zip(rules, owned, strict=True))
    factor = sum((s * r.settings.rgb_scale for r, s in shares), torch.zeros(height, width))
    offset = sum((s * r.settings.rgb_offset for r, s in shares), torch.zeros(height, width))
    picture = between(rules[0], state[:3] * factor + offset, scale)
    for rule, share in shares:
        if rule.decoder is not None:
            picture = picture + between(rule, share[None], scale) * details(rule, state, scale)
    return picture.clamp(0, 1)
