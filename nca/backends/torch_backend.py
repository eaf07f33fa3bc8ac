"""The unroll in plain torch, for every device.

A step is computed in one of two ways:

- In float32 on a CPU, the matrix products take most of the time. Therefore, the two layers are
  computed only for the cells that fire.
- On a GPU, and in bfloat16, memory access takes most of the time. Therefore, the fixed filters and
  the first layer are folded into a dense 3x3 convolution, or one for each dilation. This takes more
  arithmetic, but does not store a tensor with C*K perceived values per cell.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from nca.rule import Rule, dense_kernels
from nca.rule_settings import Quantization


def unroll_torch(state: Tensor, rule: Rule, masks: Tensor) -> Tensor:
    """Unroll like :func:`nca.backends.unroll`."""
    if rule.settings.quantization != Quantization():
        for mask in masks:  # the functions below do not round
            state = rule.step(state, mask)
        return state
    if state.device.type == "cpu" and not torch.is_autocast_enabled("cpu"):
        return _unroll_gathered(state, rule, masks)
    return _unroll_folded(state, rule, masks)


def _unroll_gathered(state: Tensor, rule: Rule, masks: Tensor) -> Tensor:
    batch, _, height, width = state.shape
    for mask in masks:
        cells = mask.flatten().nonzero()[:, 0]
        perception = rearrange(rule.perceive(state), "b c h w -> (b h w) c")
        hidden = torch.addmm(rule.b1, perception.index_select(0, cells), rule.w1.T).relu_()
        change = F.linear(_clipped(hidden, rule), rule.w2, rule.b2)
        update = change.new_zeros(batch * height * width, change.shape[1])
        update = update.index_copy(0, cells, change)
        after = state + rearrange(update, "(b h w) c -> b c h w", b=batch, h=height)
        state = _living(state, after, rule)
    return state


def _unroll_folded(state: Tensor, rule: Rule, masks: Tensor) -> Tensor:
    kernels = {
        dilation: kernel.contiguous(memory_format=torch.channels_last)
        for dilation, kernel in dense_kernels(rule).items()
    }
    biases = (rule.b1, *[None] * len(kernels))  # the first convolution adds the bias
    w2, b2 = rule.w2[:, :, None, None], rule.b2
    state = state.contiguous(memory_format=torch.channels_last)
    for mask in masks:
        first, *others = (
            F.conv2d(rule.pad(state, dilation), kernel, bias, dilation=dilation)
            for (dilation, kernel), bias in zip(kernels.items(), biases, strict=False)
        )
        hidden = _clipped(sum(others, first).relu_(), rule)
        after = state + F.conv2d(hidden, w2, b2) * mask[:, None]
        state = _living(state, after, rule)
    return state


def _clipped(hidden: Tensor, rule: Rule) -> Tensor:
    clip = rule.settings.hidden_clip
    return hidden if clip is None else hidden.clamp(max=clip)


def _living(before: Tensor, after: Tensor, rule: Rule) -> Tensor:
    if rule.settings.alive_threshold is None:
        return after
    return after * (rule.alive(before) & rule.alive(after))
