"""Many steps of a rule, forward and backward, behind one function.

``unroll`` is what training and long simulations call. It gives what :meth:`nca.rule.Rule.step`
gives step by step, faster. Under ``torch.autocast`` with bfloat16 it computes the two layers in
bfloat16 and keeps the state in float32.
"""

from torch import Tensor

from nca.rule import Rule
from nca.unroll.torch_backend import unroll_torch

__all__ = ["unroll"]


def unroll(state: Tensor, rule: Rule, masks: Tensor) -> Tensor:
    """Apply a rule once per mask.

    Args:
        state: [B, C, H, W] float32.
        rule: gradients flow to its weights and to the state.
        masks: [steps, B, H, W] bool, true where a cell fires.

    Returns:
        The last state, [B, C, H, W] float32.

    Raises:
        ValueError: shapes do not belong together.
    """
    if state.ndim != 4 or state.shape[1] != rule.settings.channels:
        raise ValueError(
            f"state must be [B, {rule.settings.channels}, H, W], not {list(state.shape)}"
        )
    if masks.shape[1:] != (state.shape[0], *state.shape[2:]):
        raise ValueError(
            f"masks must be [steps, {state.shape[0]}, {state.shape[2]}, {state.shape[3]}], "
            f"not {list(masks.shape)}"
        )
    return unroll_torch(state, rule, masks)
