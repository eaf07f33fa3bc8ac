"""A step of a rule, forward and backward, as Triton kernels that fuse filters, layers and update.

``CP`` is the number of channels, rounded up to a power of two of at least 16, because matrix
products on a GPU require this. ``KP`` is the number of filters, rounded up to a power of two.
``HP`` is the number of hidden units, rounded up to whole blocks. The layouts are float32 and
contiguous unless noted otherwise:

- states ``[steps + 1, cells, CP]``: the cells of a batch, row by row;
- filters ``[3, 9, KP]``: the taps of the filters with dilation 1, 2 and 3; zero for other filters.
  ``DILATIONS`` is a set of bits: bit d is 1 if there are filters with dilation d;
- ``w1 [HP, CP * KP]``, columns interleaved as in a rule; ``b1 [HP]``, ``w2 [CP, HP]``, ``b2 [CP]``;
- order ``[steps, row]`` int32: in each step, the cells that fire, then the others. ``row`` is the
  number of cells, rounded up to whole chunks. A program works on one block of cells; with this
  order, most programs either compute the layers for all of their cells, or only copy their cells;
- firing ``[steps]`` int32: the number of cells that fire in each step.

The padding of channels and of hidden units is zero and stays zero. Loops whose bound is not known
at compile time use ``while``, because Triton's interpreter does not accept ``for`` in this case.
"""

import triton
import triton.language as tl

CHUNK = tl.constexpr(1024)


@triton.jit
def row_of(cells):
    """Number of cells, rounded up to whole chunks."""
    return tl.cdiv(cells, CHUNK) * CHUNK


@triton.jit
def sort_cells(masks, firing_before, firing, order):
    """Put the cells of one chunk into their places in one step of ``order``.

    The cells that fire in ``masks [steps, row]`` come first. ``firing_before [steps, chunks]``
    int32 is the number of cells that fire in earlier chunks.
    """
    chunk, step = tl.program_id(0), tl.program_id(1)
    cell = chunk * CHUNK + tl.arange(0, CHUNK)
    row = step.to(tl.int64) * (tl.num_programs(0) * CHUNK)
    fires = tl.load(masks + row + cell).to(tl.int32)
    before = tl.load(firing_before + step * tl.num_programs(0) + chunk)
    before += tl.cumsum(fires, 0) - fires
    place = tl.where(fires > 0, before, tl.load(firing + step) + cell - before)
    tl.store(order + row + place, cell)


@triton.jit
def neighbor(place, offset, size, PADDING: tl.constexpr):
    """The row or column ``offset`` away from ``place``, and whether it exists."""
    moved = place + offset
    inside = moved == moved
    if PADDING == "circular":
        moved = tl.where(moved < 0, moved + size, moved)
        moved = tl.where(moved >= size, moved - size, moved)
    elif PADDING == "zeros":
        inside = (moved >= 0) & (moved < size)
        moved = tl.where(inside, moved, place)
    elif PADDING == "replicate":
        moved = tl.minimum(tl.maximum(moved, 0), size - 1)
    else:
        moved = tl.where(moved < 0, -moved, moved)
        moved = tl.where(moved >= size, 2 * size - 2 - moved, moved)
    return moved, inside


