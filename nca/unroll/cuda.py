"""The unroll on GPUs: every state is kept, the rest of a step is recomputed on the way back.

The arithmetic is that of :mod:`nca.unroll.torch_backend`: one dense 3x3 convolution and one 1x1,
which cuDNN does well. What a GPU loses is time between small kernels, some twenty a step and back;
so a step and its way back are each recorded once per size as a CUDA graph, and replayed. Without a
GPU the same functions run one by one: that is how they are tested.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from nca.rule import Padding, Quantization, Rule, alive, dense_kernel, pad

WARM_UPS = 3  # as torch's notes on CUDA graphs ask for
KEPT_GRAPHS = 16


class Weights(NamedTuple):
    """What a step multiplies with: [hidden, C, 3, 3], [hidden], [C, hidden, 1, 1], [C]."""

    kernel: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor


class Step(NamedTuple):
    """What a step is told beside tensors; hashable, so that a recording is found again."""

    padding: Padding
    hidden_clip: float | None
    alive_threshold: float | None
    dtype: torch.dtype


def step_forward(step: Step, weights: Weights, state: Tensor, mask: Tensor) -> tuple[Tensor]:
    """State after a step; takes [B, C, H, W] and [B, H, W] float32."""
    kernel, b1, w2, b2 = (weight.to(step.dtype) for weight in weights)
    hidden = F.conv2d(pad(state, step.padding).to(step.dtype), kernel, b1).relu()
    if step.hidden_clip is not None:
        hidden = hidden.clamp(max=step.hidden_clip)
    after = state + F.conv2d(hidden, w2, b2) * mask[:, None]
    if step.alive_threshold is not None:
        lives = (alive(each, step.alive_threshold, step.padding) for each in (state, after))
        after = after * torch.logical_and(*lives)
    return (after,)


def step_backward(
    step: Step, weights: Weights, state: Tensor, mask: Tensor, d_next: Tensor
) -> tuple[Tensor, ...]:
    """Gradients of the state and of the weights of one step, recomputed from its state."""
    inputs = [tensor.detach().requires_grad_(True) for tensor in (state, *weights)]
    with torch.enable_grad():
        (after,) = step_forward(step, Weights(*inputs[1:]), inputs[0], mask)
    return torch.autograd.grad(after, inputs, d_next)


def obstacle(state: Tensor, rule: Rule) -> str | None:
    """Tell why this backend cannot compute this; None if it can."""
    tensors = [state, *rule.parameters(), rule.filters]
    obstacles = {
        "no GPU that torch can use was found": not torch.cuda.is_available(),
        "its tensors are not on a GPU": any(tensor.device.type != "cuda" for tensor in tensors),
        "it computes float32 states only": any(tensor.dtype != torch.float32 for tensor in tensors),
        "it does not round": rule.settings.quantization != Quantization(),
    }
    return next((text for text, met in obstacles.items() if met), None)


def unroll_cuda(state: Tensor, rule: Rule, masks: Tensor) -> Tensor:
    """See :func:`nca.unroll.unroll`; under autocast the layers are computed in its precision."""
    device = state.device.type
    autocast = torch.is_autocast_enabled(device)
    step = Step(
        rule.settings.padding,
        rule.settings.hidden_clip,
        rule.settings.alive_threshold,
        torch.get_autocast_dtype(device) if autocast else state.dtype,
    )
    with torch.autocast(device, enabled=False):
        b2 = rule.b2 if rule.b2 is not None else torch.zeros_like(rule.w2[:, 0])
        weights = (dense_kernel(rule.w1, rule.filters), rule.b1, rule.w2[:, :, None, None], b2)
        last: Tensor = _Unroll.apply(step, state, masks, *weights)  # type: ignore[no-untyped-call]
    return last


Function = Callable[..., tuple[Tensor, ...]]


class _Unroll(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, step: Step, state: Tensor, masks: Tensor, *tensors: Tensor) -> Tensor:
        weights, masks, kept = Weights(*tensors), masks.to(state.dtype), []
        keep = any(ctx.needs_input_grad)
        state = state.contiguous().clone()
        blank = torch.zeros_like(state[:, 0])
        with exact_convolutions():
            if keep:  # recorded here: the backward pass is another thread's
                runner(step_backward, step, weights, state, blank, state)
            run = runner(step_forward, step, weights, state, blank)
            for mask in masks:
                if keep:
                    kept.append(state)
                (state,) = run(state, mask)
        ctx.step = step
        ctx.save_for_backward(masks, *weights, *kept)
        return state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_last: Tensor) -> tuple[Tensor | None, ...]:
        masks, *rest = ctx.saved_tensors
        weights, kept = Weights(*rest[:4]), rest[4:]
        sums = [torch.zeros_like(weight) for weight in weights]
        d_state = d_last.contiguous()
        with exact_convolutions():
            run = runner(step_backward, ctx.step, weights, d_state, d_state[:, 0], d_state)
            for state, mask in zip(reversed(kept), reversed(masks.unbind()), strict=True):
                d_state, *gradients = run(state, mask, d_state)
                torch._foreach_add_(sums, gradients)
        return None, d_state, None, *sums


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """The same bits every time, and all of float32's: cuDNN by default rounds to TF32's ten."""
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    ):
        yield


def runner(function: Function, step: Step, weights: Weights, *examples: Tensor) -> Function:
    """Bind step and weights; on a GPU to the function's recording for tensors like the examples.

    Of a recording's results the first is the caller's; the others hold until the next call.
    """
    if examples[0].device.type != "cuda":
        return partial(function, step, weights)
    sizes = tuple((t.shape, t.dtype, t.device) for t in (*weights, *examples))
    key = (function, step, sizes)
    if key not in _recordings:
        if len(_recordings) == KEPT_GRAPHS:
            del _recordings[next(iter(_recordings))]  # the oldest
        _recordings[key] = Recording(partial(function, step), weights, examples)
    recording = _recordings[key]
    fill(recording.weights, weights)
    return recording


class Recording:
    """A function of tensors as a CUDA graph: always the same memory, with other values in it."""

    def __init__(self, function: Function, weights: Weights, examples: Sequence[Tensor]) -> None:
        self.weights = Weights(*(weight.detach().clone() for weight in weights))
        self.inputs = [example.detach().clone() for example in examples]
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                function(self.weights, *self.inputs)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.outputs = function(self.weights, *self.inputs)

    def __call__(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Replay with these values."""
        fill(self.inputs, values)
        self.graph.replay()
        return self.outputs[0].clone(), *self.outputs[1:]


def fill(places: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Copy values into tensors of the same shapes."""
    for place, value in zip(places, values, strict=True):
        place.copy_(value)


_recordings: dict[Any, Recording] = {}
