"""The unroll on GPUs: one Triton kernel per forward step, and two per backward step.

Rules whose cells can die need one more kernel per forward step. The forward pass stores every
state; from these, the backward pass recomputes the rest of each step. Because the GPU would idle
between such small kernels, all steps of an unroll are recorded as two CUDA graphs, forward and
backward, once for each size and number of steps. For tests, the kernels also run without a GPU, in
Triton's interpreter (``TRITON_INTERPRET=1``).

A *tape* is the memory for an unroll, together with its graphs; see
:class:`~nca.backends.triton_tape.Tape`.
"""

import math
import weakref
from collections import OrderedDict
from typing import Any

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from nca.backends.triton_tape import MAX_INPUTS, Problem, Tape
from nca.rule import Rule
from nca.rule_settings import Quantization

KEPT_TAPES = 8  # number of problems whose tapes are kept
# Number of steps per recording without gradients. It is even, so that the last state ends up in the
# buffer that the next recording starts from.
RECORDED = 64
INTERPRETED = triton.knobs.runtime.interpret
MAX_CELLS = 2**24  # cells in a batch, because offsets within a state have 32 bits


class Tapes:
    """Free tapes, by problem. An unroll keeps its tape until its autograd graph is freed."""

    def __init__(self) -> None:
        self._free: OrderedDict[tuple[Problem, bool], list[Tape]] = OrderedDict()

    def borrow(self, problem: Problem, steps: int, *, keep: bool) -> Tape:
        """Take a free tape with room for ``steps`` steps, or make a tape; see :class:`Tape`."""
        key = problem, keep
        free = self._free.setdefault(key, [])
        self._free.move_to_end(key)
        while free:
            tape = free.pop()
            if tape.steps >= steps:
                return tape
        while len(self._free) > KEPT_TAPES:
            self._free.popitem(last=False)
        return Tape(problem, -(-steps // 32) * 32, keep=keep)

    def give_back(self, tape: Tape) -> None:
        """Return a tape for the next unroll."""
        self._free.setdefault((tape.problem, tape.keep), []).append(tape)


_tapes = Tapes()


def problem_of(state: Tensor, rule: Rule) -> Problem:
    """Describe the problem of unrolling a rule from a state, [B, C, H, W]."""
    settings, (batch, channels, height, width) = rule.settings, state.shape
    return Problem(
        device=state.device,
        batch=batch,
        height=height,
        width=width,
        channels=channels,
        hidden=settings.hidden,
        dilations=rule.dilations,
        padding=settings.padding,
        clip=math.inf if settings.hidden_clip is None else settings.hidden_clip,
        alive_threshold=settings.alive_threshold,
        products=products_of(state.device),
    )


def products_of(device: torch.device) -> str:
    """Precision of the matrix products, as torch would choose it.

    It is bfloat16 under autocast, otherwise float32. On a GPU with TF32, a float32 product is
    computed as three TF32 products, which keep about 22 of the 24 bits. After
    ``torch.set_float32_matmul_precision("high")``, only one TF32 product is used.
    """
    if torch.is_autocast_enabled(device.type):
        return "bfloat16"
    tensor_cores = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    if not tensor_cores or torch.version.hip is not None:
        return "ieee"
    return "tf32x3" if torch.get_float32_matmul_precision() == "highest" else "tf32"


def unsupported_reason(state: Tensor, rule: Rule) -> str | None:
    """Return why the kernels cannot compute an unroll; None if they can."""
    settings, tensors = rule.settings, [state, *rule.parameters(), rule.filters]
    usable = state.is_cuda or INTERPRETED
    reasons = {
        "its tensors are not on a GPU": not usable
        or any(t.device != state.device for t in tensors),
        "it computes float32 states only": any(t.dtype != torch.float32 for t in tensors),
        "it does not support rules that round": settings.quantization != Quantization(),
        "it needs fixed filters": rule.filters.requires_grad,
        f"it does not support dilated filters with {settings.padding} padding": (
            settings.padding in ("reflect", "replicate") and max(rule.dilations) > 1
        ),
        f"it supports at most {MAX_INPUTS} padded inputs of the first layer": (
            problem_of(state, rule).padded_inputs > MAX_INPUTS
        ),
        f"it supports at most {MAX_CELLS:,} cells": state[:, 0].numel() > MAX_CELLS,
    }
    return next((text for text, met in reasons.items() if met), None)


def unroll_triton(state: Tensor, rule: Rule, masks: Tensor) -> Tensor:
    """Unroll like :func:`nca.backends.unroll`, if :func:`unsupported_reason` returns None."""
    if len(masks) == 0:
        return state.clone()
    problem = problem_of(state, rule)
    inputs = (state, rule.filters, masks, rule.w1, rule.b1, rule.w2, rule.b2)
    with torch.autocast(state.device.type, enabled=False):
        if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in inputs):
            last: Tensor = _Unroll.apply(problem, *inputs)  # type: ignore[no-untyped-call]
            return last
        return _simulated(problem, *inputs)


def _simulated(
    problem: Problem, state: Tensor, filters: Tensor, masks: Tensor, *weights: Any
) -> Tensor:
    tape = _tapes.borrow(problem, RECORDED, keep=False)
    parts = torch.split(masks, RECORDED)
    # Record before writing the inputs, because recording runs the steps, which overwrite buffers.
    recording = tape.forward_graph(RECORDED) if len(parts[0]) == RECORDED else None
    tape.fill(state, filters, parts[0], *weights)
    for part in parts:
        tape.write_masks(part)
        if recording is not None and len(part) == RECORDED:
            recording.replay()
        else:
            tape.run_forward(len(part))
    last = tape.last(len(masks))
    _tapes.give_back(tape)
    return last


class _Unroll(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, problem: Problem, *inputs: Any) -> Tensor:
        ctx.steps, ctx.has_b2 = len(inputs[2]), inputs[-1] is not None
        ctx.tape = tape = _tapes.borrow(problem, ctx.steps, keep=True)
        weakref.finalize(ctx, _tapes.give_back, tape)
        # Both passes are recorded here, because `backward` runs in another thread, and before the
        # tape is filled, because recording runs the steps, which overwrite the buffers.
        tape.backward_graph(ctx.steps)
        forward_graph = tape.forward_graph(ctx.steps)
        tape.fill(*inputs)
        forward_graph.replay()
        return tape.last(ctx.steps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_last: Tensor) -> tuple[Tensor | None, ...]:
        ctx.tape.take_gradient(ctx.steps, d_last)
        ctx.tape.backward_graph(ctx.steps).replay()
        d_state, *d_weights, d_b2 = ctx.tape.gradients_of_inputs()
        return None, d_state, None, None, *d_weights, d_b2 if ctx.has_b2 else None
