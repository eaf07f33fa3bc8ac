"""Memory for an unroll on a GPU, and CUDA graphs that run the unroll's kernels on it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import triton
from einops import rearrange
from torch import Tensor

from nca.backends import triton_kernels as kernels
from nca.rule import ALPHA
from nca.rule_settings import MAX_DILATION, Padding
from nca.system.recording import warm_up

# The fastest of about ten configurations that were tried on an H200.
CELLS, UNITS, WARPS = 64, 32, 4  # cells per program, hidden units per product, warps per program
MAX_INPUTS = 256  # maximum of perceived values per cell, with padding; limited by shared memory
PROGRAMS_PER_PROCESSOR = 2
INTERPRETED_PROGRAMS = 2


def next_power_of_2(number: int) -> int:
    """The smallest power of two that is at least ``number``."""
    return 1 << (number - 1).bit_length()


@dataclass(frozen=True)
class Problem:
    """Sizes and settings that a tape depends on; equal problems share tapes."""

    device: torch.device
    batch: int
    height: int
    width: int
    channels: int
    hidden: int
    dilations: tuple[int, ...]
    padding: Padding
    clip: float
    alive_threshold: float | None
    products: str

    @cached_property
    def cells(self) -> int:
        """Number of cells in the whole batch."""
        return self.batch * self.height * self.width

    @cached_property
    def padded_channels(self) -> int:
        """``CP`` in the kernels."""
        return max(16, next_power_of_2(self.channels))

    @cached_property
    def filters(self) -> int:
        """Number of filters."""
        return len(self.dilations)

    @cached_property
    def dilation_bits(self) -> int:
        """``DILATIONS`` in the kernels."""
        return sum(1 << dilation for dilation in set(self.dilations))

    @cached_property
    def padded_filters(self) -> int:
        """``KP`` in the kernels."""
        return next_power_of_2(self.filters)

    @cached_property
    def padded_hidden(self) -> int:
        """``HP`` in the kernels."""
        return -(-self.hidden // UNITS) * UNITS

    @cached_property
    def padded_inputs(self) -> int:
        """Number of perceived values per cell, ``CP * KP`` in the kernels."""
        return self.padded_channels * self.padded_filters

    @cached_property
    def block(self) -> int:
        """Number of cells per program."""
        return CELLS // 2 if self.padded_inputs > MAX_INPUTS // 2 else CELLS


class Tape:
    """Memory for an unroll and its backward pass, with the graphs that were recorded on it.

    Args:
        problem: sizes and settings.
        steps: maximum number of steps.
        keep: keep all states for the backward pass; otherwise, there is room for only two states.
    """

    def __init__(self, problem: Problem, steps: int, *, keep: bool) -> None:
        self.problem, self.steps, self.keep = problem, steps, keep
        cp, hp, cells = problem.padded_channels, problem.padded_hidden, problem.cells
        zeros = torch.zeros

        def floats(*shape: int) -> Tensor:
            return zeros(shape, device=problem.device)

        self.states = floats(steps + 1 if keep else 2, cells, cp)
        row = triton.cdiv(cells, kernels.CHUNK.value) * kernels.CHUNK.value
        self.masks = zeros((steps, row), dtype=torch.bool, device=problem.device)
        self.order = zeros((steps, row), dtype=torch.int32, device=problem.device)
        self.firing = zeros(steps, dtype=torch.int32, device=problem.device)
        kp = problem.padded_filters
        self.filters = floats(MAX_DILATION, 9, kp)
        self.w1, self.b1 = floats(hp, cp * kp), floats(hp)
        self.w2, self.b2 = floats(cp, hp), floats(cp)
        self.living = problem.alive_threshold is not None
        kept_lives = steps if keep else 1
        self.lives = zeros(
            (kept_lives, cells if self.living else 1), dtype=torch.int8, device=problem.device
        )
        self.after = floats(1, cells if self.living else 1, cp)
        self._graphs: dict[tuple[str, int], Graph] = {}
        self._pool: Any = None
        if keep:
            programs = program_count(problem.device)
            self.gradients = floats(steps + 1, cells, cp)
            self.d_perception = floats(cells, cp * kp)
            weights = (self.w1, self.b1, self.w2, self.b2)
            self.partial = [floats(programs, *weight.shape) for weight in weights]
            self.sums = [torch.zeros_like(weight) for weight in weights]

    # ---- in and out ----------------------------------------------------------------------------

    def fill(
        self,
        state: Tensor,
        filters: Tensor,
        masks: Tensor,
        w1: Tensor,
        b1: Tensor,
        w2: Tensor,
        b2: Tensor | None,
    ) -> None:
        """Write the inputs of an unroll."""
        p = self.problem
        self._image(self.states[0]).copy_(state)
        self.write_masks(masks)
        for k, dilation in enumerate(p.dilations):
            self.filters[dilation - 1, :, k] = filters[k].flatten()
        self._used(self.w1).copy_(rearrange(w1, "h (c k) -> h c k", k=p.filters))
        self.b1[: p.hidden].copy_(b1)
        self.w2[: p.channels, : p.hidden].copy_(w2)
        if b2 is None:
            self.b2.zero_()
        else:
            self.b2[: p.channels].copy_(b2)

    def write_masks(self, masks: Tensor) -> None:
        """Write the masks of the next steps, [steps, B, H, W]."""
        self.masks[: len(masks), : self.problem.cells].copy_(masks.flatten(1))

    def _image(self, cells: Tensor) -> Tensor:
        """View a tensor ``[cells, CP]`` as [B, C, H, W]."""
        p = self.problem
        image = cells.view(p.batch, p.height, p.width, -1)[..., : p.channels]
        return image.permute(0, 3, 1, 2)

    def _used(self, w1: Tensor) -> Tensor:
        """View a tensor ``[HP, CP * KP]`` without its padding, as [hidden, C, K]."""
        p = self.problem
        columns = w1.view(len(w1), p.padded_channels, p.padded_filters)
        return columns[: p.hidden, : p.channels, : p.filters]

    def last(self, steps: int) -> Tensor:
        """Return a copy of the state after ``steps`` steps, [B, C, H, W]."""
        slot = steps if self.keep else steps % 2
        return self._image(self.states[slot]).contiguous()

    def take_gradient(self, steps: int, d_last: Tensor) -> None:
        """Write the gradient of the last state, [B, C, H, W]."""
        self._image(self.gradients[steps]).copy_(d_last)

    def gradients_of_inputs(self) -> list[Tensor]:
        """Return copies of the gradients of the state, w1, b1, w2 and b2."""
        p = self.problem
        d_w1, d_b1, d_w2, d_b2 = self.sums
        return [
            self._image(self.gradients[0]).contiguous(),
            self._used(d_w1).flatten(1),
            d_b1[: p.hidden].clone(),
            d_w2[: p.channels, : p.hidden].contiguous(),
            d_b2[: p.channels].clone(),
        ]

    # ---- the steps -----------------------------------------------------------------------------

    def run_forward(self, steps: int) -> None:
        """Run all steps, starting from ``states[0]``."""
        chunks = len(self.masks[0]) // kernels.CHUNK.value
        counts = self.masks[:steps].view(steps, chunks, -1).sum(2, dtype=torch.int32)
        until = counts.cumsum(1, dtype=torch.int32)
        self.firing[:steps] = until[:, -1]
        kernels.sort_cells[(chunks, steps)](self.masks, until - counts, self.firing, self.order)
        for step in range(steps):
            if self.keep:
                self._step(step, step, step + 1, step)
            else:
                self._step(step, step % 2, (step + 1) % 2, 0)

    def _step(self, step: int, source: int, destination: int, kept_lives: int) -> None:
        p = self.problem
        grid = (triton.cdiv(p.cells, p.block),)
        kernels.step_forward[grid](
            self.states, self.after if self.living else self.states, source,
            0 if self.living else destination, self.order, self.firing, step, self.filters,
            self.w1, self.b1, self.w2, self.b2, p.cells, p.height, p.width, p.clip,
            KP=p.padded_filters, CP=p.padded_channels, HP=p.padded_hidden, UNITS=UNITS,
            BLOCK=p.block, DILATIONS=p.dilation_bits, PADDING=p.padding, PRODUCTS=p.products,
            num_warps=WARPS,
        )  # fmt: skip
        if p.alive_threshold is not None:
            kernels.keep_living[grid](
                self.after, self.states, source, destination, self.lives, kept_lives,
                p.alive_threshold, p.cells, p.height, p.width, ALPHA=ALPHA, CP=p.padded_channels,
                BLOCK=p.block, PADDING=p.padding, num_warps=WARPS,
            )  # fmt: skip

    def run_backward(self, steps: int) -> None:
        """Run all steps backward from the gradient of the last state; then sum weight gradients.

        The gradient of a state depends on that of the next state. The weight gradients of different
        steps do not depend on each other, so they are computed at once, for all steps.
        """
        p = self.problem
        sizes = {"KP": p.padded_filters, "CP": p.padded_channels, "BLOCK": p.block,
                 "DILATIONS": p.dilation_bits, "PADDING": p.padding, "LIFE": self.living,
                 "num_warps": WARPS}  # fmt: skip
        layers = {"HP": p.padded_hidden, "UNITS": UNITS, "PRODUCTS": p.products}
        grid = (triton.cdiv(p.cells, p.block),)
        for step in reversed(range(steps)):
            kernels.layers_backward[grid](
                self.states, self.gradients, self.lives, self.order, self.firing, step,
                self.filters, self.w1, self.b1, self.w2, p.cells, p.height, p.width, p.clip,
                self.d_perception, **sizes, **layers,
            )  # fmt: skip
            kernels.stencil_backward[grid](
                self.d_perception, self.gradients, self.lives, step, self.filters, p.cells,
                p.height, p.width, **sizes,
            )  # fmt: skip
        programs = (program_count(p.device), p.padded_hidden // UNITS)
        kernels.weights_backward[programs](
            self.states, self.gradients, self.lives, self.order, self.firing, steps, self.filters,
            self.w1, self.b1, self.w2, p.cells, p.height, p.width, p.clip, *self.partial,
            **sizes, **layers,
        )  # fmt: skip
        for total, partial in zip(self.sums, self.partial, strict=True):
            torch.sum(partial, 0, out=total)

    # ---- graphs --------------------------------------------------------------------------------

    def forward_graph(self, steps: int) -> "Graph":
        """The recorded forward pass for a number of steps."""
        return self._recorded(self.run_forward, steps)

    def backward_graph(self, steps: int) -> "Graph":
        """The recorded backward pass for a number of steps."""
        return self._recorded(self.run_backward, steps)

    def _recorded(self, run: Callable[[int], None], steps: int) -> "Graph":
        key = run.__name__, steps
        if key not in self._graphs:
            compiled = any(name == run.__name__ for name, _ in self._graphs)
            self._graphs[key] = graph = Graph(run, steps, self._pool, compiled=compiled)
            self._pool = graph.pool
        return self._graphs[key]


class Graph:
    """A function of tensors at fixed addresses, recorded as a CUDA graph.

    All graphs of a tape share memory for intermediate results, because only one graph runs at a
    time.
    """

    def __init__(
        self, run: Callable[[int], None], steps: int, pool: Any, *, compiled: bool
    ) -> None:
        self._run: Callable[[], None]
        self.pool = pool
        if not torch.cuda.is_available():
            self._run = lambda: run(steps)
            return
        if not compiled:
            warm_up(lambda: run(steps))
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            run(steps)
        self.pool, self._run = graph.pool(), graph.replay

    def replay(self) -> None:
        """Run the graph on the current contents of the memory."""
        self._run()


def program_count(device: torch.device) -> int:
    """Number of programs that share the work of summing weight gradients."""
    if device.type != "cuda":
        return INTERPRETED_PROGRAMS
    processors: int = torch.cuda.get_device_properties(device).multi_processor_count
    return PROGRAMS_PER_PROCESSOR * processors
