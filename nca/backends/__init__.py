"""Run many steps of a rule, forward and backward, with one function.

Training and long simulations use ``unroll``. It gives the same result as repeated calls of
:meth:`nca.rule.Rule.step`, but is faster. Under ``torch.autocast`` with bfloat16, it computes the
two layers in bfloat16, while the state stays in float32.
"""

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from nca.backends.choice import Backend, BackendReport, choose_backend, describe_backends
from nca.backends.native import unroll_native
from nca.backends.rounding import rounds_state_only, without_rounding
from nca.backends.torch_backend import unroll_torch
from nca.rule import Rule


def _unroll_triton(state: Tensor, rule: Rule, masks: Tensor) -> Tensor:
    from nca.backends.triton_backend import unroll_triton  # noqa: PLC0415  (optional)

    return unroll_triton(state, rule, masks)


UNROLLS = {"torch": unroll_torch, "native": unroll_native, "triton": _unroll_triton}

__all__ = ["Backend", "BackendReport", "describe_backends", "unroll"]


def unroll(state: Tensor, rule: Rule, masks: Tensor, backend: Backend = "auto") -> Tensor:
    """Apply a rule once per mask.

    ::

        rule = nca.Rule(nca.RuleSettings(channels=4, hidden=8))
        masks = rule.fire_masks(batch=2, height=16, width=16, steps=20, seed=0)
        state = nca.unroll(rule.initial_state(2, 16, 16), rule, masks)
        state.square().mean().backward()
        print(rule.w2.grad.shape)

    Args:
        state: initial state, [B, C, H, W] float32.
        rule: the rule; gradients flow to its weights and to the state.
        masks: cells that fire, [steps, B, H, W] bool.
        backend: ``torch`` supports everything. ``native`` on a CPU and ``triton`` on a GPU are
            several times faster (see :func:`describe_backends`). ``auto`` uses the fast backend for
            the state's device, or ``torch`` if the fast backend does not support the call.

    Returns:
        The last state, [B, C, H, W] float32.

    Raises:
        ValueError: the shapes do not match.
        InputError: the requested backend does not support this call.
    """
    settings = rule.settings
    if state.ndim != 4 or state.shape[1] != settings.channels:
        raise ValueError(f"state must be [B, {settings.channels}, H, W], not {list(state.shape)}")
    if masks.ndim != 4 or masks.shape[1:] != (state.shape[0], *state.shape[2:]):
        raise ValueError(
            f"masks must be [steps, {state.shape[0]}, {state.shape[2]}, {state.shape[3]}], "
            f"not {list(masks.shape)}"
        )
    if masks.dtype != torch.bool:
        raise ValueError(f"masks must be torch.bool, not {masks.dtype}")
    smallest = 2 if settings.padding == "reflect" else 1
    if min(state.shape[2:]) < smallest:
        raise ValueError(
            f"a grid with {settings.padding} padding needs at least {smallest}x{smallest} cells, "
            f"not {state.shape[2]}x{state.shape[3]}"
        )
    if rounds_state_only(rule):
        return _unroll_rounded(state, rule, masks, backend)
    return UNROLLS[choose_backend(backend, state, rule)](state, rule, masks)


def _unroll_rounded(state: Tensor, rule: Rule, masks: Tensor, backend: Backend) -> Tensor:
    quantizer, plain = rule.settings.quantization.state, without_rounding(rule)
    assert quantizer is not None
    with parametrize.cached():
        for mask in masks:
            state = quantizer(unroll(state, plain, mask[None], backend))
    return state
