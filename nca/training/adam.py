"""Adam that is there at once."""

import inspect
from typing import Any

import torch
from typing_extensions import override


class Adam(torch.optim.Adam):
    """Adam of torch, without loading ``torch.compile``.

    What torch wraps around the methods of an optimizer is for programs that compile it. At the
    first call it loads the compiler, which takes half as long as torch.
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
