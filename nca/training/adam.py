"""Adam without the import time of ``torch.compile``."""

import inspect
from typing import Any

import torch
from typing_extensions import override


class Adam(torch.optim.Adam):
    """Torch's Adam, without loading ``torch.compile``.

    Torch wraps the methods of optimizers so that optimizers can be compiled. On the first call, the
    wrapper loads the compiler, which takes half as long as loading torch itself.
    """

    add_param_group = inspect.unwrap(torch.optim.Adam.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Adam.zero_grad)
    state_dict = inspect.unwrap(torch.optim.Adam.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Adam.load_state_dict)

    @override
    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        return _STEP(self, closure)


_STEP = inspect.unwrap(torch.optim.Adam.step)
