"""L-BFGS as a step of the shared loop: one direction per gradient."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

MAX_CHANGE = 0.25  # largest change of a color in a step
MAX_FIRST = 0.05  # largest change in the first step, as the scale of the gradient is arbitrary


class LBFGS(torch.optim.LBFGS):
    """Torch's L-BFGS without its inner loop: each step uses the gradient of the current batch.

    There is no line search, so a step may be far too long where the curvature changes. A step that
    would change any color by more than a quarter is therefore shortened. If colors are clipped
    after a step, the clipping counts as part of it, so that the curvature estimate stays correct.

    Args:
        parameters: one tensor to train.
        rate: factor of the full step.
        memory: number of past steps used to estimate the curvature.
    """

    def __init__(self, parameters: Any, rate: float = 1.0, memory: int = 20) -> None:
        super().__init__(
            parameters, rate, max_iter=1, history_size=memory,
            tolerance_grad=0.0, tolerance_change=0.0,
        )  # fmt: skip

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step; ``closure`` is not used."""
        del closure
        (weight,) = self._params
        state = self.state[weight]
        self._numel_cache = None  # the image may have grown
        if "before" in state:
            moved = (weight - state["before"]).flatten()
            state["d"] = moved / state["t"]
        before: Tensor = weight.clone()
        loss = super().step(lambda: 0.0)  # type: ignore[no-untyped-call]
        change = weight - before
        largest = float(change.abs().max()) + 1e-30
        factor = MAX_FIRST / largest if state["n_iter"] == 1 else min(1.0, MAX_CHANGE / largest)
        if factor != 1:
            weight.copy_(before + factor * change)
        state["before"] = before
        return loss
