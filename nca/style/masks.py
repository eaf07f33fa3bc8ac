"""Regions: where in the result and in the styles each style counts."""

import torch.nn.functional as F
from torch import Tensor

from nca.style.scales import Size


def shrink(mask: Tensor, size: Size) -> Tensor:
    """A region [H, W] of true and false at another size."""
    if tuple(mask.shape) == size:
        return mask
    return F.interpolate(mask[None, None].float(), size, mode="area")[0, 0] > 0.5
