"""Statistics of a model's activations during training."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from nca.training.callback import Callback
from nca.training.learner import Learner

DEAD = 1e-3  # absolute value below which an activation counts as dead


class ActivationStatistics(Callback):
    """Measure the mean, the std and the fraction of dead values in the outputs of layers.

    The measures are called ``activation/LAYER/mean``, ``.../std`` and ``.../dead``. The forward
    hooks are always removed when the fit ends. This callback does not work for models whose layers
    are not called as modules, such as rules.

    Args:
        layers: names of modules as in ``model.named_modules()``; default: all modules that have
            weights and no submodules.

    Raises:
        ValueError: (during the fit) the model has no module with one of these names.
    """

    def __init__(self, layers: Sequence[str] | None = None) -> None:
        self.layers = layers
        self._handles: list[RemovableHandle] = []

    def before_fit(self, learner: Learner) -> None:
        """Register the hooks."""
        modules = dict(learner.model.named_modules())
        names = weighted_leaves(learner.model) if self.layers is None else self.layers
        for name in names:
            if name not in modules:
                raise ValueError(f"no layer {name!r}; there are {sorted(filter(None, modules))}")
            hook = partial(self._measure, learner, name)
            self._handles.append(modules[name].register_forward_hook(hook))

    def cleanup_fit(self, _: Learner) -> None:
        """Remove the hooks."""
        while self._handles:
            self._handles.pop().remove()

    @torch.no_grad()
    def _measure(self, learner: Learner, name: str, _: nn.Module, __: Any, output: Tensor) -> None:
        if not learner.training:
            return
        values = output.float()
        learner.measures |= {
            f"activation/{name}/mean": values.mean(),
            f"activation/{name}/std": values.std(),
            f"activation/{name}/dead": (values.abs() < DEAD).float().mean(),
        }


def weighted_leaves(model: nn.Module) -> list[str]:
    """Names of the modules that have their own weights and no submodules."""
    return [
        name
        for name, module in model.named_modules()
        if name and next(module.parameters(recurse=False), None) is not None
        if next(module.children(), None) is None
    ]
