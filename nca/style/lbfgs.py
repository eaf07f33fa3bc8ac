"""L-BFGS as a step of the shared loop: one direction from one gradient."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

LARGEST = 0.25  # change of a color in a step
FIRST = 0.05  # in the first, along a gradient whose scale says nothing


class LBFGS(torch.optim.LBFGS):
    """Torch's, without its own loop: a step uses the gradient there is.

    Without a line search a direction may be far too long where the curvature changes; so a step
    that would change any color by more than a quarter is shortened. What a projection changes after
    the step counts as part of it, so that the estimate of the curvature stays true.

    Args:
        parameters: what is trained; one tensor.
        rate: of the full step.
        memory: steps that the curvature is estimated from.
    """

    def __init__(self, parameters: Any, rate: float = 1.0, memory: int = 20) -> None:
        super().__init__(
            parameters, rate, max_iter=1, history_size=memory,
            tolerance_grad=0.0, tolerance_change=0.0,
        )  # fmt: skip

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Go along the direction; ``closure`` is not needed."""
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
        factor = FIRST / largest if state["n_iter"] == 1 else min(1.0, LARGEST / largest)
        if factor != 1:
            weight.copy_(before + factor * change)
        state["before"] = before
        return loss