@triton.jit
def perceive(state, cell, wanted, filters, height, width, KP: tl.constexpr, CP: tl.constexpr,
             DILATIONS: tl.constexpr, PADDING: tl.constexpr):  # fmt: skip
    """Compute the perception of cells, [cells, CP * KP]; zero for cells that are not wanted."""
    column, row = cell % width, cell // width % height
    first, channel = cell - row * width - column, tl.arange(0, CP)
    nothing = tl.zeros((cell.shape[0], CP), tl.float32)
    perceived = ()
    for _ in tl.static_range(KP):
        perceived = perceived + (nothing,)
    for i in tl.static_range(27):
        dilation, tap = i // 9 + 1, i % 9
        if (DILATIONS >> dilation) & 1:
            y, inside_y = neighbor(row, dilation * (tap // 3 - 1), height, PADDING)
            x, inside_x = neighbor(column, dilation * (tap % 3 - 1), width, PADDING)
            seen = first + y * width + x
            value = tl.load(
                state + seen[:, None] * CP + channel[None, :],
                mask=(wanted & inside_y & inside_x)[:, None],
                other=0.0,
            )
            added = ()
            for k in tl.static_range(KP):
                added = added + (perceived[k] + tl.load(filters + i * KP + k) * value,)
            perceived = added
    return interleaved(perceived, KP)


@triton.jit
def interleaved(tiles, KP: tl.constexpr):
    """Join KP tiles [cells, CP] to [cells, CP * KP]; column ``c * KP + k`` comes from tile k."""
    if KP == 1:
        return tiles[0]
    else:
        halved = ()
        for k in tl.static_range(KP // 2):
            halved = halved + (tl.join(tiles[k], tiles[k + KP // 2]),)
        return interleaved(flattened(halved, KP // 2), KP // 2)


@triton.jit
def flattened(tiles, COUNT: tl.constexpr):
    """Reshape every tile [cells, n, 2] to [cells, n * 2]."""
    flat = ()
    for k in tl.static_range(COUNT):
        tile = tiles[k]
        flat = flat + (tl.reshape(tile, (tile.shape[0], tile.shape[1] * 2)),)
    return flat


@triton.jit
def product(a, b, total, PRODUCTS: tl.constexpr):
    """``total + a @ b`` in float32, with products of the given precision."""
    if PRODUCTS == "bfloat16":
        return tl.dot(a.to(tl.bfloat16), b.to(tl.bfloat16), total)
    else:
        return tl.dot(a, b, total, input_precision=PRODUCTS)


@triton.jit(do_not_specialize=["source", "destination", "step", "cells"])
def step_forward(states, result, source, destination, order, firing, step, filters, w1, b1, w2,
                 b2, cells, height, width, clip, KP: tl.constexpr, CP: tl.constexpr,
                 HP: tl.constexpr, UNITS: tl.constexpr, BLOCK: tl.constexpr,
                 DILATIONS: tl.constexpr, PADDING: tl.constexpr,
                 PRODUCTS: tl.constexpr):  # fmt: skip
    """Compute ``result[destination]`` from ``states[source]``, ignoring which cells live."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    valid = place < cells
    cell = tl.load(order + step.to(tl.int64) * row_of(cells) + place, mask=valid, other=0)
    fires = place < tl.load(firing + step)
    channel = tl.arange(0, CP)
    here = cell[:, None] * CP + channel[None, :]
    before = states + source.to(tl.int64) * cells * CP
    value = tl.load(before + here, mask=valid[:, None], other=0.0)
    if tl.program_id(0) * BLOCK < tl.load(firing + step):
        seen = perceive(before, cell, fires, filters, height, width, KP, CP, DILATIONS, PADDING)
        column = tl.arange(0, CP * KP)
        change = tl.zeros((BLOCK, CP), tl.float32) + tl.load(b2 + channel)[None, :]
        for start in tl.static_range(0, HP, UNITS):
            unit = start + tl.arange(0, UNITS)
            weight = tl.load(w1 + unit[:, None] * (CP * KP) + column[None, :])
            bias = tl.zeros((BLOCK, UNITS), tl.float32) + tl.load(b1 + unit)[None, :]
            hidden = product(seen, tl.trans(weight), bias, PRODUCTS)
            hidden = tl.minimum(tl.maximum(hidden, 0.0), clip)
            weight = tl.load(w2 + channel[:, None] * HP + unit[None, :])
            change = product(hidden, tl.trans(weight), change, PRODUCTS)
        value += tl.where(fires[:, None], change, 0.0)
    after = result + destination.to(tl.int64) * cells * CP
    tl.store(after + here, value, mask=valid[:, None])


@triton.jit(do_not_specialize=["source", "destination", "step", "cells"])
def keep_living(after, states, source, destination, lives, step, threshold, cells, height, width,
                ALPHA: tl.constexpr, CP: tl.constexpr, BLOCK: tl.constexpr,
                PADDING: tl.constexpr):  # fmt: skip
    """Copy ``after`` to ``states[destination]``, with cells that do not live set to zero.

    A cell counts as living if it lives both before and after the step. ``states[source]`` is the
    state before the step; ``lives[step]`` records which cells live.
    """
    cell = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    valid = cell < cells
    column, row = cell % width, cell // width % height
    first = cell - row * width - column
    before = states + source.to(tl.int64) * cells * CP
    strongest = tl.full((BLOCK,), float("-inf"), tl.float32)
    strongest_after = strongest
    for tap in tl.static_range(9):
        y, inside_y = neighbor(row, tap // 3 - 1, height, PADDING)
        x, inside_x = neighbor(column, tap % 3 - 1, width, PADDING)
        seen = (first + y * width + x) * CP + ALPHA
        inside = valid & inside_y & inside_x
        strongest = tl.maximum(strongest, tl.load(before + seen, mask=inside, other=0.0))
        strongest_after = tl.maximum(strongest_after, tl.load(after + seen, mask=inside, other=0.0))
    living = (strongest > threshold) & (strongest_after > threshold)
    tl.store(lives + step.to(tl.int64) * cells + cell, living.to(tl.int8), mask=valid)
    here = cell[:, None] * CP + tl.arange(0, CP)[None, :]
    value = tl.load(after + here, mask=valid[:, None], other=0.0)
    value = tl.where(living[:, None], value, 0.0)
    tl.store(states + destination.to(tl.int64) * cells * CP + here, value, mask=valid[:, None])


@triton.jit
def hidden_layer(seen, d_change, unit, w1, b1, w2, clip, KP: tl.constexpr, CP: tl.constexpr,
                 HP: tl.constexpr, PRODUCTS: tl.constexpr):  # fmt: skip
    """Compute the values of some hidden units, and the gradients before their ReLU.

    Both are [cells, units]. The third result holds the rows of w1 for these units.
    """
    channel, column = tl.arange(0, CP), tl.arange(0, CP * KP)
    weight1 = tl.load(w1 + unit[:, None] * (CP * KP) + column[None, :])
    weight2 = tl.load(w2 + channel[:, None] * HP + unit[None, :])
    nothing = tl.zeros((seen.shape[0], unit.shape[0]), tl.float32)
    bias = nothing + tl.load(b1 + unit)[None, :]
    raw = product(seen, tl.trans(weight1), bias, PRODUCTS)
    d_raw = product(d_change, weight2, nothing, PRODUCTS)
    d_raw = tl.where((raw > 0) & (raw <= clip), d_raw, 0.0)
    return tl.minimum(tl.maximum(raw, 0.0), clip), d_raw, weight1


@triton.jit(do_not_specialize=["step", "cells"])
def layers_backward(states, gradients, lives, order, firing, step, filters, w1, b1, w2, cells,
                    height, width, clip, d_perception, KP: tl.constexpr, CP: tl.constexpr,
                    HP: tl.constexpr, UNITS: tl.constexpr, BLOCK: tl.constexpr,
                    DILATIONS: tl.constexpr, PADDING: tl.constexpr, PRODUCTS: tl.constexpr,
                    LIFE: tl.constexpr):  # fmt: skip
    """Compute the gradient of the perception in a step, ``[cells, CP * KP]``.

    It is computed from ``gradients[step + 1]``, the gradient of the step's result.
    """
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    valid = place < cells
    cell = tl.load(order + step.to(tl.int64) * row_of(cells) + place, mask=valid, other=0)
    channel, column = tl.arange(0, CP), tl.arange(0, CP * KP)
    d_seen = tl.zeros((BLOCK, CP * KP), tl.float32)
    if tl.program_id(0) * BLOCK < tl.load(firing + step):
        fires = place < tl.load(firing + step)
        if LIFE:
            fires &= tl.load(lives + step.to(tl.int64) * cells + cell, mask=fires, other=0) > 0
        after = gradients + (step + 1).to(tl.int64) * cells * CP
        d_change = tl.load(
            after + cell[:, None] * CP + channel[None, :],
            mask=fires[:, None],
            other=0.0,
        )
        before = states + step.to(tl.int64) * cells * CP
        seen = perceive(before, cell, fires, filters, height, width, KP, CP, DILATIONS, PADDING)
        for start in tl.static_range(0, HP, UNITS):
            unit = start + tl.arange(0, UNITS)
            _, d_raw, weight1 = hidden_layer(
                seen, d_change, unit, w1, b1, w2, clip, KP, CP, HP, PRODUCTS
            )
            d_seen = product(d_raw, weight1, d_seen, PRODUCTS)
    there = cell[:, None] * (CP * KP) + column[None, :]
    tl.store(d_perception + there, d_seen, mask=valid[:, None])


@triton.jit(do_not_specialize=["steps", "cells"])
def weights_backward(states, gradients, lives, order, firing, steps, filters, w1, b1, w2, cells,
                     height, width, clip, d_w1, d_b1, d_w2, d_b2, KP: tl.constexpr,
                     CP: tl.constexpr, HP: tl.constexpr, UNITS: tl.constexpr, BLOCK: tl.constexpr,
                     DILATIONS: tl.constexpr, PADDING: tl.constexpr, PRODUCTS: tl.constexpr,
                     LIFE: tl.constexpr):  # fmt: skip
    """Compute partial sums of the weight gradients of some hidden units, ``[programs, ...]``.

    Each program sums over a fixed share of the blocks of all steps, so that results are
    bit-identical every time.
    """
    program, programs = tl.program_id(0), tl.num_programs(0)
    unit = tl.program_id(1) * UNITS + tl.arange(0, UNITS)
    channel, column = tl.arange(0, CP), tl.arange(0, CP * KP)
    sum_w1 = tl.zeros((UNITS, CP * KP), tl.float32)
    sum_w2 = tl.zeros((CP, UNITS), tl.float32)
    sum_b1 = tl.zeros((UNITS,), tl.float32)
    sum_b2 = tl.zeros((CP,), tl.float32)
    blocks = tl.cdiv(cells, BLOCK)
    item = program
    while item < steps * blocks:
        step, first = item // blocks, item % blocks * BLOCK
        if first < tl.load(firing + step):
            place = first + tl.arange(0, BLOCK)
            fires = place < tl.load(firing + step)
            start = step.to(tl.int64) * cells
            cell = tl.load(order + step.to(tl.int64) * row_of(cells) + place, mask=fires, other=0)
            if LIFE:
                fires &= tl.load(lives + start + cell, mask=fires, other=0) > 0
            d_change = tl.load(
                gradients + (start + cells) * CP + cell[:, None] * CP + channel[None, :],
                mask=fires[:, None],
                other=0.0,
            )
            seen = perceive(
                states + start * CP, cell, fires, filters, height, width, KP, CP, DILATIONS, PADDING
            )
            hidden, d_raw, _ = hidden_layer(
                seen, d_change, unit, w1, b1, w2, clip, KP, CP, HP, PRODUCTS
            )
            sum_w1 = product(tl.trans(d_raw), seen, sum_w1, PRODUCTS)
            sum_w2 = product(tl.trans(d_change), hidden, sum_w2, PRODUCTS)
            sum_b1 += tl.sum(d_raw, 0)
            sum_b2 += tl.sum(d_change, 0)
        item += programs
    tl.store(d_w1 + (program * HP + unit[:, None]) * (CP * KP) + column[None, :], sum_w1)
    tl.store(d_w2 + (program * CP + channel[:, None]) * HP + unit[None, :], sum_w2)
    tl.store(d_b1 + program * HP + unit, sum_b1)
    if tl.program_id(1) == 0:
        tl.store(d_b2 + program * CP + channel, sum_b2)


@triton.jit
def seen_by(place, offset, size, PADDING: tl.constexpr):
    """Row or column of the cell that sees ``place`` at ``offset``, and whether that cell exists."""
    moved = place - offset
    inside = (moved >= 0) & (moved < size)
    if PADDING == "circular":
        moved = tl.where(moved < 0, moved + size, moved)
        return tl.where(moved >= size, moved - size, moved), moved == moved
    return tl.where(inside, moved, place), inside


@triton.jit(do_not_specialize=["step", "cells"])
def stencil_backward(d_perception, gradients, lives, step, filters, cells, height, width,
                     KP: tl.constexpr, CP: tl.constexpr, BLOCK: tl.constexpr,
                     DILATIONS: tl.constexpr, PADDING: tl.constexpr,
                     LIFE: tl.constexpr):  # fmt: skip
    """Compute ``gradients[step]`` from ``gradients[step + 1]``, with the transposed filters."""
    cell = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    valid, channel = cell < cells, tl.arange(0, CP)
    column, row = cell % width, cell // width % height
    first = cell - row * width - column
    here = cell[:, None] * CP + channel[None, :]
    passed = valid
    if LIFE:
        passed &= tl.load(lives + step.to(tl.int64) * cells + cell, mask=valid, other=0) > 0
    factor_column = tl.arange(0, CP * KP)
    total = tl.zeros((BLOCK, CP * KP), tl.float32)
    for i in tl.static_range(27):
        dilation, tap = i // 9 + 1, i % 9
        if (DILATIONS >> dilation) & 1:
            y, inside_y = seen_by(row, dilation * (tap // 3 - 1), height, PADDING)
            x, inside_x = seen_by(column, dilation * (tap % 3 - 1), width, PADDING)
            there = (first + y * width + x)[:, None] * (CP * KP) + factor_column[None, :]
            value = tl.load(
                d_perception + there, mask=(valid & inside_y & inside_x)[:, None], other=0.0
            )
            if PADDING == "reflect" or PADDING == "replicate":
                # Near a border, the cell at (y, x) may see this cell at several filter positions.
                for other in tl.static_range(9):
                    seen_y, _ = neighbor(y, other // 3 - 1, height, PADDING)
                    seen_x, _ = neighbor(x, other % 3 - 1, width, PADDING)
                    factor = tl.load(filters + other * KP + factor_column % KP)
                    sees = (seen_y == row) & (seen_x == column)
                    total += tl.where(sees[:, None], factor[None, :] * value, 0.0)
            else:
                total += tl.load(filters + i * KP + factor_column % KP)[None, :] * value
    gradients += step.to(tl.int64) * cells * CP
    d_state = tl.load(gradients + cells * CP + here, mask=passed[:, None], other=0.0)
    d_state += tl.sum(tl.reshape(total, (BLOCK, CP, KP)), 2)
    tl.store(gradients + here, d_state, mask=valid[:, None])
