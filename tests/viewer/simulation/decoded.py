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


@torch.no_grad()
def mixed_picture(
    rules: Sequence[Rule], owned: Sequence[Tensor], state: Tensor, scale: int
) -> Tensor:
    """The picture of a state [C, H, W] that wraps, [3, scale * H, scale * W]."""
    height, width = state.shape[1:]
    rows = pixel_places(0, height, scale * height)
    columns = pixel_places(0, width, scale * width)

    def between(values: Tensor) -> Tensor:
        return interpolate(rules[0].pad(values[None]), rows, columns, wraps=True)[0]

    shares = list(zip(rules, owned, strict=True))
    factor = sum((s * r.settings.rgb_scale for r, s in shares), torch.zeros(height, width))
    offset = sum((s * r.settings.rgb_offset for r, s in shares), torch.zeros(height, width))
    picture = between(state[:3] * factor + offset)
    for rule, share in shares:
        if rule.decoder is not None:
            channels = state[None, : rule.settings.channels]
            details = rule.decoder(rule.pad(channels), rows, columns, wraps=True)[0]
            picture = picture + between(share[None]) * details
    return picture.clamp(0, 1)
