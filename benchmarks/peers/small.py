"""Compare iterations of the default training, with the loss computed in C++ and in torch."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.backends import unroll
from nca.benchmarks.measuring.report import Parity
from nca.benchmarks.peers.lesson import SimpleCA, lesson_overflow
from nca.benchmarks.peers.ours import OurIteration, to_rule
from nca.benchmarks.settings import SMALL
from nca.losses.features.patchnet import Builtin
from nca.losses.statistics import build_statistic
from nca.losses.texture import TextureLoss
from nca.rng import random_masks

# Statistic of the loss that each row compares.
SMALL_ITERATIONS = {"iteration_small": "gram", "iteration_small_wasserstein": "wasserstein"}
RULE = (8, 32)  # channels and hidden units
TARGET_SIDE, SIDE, BATCH, STEPS = (32, 32, 4, 4) if SMALL else (128, 64, 4, 24)
LIMIT = 1e-3


def small_iteration(statistic: str, *, kernel: bool, bfloat16: bool) -> OurIteration:
    """Make an iteration of the preset ``small``, as in the first part of training.

    Args:
        statistic: statistic of the loss.
        kernel: whether the kernel computes the loss.
        bfloat16: whether layers in torch and the unroll use bfloat16.
    """
    sizes = (SIDE, BATCH, STEPS)
    rule, loss = to_rule(SimpleCA(*RULE)), _loss(statistic, kernel=kernel)
    return OurIteration(rule, loss, *sizes, backend="native", bfloat16=bfloat16)


def check_small(statistic: str) -> Parity:
    """Compare the weight gradients of an iteration with the kernel and of one with torch."""
    rule = to_rule(SimpleCA(*RULE))
    state = torch.rand(BATCH, RULE[0], SIDE, SIDE) - 0.5
    masks = random_masks(STEPS, BATCH, SIDE, SIDE, 0.5, torch.Generator().manual_seed(0))
    gradients = []
    for kernel in (True, False):
        last = unroll(state, rule, masks, "native")
        total = _loss(statistic, kernel=kernel)(last[:, :3] + 0.5) + lesson_overflow(last)
        gradients.append(torch.autograd.grad(total, [rule.w1, rule.b1, rule.w2]))
    pairs = zip(*gradients, strict=True)
    value = max(1 - float(F.cosine_similarity(a.flatten(), b.flatten(), dim=0)) for a, b in pairs)
    measure = "1 - cosine of the gradients"
    return Parity(f"loss {statistic}", measure, value, LIMIT, value <= LIMIT)


def _loss(statistic: str, *, kernel: bool) -> Callable[[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, TARGET_SIDE // 4, TARGET_SIDE // 4, generator=generator)
    target = F.interpolate(coarse, scale_factor=4, mode="bilinear")
    loss = TextureLoss(target, Builtin(target), build_statistic(statistic, generator))
    if not kernel:
        loss.kernel = None
    return lambda images: torch.stack(list(loss(images).values())).sum(0).mean()
