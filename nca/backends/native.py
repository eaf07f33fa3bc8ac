"""The unroll on CPUs, in C++; computes in float32 or bfloat16.

The forward pass stores every state; from these, the backward pass recomputes the rest of each step.
The stored states are in one block of memory, which the next unroll reuses. ``kernels/`` contains
the source, which is compiled on first use for the sizes and filters of a rule.
"""

import ctypes
import math
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nca.backends.compiler import cached_with_errors, load_library
from nca.rule import Rule
from nca.rule_settings import Padding, Quantization
from nca.system.threads import ThreadCount

KERNELS = Path(__file__).parent / "kernels"
PADDINGS = ("circular", "zeros", "reflect", "replicate")  # in the order of the C++ enum
MAX_CELLS = 2**30
SYMBOLS = ("nca_forward", "nca_backward", "nca_state_floats", "nca_fire_mask", "nca_has_bfloat16",
           "nca_lanes")  # fmt: skip
assert set(PADDINGS) == set(get_args(Padding))


class Problem(ctypes.Structure):
    """``struct Problem`` in ``kernels/rule.h``."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("steps", "batch", "height", "width", "padding")),
        *((name, ctypes.c_int64) for name in ("threads", "keep_all", "bfloat16")),
        *((name, ctypes.c_void_p) for name in ("w1", "b1", "w2", "b2", "masks", "states")),
        ("hidden_clip", ctypes.c_float),
    )


@cached_with_errors
def kernel_library(
    channels: int, hidden: int, filters: tuple[float, ...], dilations: tuple[int, ...]
) -> ctypes.CDLL:
    """Load the library for the given sizes and filters; compile it unless it is in the cache.

    Raises:
        CompileError: there is no compiler, or the compiler failed.
    """
    defines = {
        "NCA_CHANNELS": str(channels),
        "NCA_HIDDEN": str(hidden),
        "NCA_FILTER_COUNT": str(len(dilations)),
        "NCA_FILTERS": ",".join(f"{value.hex()}f" for value in filters),
        "NCA_DILATIONS": ",".join(map(str, dilations)),
    }
    library = load_library(KERNELS / "unroll.cpp", defines, symbols=SYMBOLS)
    pointer, size = ctypes.c_void_p, ctypes.c_int64
    library.nca_forward.argtypes = [ctypes.POINTER(Problem), *[pointer] * 2]
    library.nca_backward.argtypes = [ctypes.POINTER(Problem), *[pointer] * 6]
    library.nca_state_floats.argtypes = [size, size]
    library.nca_fire_mask.argtypes = [pointer, size, size, ctypes.c_uint32, ctypes.c_uint64]
    for symbol in SYMBOLS:
        getattr(library, symbol).restype = size
    library.nca_fire_mask.restype = None
    return library


def library_of(rule: Rule) -> ctypes.CDLL:
    """Load the library for a rule; see :func:`kernel_library`."""
    filters = tuple(rule.filters.flatten().tolist())
    return kernel_library(rule.settings.channels, rule.settings.hidden, filters, rule.dilations)


def unsupported_reason(state: Tensor, rule: Rule) -> str | None:
    """Return why the kernels cannot compute an unroll; None if they can."""
    settings = rule.settings
    tensors, reach = [state, *rule.parameters(), rule.filters], max(rule.dilations)
    reasons = {
        "it runs on the CPU only": any(tensor.device.type != "cpu" for tensor in tensors),
        "it computes float32 only": any(tensor.dtype != torch.float32 for tensor in tensors),
        "it does not support rules that round": settings.quantization != Quantization(),
        "it needs fixed filters": rule.filters.requires_grad,
        "it needs finite filters": not bool(rule.filters.isfinite().all()),
        "it needs a grid that is larger than the reach of dilated filters": (
            reach > 1 and min(state.shape[2:]) <= reach
        ),
        f"it supports at most {MAX_CELLS} cells": state.shape[2] * state.shape[3] > MAX_CELLS,
    }
    return next((text for text, met in reasons.items() if met), None)


def unroll_native(state: Tensor, rule: Rule, masks: Tensor) -> Tensor:
    """Unroll like :func:`nca.backends.unroll`, if :func:`unsupported_reason` returns None.

    Under autocast to bfloat16, the two layers are computed in bfloat16 if the CPU can multiply in
    bfloat16; otherwise, and for the smallest rules, they are computed in float32.

    Raises:
        ValueError: a tensor's shape does not match the rule's settings.
        CompileError: see :func:`kernel_library`.
    """
    if rule.settings.alive_threshold is not None:
        return _unroll_living(state, rule, masks)
    return _unroll(state, rule, masks)


def _unroll_living(state: Tensor, rule: Rule, masks: Tensor) -> Tensor:
    """Unroll step by step, because which cells live must be determined between steps.

    A cell that is not alive before a step is zero after the step, whether it fires or not.
    Therefore its mask can be off, so that the kernels skip the cell.
    """
    for mask in masks:
        alive = rule.alive(state)
        after = _unroll(state, rule, (mask & alive[:, 0])[None])
        state = after * (alive & rule.alive(after))
    return state


def _unroll(state: Tensor, rule: Rule, masks: Tensor) -> Tensor:
    _check_shapes(state, rule, masks)
    autocast = torch.is_autocast_enabled("cpu")
    kernel = Kernel(
        library_of(rule),
        PADDINGS.index(rule.settings.padding),
        math.inf if rule.settings.hidden_clip is None else rule.settings.hidden_clip,
        autocast and torch.get_autocast_dtype("cpu") == torch.bfloat16,
    )
    tensors = (state, rule.w1, rule.b1, rule.w2, rule.b2, masks)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        last: Tensor = _Unroll.apply(*tensors, kernel)  # type: ignore[no-untyped-call]
        return last
    last, states = kernel.forward(Inputs.dense(*tensors), keep_all=False)
    _workspace.give_back(states)
    return last


def _check_shapes(state: Tensor, rule: Rule, masks: Tensor) -> None:
    """Refuse shapes that would make the kernels read or write outside a tensor."""
    channels, hidden = rule.settings.channels, rule.settings.hidden
    batch, _, height, width = state.shape
    shapes = {
        "state": (state, (batch, channels, height, width)),
        "masks": (masks, (len(masks), batch, height, width)),
        "filters": (rule.filters, (len(rule.filters), 3, 3)),
        "w1": (rule.w1, (hidden, channels * len(rule.filters))),
        "b1": (rule.b1, (hidden,)),
        "w2": (rule.w2, (channels, hidden)),
    }
    if rule.b2 is not None:
        shapes["b2"] = (rule.b2, (channels,))
    for name, (tensor, shape) in shapes.items():
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{name} must have shape {shape}, not {tuple(tensor.shape)}")
    if masks.dtype != torch.bool or masks.device.type != "cpu":
        raise ValueError(
            f"masks must be torch.bool on the CPU, not {masks.dtype} on {masks.device}"
        )


class Inputs(NamedTuple):
    """Tensors for a call; contiguous, because the kernels compute addresses from the shapes."""

    state: Tensor
    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor | None
    masks: Tensor

    @classmethod
    def dense(cls, *tensors: Tensor | None) -> "Inputs":
        """Make tensors contiguous, without copying those that already are."""
        return cls(*(None if t is None else t.detach().contiguous() for t in tensors))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Kernel:
    """A compiled library, and the arguments of its functions that are not tensors."""

    library: ctypes.CDLL
    padding: int
    hidden_clip: float
    bfloat16: bool

    def forward(
        self, inputs: Inputs, *, keep_all: bool, threads: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the last state, and the workspace, which holds all states with ``keep_all``."""
        steps, batch, height, width = inputs.masks.shape
        floats = batch * int(self.library.nca_state_floats(height, width))
        if threads is None:
            threads = self._threads(inputs)
        states = _workspace.take(floats * (steps + 1 if keep_all else 2))
        last = torch.empty_like(inputs.state)
        problem = self._problem(inputs, states, threads, keep_all)
        _check(self.library.nca_forward(problem, inputs.state.data_ptr(), last.data_ptr()))
        return last, states

    def backward(self, inputs: Inputs, states: Tensor, d_last: Tensor) -> list[Tensor]:
        """Return the gradients of the state, w1, b1, w2 and b2 (even if the rule has no b2)."""
        d_last = d_last.to(torch.float32).contiguous()
        like = (inputs.state, inputs.w1, inputs.b1, inputs.w2, inputs.w2[:, 0])
        gradients = [torch.empty(tensor.shape) for tensor in like]
        pointers = [gradient.data_ptr() for gradient in gradients]
        problem = self._problem(inputs, states, self._threads(inputs), True)
        _check(self.library.nca_backward(problem, d_last.data_ptr(), *pointers))
        return gradients

    def _threads(self, inputs: Inputs) -> int:
        def trial(threads: int) -> None:
            samples, steps, side = 2 * torch.get_num_threads(), 8, 32
            small = inputs._replace(
                state=torch.zeros(samples, inputs.state.shape[1], side, side),
                masks=torch.ones(steps, samples, side, side, dtype=torch.bool),
            )
            self.forward(small, keep_all=False, threads=threads)

        return _thread_count(len(inputs.state), trial)

    def _problem(self, inputs: Inputs, states: Tensor, threads: int, keep_all: bool) -> Problem:
        steps, batch, height, width = inputs.masks.shape
        return Problem(
            steps=steps,
            batch=batch,
            height=height,
            width=width,
            padding=self.padding,
            threads=threads,
            keep_all=keep_all,
            bfloat16=self.bfloat16,
            w1=inputs.w1.data_ptr(),
            b1=inputs.b1.data_ptr(),
            w2=inputs.w2.data_ptr(),
            b2=None if inputs.b2 is None else inputs.b2.data_ptr(),
            masks=inputs.masks.data_ptr(),
            states=states.data_ptr(),
            hidden_clip=self.hidden_clip,
        )


def _check(status: int) -> None:
    if status != 0:
        raise MemoryError("the native unroll ran out of memory")


class Workspace:
    """Memory for states, reused by later unrolls; new memory costs a page fault every 4 KB."""

    def __init__(self) -> None:
        self._spare: Tensor | None = None
        self._lock = threading.Lock()

    def take(self, floats: int) -> Tensor:
        """Take an uninitialized block of at least ``floats`` floats that nothing else uses."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is None or spare.numel() < floats:
            spare = torch.empty(floats)
        return spare

    def give_back(self, states: Tensor) -> None:
        """Return a block for the next unroll; only the last returned block is kept."""
        with self._lock:
            self._spare = states


_workspace = Workspace()
_thread_count = ThreadCount()


class _Unroll(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        *tensors, kernel = arguments
        inputs = Inputs.dense(*tensors)
        last: Tensor
        last, ctx.states = kernel.forward(inputs, keep_all=True)
        ctx.kernel = kernel
        ctx.save_for_backward(*inputs)
        return last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_last: Tensor) -> tuple[Tensor | None, ...]:
        inputs = Inputs(*ctx.saved_tensors)
        kernel: Kernel = ctx.kernel
        states, ctx.states = ctx.states, None
        if states is None:  # second backward pass through a retained graph
            _, states = kernel.forward(inputs, keep_all=True)
        d_state, d_w1, d_b1, d_w2, d_b2 = kernel.backward(inputs, states, d_last)
        _workspace.give_back(states)
        return d_state, d_w1, d_b1, d_w2, None if inputs.b2 is None else d_b2, None, None
