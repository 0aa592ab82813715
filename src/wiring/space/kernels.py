"""The supernet on small maps, compiled: every sum is written out, in an order that is ours.

On 8x8 maps a step is thousands of products that take microseconds each. Here a whole pass is one
compiled call, and no library chooses how a sum is made: IEEE arithmetic in a fixed order, nothing
contracted or reassociated, so that every processor and every number of threads gives equal bits.

A map is C channels of n = H W B numbers, the batch last. So a row of pixels is a run of W B
numbers, a shifted row is the same run from another place, and all loops below are over such runs.
Maps stand in one long array, and tables of whole numbers say where: see `wiring.space.small`.

All of it is in one file, because Numba's cache on disk sees a change in a function's own file only.
"""

# mypy: ignore-errors
# Numba finds the types of what stands here, and of every call.
from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array
from numpy.typing import NDArray

Array = NDArray[Any]


def compiled(function: Callable[..., Any]) -> Any:
    """Compile at the first call, and keep it on disk where there is a place to write."""
    settings = {"error_model": "numpy", "nogil": True}
    try:
        return njit(cache=True, **settings)(function)
    except RuntimeError:  # Numba's word for: no folder beside the code, none of the user's
        return njit(**settings)(function)


CHUNK = 512
"""Numbers of a channel that a product takes at a time: nine such runs fit the first cache."""
LANES = 8
"""Inputs of a product that are added at once."""


class Kind(IntEnum):
    """What a slot does."""

    SKIP = 0
    MAX_POOL = 1
    AVERAGE_POOL = 2
    CONVOLUTION = 3


class Of(IntEnum):
    """Columns of the table of slots. Places are relative to the cell's."""

    KIND = 0
    SOURCE = 1
    TARGET = 2
    KERNEL = 3
    DILATION = 4
    STAGES = 5
    WEIGHTS = 6
    RESTS = 7
    MAPS = 8
    SCALES = 9
    OWNER = 10  # whether this slot evaluates what is at MAPS, or another one of the same source


class At(IntEnum):
    """Columns of the table of cells, absolute places."""

    MAPS = 0
    SCALES = 1
    CONVS = 2
    READ_0 = 3
    READ_1 = 4
    WIDTH_0 = 5
    WIDTH_1 = 6
    FROM_0 = 7
    FROM_1 = 8
    TO = 9


# Names that Numba takes as constants.
_SKIP, _MAX, _AVERAGE, _CONV = (int(kind) for kind in Kind)
(
    _KIND,
    _SOURCE,
    _TARGET,
    _KERNEL,
    _DILATION,
    _STAGES,
    _WEIGHTS,
    _RESTS,
    _MAPS,
    _SCALES,
    _OWNER,
) = (int(column) for column in Of)
_BASE, _SCALE_BASE, _CONVS = int(At.MAPS), int(At.SCALES), int(At.CONVS)
_READ, _WIDTH, _FROM, _TO = int(At.READ_0), int(At.WIDTH_0), int(At.FROM_0), int(At.TO)


# Runs ------------------------------------------------------------------------------------------


@intrinsic
def _run(typing, array, start, size):  # noqa: ARG001
    """array[start : start + size], unchecked: a slice is twenty times the code."""

    def build(context, builder, signature, args):  # noqa: ARG001
        whole = make_array(array)(context, builder, args[0])
        own = make_array(array)(context, builder)
        populate_array(
            own,
            data=builder.gep(whole.data, [args[1]]),
            shape=cgutils.pack_array(builder, [args[2]]),
            strides=whole.strides,
            itemsize=whole.itemsize,
            meminfo=None,  # whoever owns the array outlives the run
        )
        return own._getvalue()

    return array(array, types.intp, types.intp), build


@compiled
def _zero(to):
    for i in range(to.size):
        to[i] = 0


@compiled
def _copy(to, x):
    for i in range(to.size):
        to[i] = x[i]


@compiled
def _fold(acc, n):
    """The sum of acc[:n], which is used up: by halves, then one by one."""
    while n % 2 == 0 and n > 8:
        n //= 2
        low, high = _run(acc, 0, n), _run(acc, n, n)
        for i in range(n):
            low[i] += high[i]
    total = 0.0
    for i in range(n):
        total += acc[i]
    return total


@compiled
def _add(to, x):
    for i in range(to.size):
        to[i] += x[i]


@compiled
def _add_scaled(to, x, z):
    for i in range(to.size):
        to[i] += z * x[i]


@compiled
def _add_product(acc, a, b, rows, run, stride_a, stride_b):
    """Add to acc the sum over rows of a b; the rows of a and b start `stride` apart."""
    n = acc.size
    y = 0
    while y + 4 <= rows:
        i, j = y * stride_a, y * stride_b
        a0, b0 = _run(a, i, run), _run(b, j, run)
        i, j = i + stride_a, j + stride_b
        a1, b1 = _run(a, i, run), _run(b, j, run)
        i, j = i + stride_a, j + stride_b
        a2, b2 = _run(a, i, run), _run(b, j, run)
        i, j = i + stride_a, j + stride_b
        a3, b3 = _run(a, i, run), _run(b, j, run)
        for k in range(n):
            acc[k] += (a0[k] * b0[k] + a1[k] * b1[k]) + (a2[k] * b2[k] + a3[k] * b3[k])
        y += 4
    while y < rows:
        i, j = y * stride_a, y * stride_b
        a0, b0 = _run(a, i, run), _run(b, j, run)
        for k in range(n):
            acc[k] += a0[k] * b0[k]
        y += 1


@compiled
def _sum(x, rows, run, acc):
    """The sum of a channel."""
    part = _run(acc, 0, run)
    _zero(part)
    for r in range(rows):
        _add(part, _run(x, r * run, run))
    return _fold(part, run)


@compiled
def _dot(a, b, rows, run, acc):
    """The scalar product of two channels."""
    part = _run(acc, 0, run)
    _zero(part)
    _add_product(part, a, b, rows, run, run, run)
    return _fold(part, run)


# Batch norm ------------------------------------------------------------------------------------


@compiled
def _norm(y, rows, run, eps, acc):
    """Normalise a channel in place; returns 1 / standard deviation."""
    number = y.dtype.type
    mean = number(_sum(y, rows, run, acc) / y.size)
    part = _run(acc, 0, run)
    _zero(part)
    for r in range(rows):
        row = _run(y, r * run, run)
        for i in range(run):
            row[i] -= mean
            part[i] += row[i] * row[i]
    scale = number(1.0 / np.sqrt(_fold(part, run) / y.size + eps))
    for i in range(y.size):
        y[i] *= scale
    return scale


@compiled
def _norm_back(to, g, out, factor, mean, slope):
    """The gradient of a channel before its norm: factor (g - mean - out slope)."""
    number = to.dtype.type
    f, m, s = number(factor), number(mean), number(slope)
    for i in range(to.size):
        to[i] = f * ((g[i] - m) - out[i] * s)


@compiled
def _norm_back_alone(to, g, out, scale, rows, run, acc):
    """The same where nothing has summed g up yet; scale: 1 / standard deviation."""
    n = rows * run
    mean = _sum(g, rows, run, acc) / n
    _norm_back(to, g, out, scale, mean, _dot(g, out, rows, run, acc) / n)


# Products of channels --------------------------------------------------------------------------


@compiled
def _mix(to, weights, leaving, entering, step_out, step_in, x, n):
    """Add a product of channels: to[o] += sum over c of weights[o step_out + c step_in] x[c]."""
    for start in range(0, n, CHUNK):
        stop = min(start + CHUNK, n)
        for o in range(leaving):
            y = _run(to, o * n + start, stop - start)
            c = 0
            at = o * step_out
            while c + LANES <= entering:
                w0, w1 = weights[at], weights[at + step_in]
                w2, w3 = weights[at + 2 * step_in], weights[at + 3 * step_in]
                w4, w5 = weights[at + 4 * step_in], weights[at + 5 * step_in]
                w6, w7 = weights[at + 6 * step_in], weights[at + 7 * step_in]
                i = c * n + start
                x0, x1 = _run(x, i, y.size), _run(x, i + n, y.size)
                i += 2 * n
                x2, x3 = _run(x, i, y.size), _run(x, i + n, y.size)
                i += 2 * n
                x4, x5 = _run(x, i, y.size), _run(x, i + n, y.size)
                i += 2 * n
                x6, x7 = _run(x, i, y.size), _run(x, i + n, y.size)
                for k in range(y.size):
                    y[k] += ((w0 * x0[k] + w1 * x1[k]) + (w2 * x2[k] + w3 * x3[k])) + (
                        (w4 * x4[k] + w5 * x5[k]) + (w6 * x6[k] + w7 * x7[k])
                    )
                c += LANES
                at += LANES * step_in
            while c < entering:
                _add_scaled(y, _run(x, c * n + start, stop - start), weights[at])
                c += 1
                at += step_in


@compiled
def _mix_slopes(to, dy, leaving, x, entering, rows, run, acc):
    """Add the slopes of a product of channels: to[o, c] += dy[o] . x[c]."""
    n = rows * run
    for o in range(leaving):
        for c in range(entering):
            to[o * entering + c] += _dot(_run(dy, o * n, n), _run(x, c * n, n), rows, run, acc)


# Depthwise convolutions ------------------------------------------------------------------------


@compiled
def _pad(to, x, rows, run, margin, fill, rectify):
    """Write a channel with `margin` numbers before and after each row."""
    wide = run + 2 * margin
    zero = x.dtype.type(0)
    for y in range(rows):
        row = _run(to, y * wide, wide)
        for i in range(margin):
            row[i] = fill
            row[margin + run + i] = fill
        inner, source = _run(row, margin, run), _run(x, y * run, run)
        if rectify:
            for i in range(run):
                inner[i] = source[i] if source[i] > zero else zero
        else:
            _copy(inner, source)


@compiled
def _three(to, p, step, k0, k1, k2):
    n = to.size
    p0, p1, p2 = _run(p, 0, n), _run(p, step, n), _run(p, 2 * step, n)
    for i in range(n):
        to[i] += (k0 * p0[i] + k1 * p1[i]) + k2 * p2[i]


@compiled
def _nine(to, p, q, r, step, k):
    n = to.size
    p0, p1, p2 = _run(p, 0, n), _run(p, step, n), _run(p, 2 * step, n)
    q0, q1, q2 = _run(q, 0, n), _run(q, step, n), _run(q, 2 * step, n)
    r0, r1, r2 = _run(r, 0, n), _run(r, step, n), _run(r, 2 * step, n)
    k0, k1, k2, k3, k4, k5, k6, k7, k8 = k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7], k[8]
    for i in range(n):
        upper = (k0 * p0[i] + k1 * p1[i]) + k2 * p2[i]
        middle = (k3 * q0[i] + k4 * q1[i]) + k5 * q2[i]
        to[i] += (upper + middle) + ((k6 * r0[i] + k7 * r1[i]) + k8 * r2[i])


@compiled
def _five(to, p, step, k):
    n = to.size
    p0, p1, p2 = _run(p, 0, n), _run(p, step, n), _run(p, 2 * step, n)
    p3, p4 = _run(p, 3 * step, n), _run(p, 4 * step, n)
    k0, k1, k2, k3, k4 = k[0], k[1], k[2], k[3], k[4]
    for i in range(n):
        to[i] += ((k0 * p0[i] + k1 * p1[i]) + (k2 * p2[i] + k3 * p3[i])) + k4 * p4[i]


@compiled
def _ten(to, p, q, step, k, m):
    n = to.size
    p0, p1, p2 = _run(p, 0, n), _run(p, step, n), _run(p, 2 * step, n)
    p3, p4 = _run(p, 3 * step, n), _run(p, 4 * step, n)
    q0, q1, q2 = _run(q, 0, n), _run(q, step, n), _run(q, 2 * step, n)
    q3, q4 = _run(q, 3 * step, n), _run(q, 4 * step, n)
    k0, k1, k2, k3, k4 = k[0], k[1], k[2], k[3], k[4]
    m0, m1, m2, m3, m4 = m[0], m[1], m[2], m[3], m[4]
    for i in range(n):
        to[i] += (((k0 * p0[i] + k1 * p1[i]) + (k2 * p2[i] + k3 * p3[i])) + k4 * p4[i]) + (
            ((m0 * q0[i] + m1 * q1[i]) + (m2 * q2[i] + m3 * q3[i])) + m4 * q4[i]
        )


@compiled
def _convolve(to, padded, kernel, size, dilation, rows, run, batch):
    """Add the correlation of a padded channel with a kernel of 3x3 or 5x5 taps."""
    radius = size // 2
    step = dilation * batch
    wide = run + 2 * radius * step
    for y in range(rows):
        out = _run(to, y * run, run)
        first = 0  # the taps whose row is in the map
        while y + (first - radius) * dilation < 0:
            first += 1
        last = size
        while y + (last - 1 - radius) * dilation >= rows:
            last -= 1
        at = (y + (first - radius) * dilation) * wide
        tall = dilation * wide
        if size == 3:
            if last - first == 3:
                _nine(
                    out,
                    _run(padded, at, wide),
                    _run(padded, at + tall, wide),
                    _run(padded, at + 2 * tall, wide),
                    step,
                    kernel,
                )
            else:
                for t in range(first, last):
                    k = _run(kernel, 3 * t, 3)
                    _three(out, _run(padded, at, wide), step, k[0], k[1], k[2])
                    at += tall
        else:
            t = first
            while t + 2 <= last:
                _ten(
                    out,
                    _run(padded, at, wide),
                    _run(padded, at + tall, wide),
                    step,
                    _run(kernel, 5 * t, 5),
                    _run(kernel, 5 * t + 5, 5),
                )
                t += 2
                at += 2 * tall
            if t < last:
                _five(out, _run(padded, at, wide), step, _run(kernel, 5 * t, 5))


@compiled
def _kernel_slopes(to, g, padded, size, dilation, rows, run, batch, acc):
    """Add, by tap, the scalar product of a channel's gradient and the padded input, shifted."""
    radius = size // 2
    step = dilation * batch
    wide = run + 2 * radius * step
    part = _run(acc, 0, run)
    for ty in range(size):
        shift = (ty - radius) * dilation
        top, count = max(0, -shift), rows - abs(shift)
        if count <= 0:
            continue
        rows_of_g = _run(g, top * run, count * run)
        for tx in range(size):
            _zero(part)
            at = (top + shift) * wide + tx * step
            _add_product(part, rows_of_g, _run(padded, at, padded.size - at), count, run, run, wide)
            to[ty * size + tx] += _fold(part, run)


# Pools -----------------------------------------------------------------------------------------


@compiled
def _max_pool(to, winner, padded, rows, run, batch):
    """The largest of nine, and which it was: the first of equals, as PyTorch has it."""
    wide = run + 2 * batch
    number = to.dtype.type
    for y in range(rows):
        out, won = _run(to, y * run, run), _run(winner, y * run, run)
        for i in range(run):
            out[i] = -np.inf
            won[i] = -1
        for t in range(9):
            line = y + t // 3 - 1
            if line < 0 or line >= rows:
                continue
            at = line * wide + (t % 3) * batch
            p, place = _run(padded, at, run), number(t)
            for i in range(run):
                better = p[i] > out[i] or p[i] != p[i]
                out[i] = p[i] if better else out[i]
                won[i] = place if better else won[i]


@compiled
def _max_pool_back(to, winner, g, rows, run, batch, wider):
    """Add the gradient of a max pool's input."""
    wide = run + 2 * batch
    zero = to.dtype.type(0)
    _zero(_run(wider, 0, rows * wide))
    for y in range(rows):
        won, slope = _run(winner, y * run, run), _run(g, y * run, run)
        for t in range(9):
            line = y + t // 3 - 1
            if line < 0 or line >= rows:
                continue
            at = line * wide + (t % 3) * batch
            p = _run(wider, at, run)
            place = to.dtype.type(t)
            for i in range(run):
                p[i] += slope[i] if won[i] == place else zero
    for y in range(rows):
        _add(_run(to, y * run, run), _run(wider, y * wide + batch, run))


@compiled
def _nearby(y, rows):
    """How many of the three rows around a row are in the map."""
    return 1 + (y > 0) + (y < rows - 1)


@compiled
def _average(x, rows, run, batch):
    """Divide each pixel by the number of pixels around it."""
    columns = run // batch
    number = x.dtype.type
    for y in range(rows):
        for c in range(columns):
            share = number(1.0 / (_nearby(y, rows) * _nearby(c, columns)))
            at = y * run + c * batch
            pixel = _run(x, at, batch)
            for i in range(batch):
                pixel[i] *= share


@compiled
def _add_nine(to, padded, rows, run, batch):
    """Add the sum over the nine pixels around each pixel."""
    wide = run + 2 * batch
    one = to.dtype.type(1)
    for y in range(rows):
        out = _run(to, y * run, run)
        for line in range(max(0, y - 1), min(rows, y + 2)):
            _three(out, _run(padded, line * wide, wide), batch, one, one, one)


# A cell ----------------------------------------------------------------------------------------


@compiled
def _evaluate(slot, x, maps, base, theta, convs, scales, scale_base, dims, eps, pad, acc):
    """What one op makes of a node's map x; in place, at the slot's own maps."""
    rows, columns, batch, channels = dims
    run = columns * batch
    n = rows * run
    size = channels * n
    number = x.dtype.type
    at = base + slot[_MAPS]
    scale = scales[scale_base + slot[_SCALES] :]
    if slot[_KIND] == _CONV:
        kernel, dilation, stages = slot[_KERNEL], slot[_DILATION], slot[_STAGES]
        taps = kernel * kernel
        margin = (kernel // 2) * dilation * batch
        source = x
        for stage in range(stages):
            d = _run(maps, at + 2 * stage * size, size)
            y = _run(maps, at + (2 * stage + 1) * size, size)
            _zero(d)
            _zero(y)
            depthwise = convs + slot[_WEIGHTS] + stage * channels * taps
            pointwise = convs + slot[_WEIGHTS] + stages * channels * taps + stage * channels**2
            for c in range(channels):
                _pad(pad, _run(source, c * n, n), rows, run, margin, number(0), True)
                k = _run(theta, depthwise + c * taps, taps)
                _convolve(_run(d, c * n, n), pad, k, kernel, dilation, rows, run, batch)
            weights = _run(theta, pointwise, channels**2)
            _mix(y, weights, channels, channels, channels, 1, d, n)
            for c in range(channels):
                scale[stage * channels + c] = _norm(_run(y, c * n, n), rows, run, eps, acc)
            source = y
        return
    out = _run(maps, at + size, size)
    for c in range(channels):
        own, y = _run(x, c * n, n), _run(out, c * n, n)
        if slot[_KIND] == _MAX:
            _pad(pad, own, rows, run, batch, number(-np.inf), False)
            _max_pool(y, _run(maps, at + c * n, n), pad, rows, run, batch)
        else:
            _pad(pad, own, rows, run, batch, number(0), False)
            _zero(y)
            _add_nine(y, pad, rows, run, batch)
            _average(y, rows, run, batch)
        scale[c] = _norm(y, rows, run, eps, acc)


@compiled
def _place(slot, base, size):
    """Where a slot's output stands."""
    if slot[_KIND] == _SKIP:
        return base + slot[_SOURCE] * size
    if slot[_KIND] == _CONV:
        return base + slot[_MAPS] + (2 * slot[_STAGES] - 1) * size
    return base + slot[_MAPS] + size


@compiled
def forward(
    maps: Array,
    scales: Array,
    rectified: Array,
    theta: Array,
    cells: Array,
    slots: Array,
    gates: Array,
    outputs: Array,
    used: Array,
    dims: tuple[int, int, int, int],
    eps: float,
    means: Array,
) -> None:
    """All cells, one after the other.

    Args:
        maps: where every cell's maps go: its nodes' first, then its slots'.
        scales: where every norm's 1 / standard deviation goes.
        rectified: the rectified stem, and where the cells' rectified outputs go.
        theta: all weights.
        cells: see `At`.
        slots: see `Of`; in the order of their targets.
        gates: of the slots.
        outputs: the nodes whose maps make a cell's output.
        used: per node whether it is read.
        dims: rows, columns, batch, channels.
        eps: of the norms.
        means: where the last output's mean over the pixels goes, (channels, batch).
    """
    rows, columns, batch, channels = dims
    run = columns * batch
    n = rows * run
    size = channels * n
    nodes = used.size
    number = maps.dtype.type
    pad = np.empty(rows * (columns + 8) * batch, maps.dtype)
    acc = np.empty(run, maps.dtype)
    for index in range(len(cells)):
        cell = cells[index]
        base = cell[_BASE]
        for node in range(nodes):
            x = _run(maps, base + node * size, size)
            if node < 2 and not used[node]:
                continue
            _zero(x)
            if node < 2:
                width = cell[_WIDTH + node]
                read = rectified[cell[_FROM + node] : cell[_FROM + node] + width * n]
                weights = theta[cell[_READ + node] : cell[_READ + node] + channels * width]
                _mix(x, weights, channels, width, width, 1, read, n)
                for c in range(channels):
                    scales[cell[_SCALE_BASE] + node * channels + c] = _norm(
                        _run(x, c * n, n), rows, run, eps, acc
                    )
            else:
                for k in range(len(slots)):
                    if slots[k, _TARGET] == node and not slots[k, _RESTS]:
                        at = _place(slots[k], base, size)
                        _add_scaled(x, _run(maps, at, size), gates[k])
            for k in range(len(slots)):
                if slots[k, _SOURCE] == node and slots[k, _OWNER]:
                    _evaluate(
                        slots[k],
                        x,
                        maps,
                        base,
                        theta,
                        cell[_CONVS],
                        scales,
                        cell[_SCALE_BASE],
                        dims,
                        eps,
                        pad,
                        acc,
                    )
        for place in range(outputs.size):
            at = base + outputs[place] * size
            x = _run(maps, at, size)
            at = cell[_TO] + place * size
            to = _run(rectified, at, size)
            zero = number(0)
            for i in range(size):
                to[i] = x[i] if x[i] > zero else zero
    # The classifier reads the last output as it is.
    share = number(1.0 / (rows * columns))
    for place in range(outputs.size):
        for c in range(channels):
            at = cells[-1, _BASE] + outputs[place] * size + c * n
            mean = means[place * channels + c]
            _zero(mean)
            for p in range(rows * columns):
                _add(mean, _run(maps, at + p * batch, batch))
            for i in range(batch):
                mean[i] *= share


@compiled
def classify(means: Array, classifier: Array, logits: Array) -> None:
    """Work out logits[k] = sum over c of classifier[k, c] means[c].

    Args:
        means: (channels, batch).
        classifier: (classes, channels).
        logits: (classes, batch).
    """
    for k in range(len(classifier)):
        _zero(logits[k])
        for c in range(len(means)):
            _add_scaled(logits[k], means[c], classifier[k, c])


@compiled
def classifier_back(g: Array, means: Array, to: Array) -> None:
    """Add the slopes of the classifier: to[k, c] += g[k] . means[c].

    Args:
        g: gradient of the logits, (classes, batch).
        means: (channels, batch).
        to: (classes, channels).
    """
    acc = np.empty(g.shape[1], g.dtype)
    for k in range(len(g)):
        for c in range(len(means)):
            to[k, c] += _dot(g[k], means[c], 1, g.shape[1], acc)


@compiled
def _charge(g, out, dims, acc, samples, channel_sums):
    """The scalar product of a gradient and an output, by sample and by channel, added on."""
    rows, columns, batch, channels = dims
    run = columns * batch
    n = rows * run
    for c in range(channels):
        part = _run(acc, 0, run)
        _zero(part)
        _add_product(part, _run(g, c * n, n), _run(out, c * n, n), rows, run, run, run)
        own = _run(part, 0, batch)
        for x in range(1, columns):
            _add(own, _run(part, x * batch, batch))
        _add(samples, own)
        channel_sums[c] += _fold(own, batch)


@compiled
def _means(g, channels, rows, run, acc, to):
    """The mean of each channel."""
    n = rows * run
    for c in range(channels):
        to[c] = _sum(_run(g, c * n, n), rows, run, acc) / n


@compiled
def _rectify_back(g, x):
    """Keep g where x is positive, else 0."""
    zero = g.dtype.type(0)
    for i in range(g.size):
        g[i] = g[i] if x[i] > zero else zero


@compiled
def _conv_back(
    slot,
    x,
    maps,
    base,
    theta,
    slopes,
    convs,
    scale,
    g,
    gate,
    mean,
    sums,
    to,
    learns,
    dims,
    pad,
    acc,
    one,
    two,
):
    """Back through a convolution: its weights' slopes, and the rectified input's gradient on `to`.

    Args:
        slot: the convolution.
        x: the map that it reads.
        maps: with what the way forward left.
        base: of the cell's maps.
        theta: all weights.
        slopes: all slopes.
        convs: place of the cell's convolutions.
        scale: of the slot's norms.
        g: gradient of the node that it enters.
        gate: its gate.
        mean: of g, by channel.
        sums: scalar products of g and the slot's output, by channel.
        to: takes the gradient.
        learns: whether the weights' slopes are needed.
        dims: rows, columns, batch, channels.
        pad: scratch.
        acc: scratch.
        one: scratch, a map.
        two: scratch, a map.
    """
    rows, columns, batch, channels = dims
    run = columns * batch
    n = rows * run
    size = channels * n
    number = x.dtype.type
    kernel, dilation, stages = slot[_KERNEL], slot[_DILATION], slot[_STAGES]
    taps = kernel * kernel
    margin = (kernel // 2) * dilation * batch
    turned = np.empty(taps, x.dtype)
    at = base + slot[_MAPS]
    for stage in range(stages - 1, -1, -1):
        d = _run(maps, at + 2 * stage * size, size)
        y = _run(maps, at + (2 * stage + 1) * size, size)
        source = x if stage == 0 else _run(maps, at + (2 * stage - 1) * size, size)
        depthwise = convs + slot[_WEIGHTS] + stage * channels * taps
        pointwise = convs + slot[_WEIGHTS] + stages * channels * taps + stage * channels**2
        # `one`: before the norm. The last stage's sums are known: they are its cost, by channel.
        for c in range(channels):
            own, out = _run(g, c * n, n), _run(y, c * n, n)
            back, factor = _run(one, c * n, n), scale[stage * channels + c]
            if stage == stages - 1:
                _norm_back(back, own, out, gate * factor, mean[c], sums[c] / n)
            else:
                _norm_back_alone(back, own, out, factor, rows, run, acc)
        if learns:
            to_weights = _run(slopes, pointwise, channels**2)
            _mix_slopes(to_weights, one, channels, d, channels, rows, run, acc)
        # `two`: after the depthwise convolution.
        _zero(two)
        weights = _run(theta, pointwise, channels**2)
        _mix(two, weights, channels, channels, 1, channels, one, n)
        if stage:
            _zero(one)
        for c in range(channels):
            own = _run(two, c * n, n)
            k = depthwise + c * taps
            if learns:
                _pad(pad, _run(source, c * n, n), rows, run, margin, number(0), True)
                _kernel_slopes(
                    _run(slopes, k, taps), own, pad, kernel, dilation, rows, run, batch, acc
                )
            _pad(pad, own, rows, run, margin, number(0), False)
            for t in range(taps):
                turned[t] = theta[k + taps - 1 - t]
            back = _run(one, c * n, n) if stage else _run(to, c * n, n)
            _convolve(back, pad, turned, kernel, dilation, rows, run, batch)
        if stage:
            _rectify_back(one, source)
            _copy(two, one)
            g = two


@compiled
def _source_back(
    node,
    x,
    maps,
    base,
    theta,
    slopes,
    convs,
    scales,
    slots,
    gates,
    totals,
    known,
    averages,
    sums,
    path,
    learns,
    dims,
    scratch,
    pad,
    acc,
):
    """Back through all ops that leave a node, on `path`; whether there was any gradient."""
    rows, columns, batch, channels = dims
    run = columns * batch
    n = rows * run
    size = channels * n
    one, two = _run(scratch, 0, size), _run(scratch, size, size)
    three = _run(scratch, 2 * size, size)
    any_conv = any_other = False
    _zero(path)
    number = path.dtype.type
    for k in range(len(slots)):
        slot = slots[k]
        target = slot[_TARGET]
        if slot[_SOURCE] != node or slot[_RESTS] or slot[_KIND] != _CONV or not known[target]:
            continue
        any_conv = True
        _conv_back(
            slot,
            x,
            maps,
            base,
            theta,
            slopes,
            convs,
            scales[slot[_SCALES] :],
            totals[target],
            gates[k],
            averages[target],
            sums[k],
            path,
            learns,
            dims,
            pad,
            acc,
            one,
            two,
        )
    if any_conv:
        _rectify_back(path, x)
    for kind in range(3):  # skip, pools: their gradients add up before the way back
        met = -1
        _zero(three)
        for k in range(len(slots)):
            slot = slots[k]
            if slot[_SOURCE] != node or slot[_RESTS] or slot[_KIND] != kind:
                continue
            if known[slot[_TARGET]]:
                met = k
                _add_scaled(three, totals[slot[_TARGET]], gates[k])
        if met < 0:
            continue
        any_other = True
        if kind == _SKIP:
            _add(path, three)
            continue
        at = base + slots[met, _MAPS]
        for c in range(channels):
            own, g = _run(three, c * n, n), _run(one, c * n, n)
            out = _run(maps, at + size + c * n, n)
            _norm_back_alone(g, own, out, scales[slots[met, _SCALES] + c], rows, run, acc)
            back = _run(path, c * n, n)
            if kind == _MAX:
                _max_pool_back(back, _run(maps, at + c * n, n), g, rows, run, batch, pad)
            else:
                _average(g, rows, run, batch)
                _pad(pad, g, rows, run, batch, number(0), False)
                _add_nine(back, pad, rows, run, batch)
    return any_conv or any_other


@compiled
def backward(
    maps: Array,
    scales: Array,
    rectified: Array,
    theta: Array,
    slopes: Array,
    cells: Array,
    slots: Array,
    gates: Array,
    outputs: Array,
    used: Array,
    dims: tuple[int, int, int, int],
    mean_slopes: Array,
    charges: Array,
    learns: bool,
    to_stem: bool,
) -> Array:
    """All cells, the last one first.

    Args:
        maps: as `forward` left them.
        scales: likewise.
        rectified: likewise.
        theta: all weights.
        slopes: takes the slopes of all weights but the classifier's and the stem's.
        cells: see `At`.
        slots: see `Of`.
        gates: of the slots.
        outputs: the nodes whose maps make a cell's output.
        used: per node whether it is read.
        dims: rows, columns, batch, channels.
        mean_slopes: gradient of the last output's means, (channels, batch).
        charges: takes each slot's cost by sample, (cells, slots, 2, batch): direct, path.
        learns: whether the weights' slopes are needed.
        to_stem: whether the stem's gradient is.

    Returns:
        The gradient of the stem's output; without numbers if it is not needed.
    """
    rows, columns, batch, channels = dims
    run = columns * batch
    n = rows * run
    size = channels * n
    nodes = used.size
    number = maps.dtype.type
    pad = np.empty(rows * (columns + 8) * batch, maps.dtype)
    acc = np.empty(run, maps.dtype)
    scratch = np.empty(3 * size, maps.dtype)
    totals = np.empty((nodes, size), maps.dtype)
    known = np.zeros(nodes, np.bool_)
    averages = np.empty((nodes, channels))
    sums = np.empty((len(slots), channels))
    # Gradients of the rectified outputs: the stem's, then every cell's.
    count = len(cells)
    stem, out_size = cells[0, _WIDTH], outputs.size * size
    grads = np.zeros(stem * n + count * out_size, maps.dtype)
    found = np.zeros(count + 1, np.bool_)
    start = cells[0, _TO]
    wanted = learns or to_stem
    for index in range(count - 1, -1, -1):
        cell = cells[index]
        base = cell[_BASE]
        at = cell[_TO] - start + stem * n
        out = _run(grads, at, out_size)
        if index == count - 1:
            share = number(1.0 / (rows * columns))
            for c in range(len(mean_slopes)):
                for p in range(rows * columns):
                    pixel = _run(out, c * n + p * batch, batch)
                    for i in range(batch):
                        pixel[i] = share * mean_slopes[c, i]
        elif found[index + 1]:
            _rectify_back(out, rectified[cell[_TO] : cell[_TO] + out_size])
        else:
            continue
        for node in range(nodes):
            known[node] = False
        for node in range(nodes - 1, -1, -1):
            x = _run(maps, base + node * size, size)
            source = max(0, index + node - 1)  # of an input: the stem is 0
            total = totals[node]
            has_path = False
            if used[node] and (node >= 2 or source > 0 or wanted):
                has_path = _source_back(
                    node,
                    x,
                    maps,
                    base,
                    theta,
                    slopes,
                    cell[_CONVS],
                    scales[cell[_SCALE_BASE] :],
                    slots,
                    gates,
                    totals,
                    known,
                    averages,
                    sums,
                    total,
                    learns,
                    dims,
                    scratch,
                    pad,
                    acc,
                )
            if node >= 2:
                direct = -1
                for place in range(outputs.size):
                    if outputs[place] == node:
                        direct = place
                known[node] = has_path or direct >= 0
                if not known[node]:
                    continue
                own = _run(out, max(direct, 0) * size, size)
                for k in range(len(slots)):
                    if slots[k, _TARGET] != node:
                        continue
                    sums[k] = 0
                    at = _place(slots[k], base, size)
                    op = _run(maps, at, size)
                    if direct >= 0:
                        _charge(own, op, dims, acc, charges[index, k, 0], sums[k])
                    if has_path:
                        _charge(total, op, dims, acc, charges[index, k, 1], sums[k])
                if not has_path:
                    _copy(total, own)
                elif direct >= 0:
                    _add(total, own)
                _means(total, channels, rows, run, acc, averages[node])
            elif has_path:
                # What the cell makes of an output that it reads: a product, then a norm.
                width = cell[_WIDTH + node]
                one = _run(scratch, 0, size)
                for c in range(channels):
                    g, y = _run(total, c * n, n), _run(x, c * n, n)
                    factor = scales[cell[_SCALE_BASE] + node * channels + c]
                    _norm_back_alone(_run(one, c * n, n), g, y, factor, rows, run, acc)
                at = cell[_READ + node]
                if learns:
                    read = rectified[cell[_FROM + node] : cell[_FROM + node] + width * n]
                    to_weights = _run(slopes, at, channels * width)
                    _mix_slopes(to_weights, one, channels, read, width, rows, run, acc)
                if source > 0 or wanted:
                    before = 0 if source == 0 else stem * n + (source - 1) * out_size
                    back = _run(grads, before, width * n)
                    weights = _run(theta, at, channels * width)
                    _mix(back, weights, width, channels, 1, width, one, n)
                    found[source] = True
    stem_grads = grads[: stem * n]  # not a run: it is given away
    if not found[0]:
        return stem_grads[:0]
    _rectify_back(stem_grads, _run(rectified, 0, stem * n))
    return stem_grads


@compiled
def weigh(charges: Array, weights: Array, to: Array) -> None:
    """Sum costs over the samples, weighted in several ways.

    Args:
        charges: (cells, slots, 2, batch).
        weights: (M, batch).
        to: (cells, slots, 2, M), float64.
    """
    cells, slots, parts, batch = charges.shape
    acc = np.empty(batch, charges.dtype)
    for cell in range(cells):
        for slot in range(slots):
            for part in range(parts):
                for m in range(len(weights)):
                    to[cell, slot, part, m] = _dot(
                        charges[cell, slot, part], weights[m], 1, batch, acc
                    )


# The stem --------------------------------------------------------------------------------------


@compiled
def stem(
    images: Array,
    weights: Array,
    scale: Array,
    shift: Array,
    eps: float,
    to: Array,
    normed: Array,
    scales: Array,
) -> None:
    """3x3 convolution, batch norm, affine.

    Args:
        images: (channels, rows, columns, batch).
        weights: (leaving, channels, 9).
        scale: (leaving), of the affine transformation.
        shift: (leaving).
        eps: of the norm.
        to: (leaving, n), takes the output.
        normed: (leaving, n), takes the norm's output.
        scales: (leaving), takes the norm's 1 / standard deviation.
    """
    entering, rows, columns, batch = images.shape
    run = columns * batch
    wide = run + 2 * batch
    pad = np.empty(entering * rows * wide, images.dtype)
    acc = np.empty(run, images.dtype)
    number = images.dtype.type
    flat = images.reshape(entering, rows * run)
    for c in range(entering):
        _pad(_run(pad, c * rows * wide, rows * wide), flat[c], rows, run, batch, number(0), False)
    for o in range(len(weights)):
        y = normed[o]
        _zero(y)
        for c in range(entering):
            _convolve(
                y, _run(pad, c * rows * wide, rows * wide), weights[o, c], 3, 1, rows, run, batch
            )
        scales[o] = _norm(y, rows, run, eps, acc)
        a, b, out = scale[o], shift[o], to[o]
        for i in range(y.size):
            out[i] = a * y[i] + b


@compiled
def stem_back(
    images: Array,
    g: Array,
    scale: Array,
    normed: Array,
    scales: Array,
    to_weights: Array,
    to_scale: Array,
    to_shift: Array,
) -> None:
    """Back through the stem: the slopes of its weights are added on.

    Args:
        images: (channels, rows, columns, batch).
        g: gradient of the output, (leaving, n).
        scale: (leaving), of the affine transformation.
        normed: (leaving, n), the norm's output.
        scales: (leaving), the norm's 1 / standard deviation.
        to_weights: (leaving, channels, 9), takes slopes.
        to_scale: (leaving), likewise.
        to_shift: (leaving), likewise.
    """
    entering, rows, columns, batch = images.shape
    run = columns * batch
    n = rows * run
    wide = run + 2 * batch
    pad = np.empty(entering * rows * wide, images.dtype)
    acc = np.empty(run, images.dtype)
    one = np.empty(n, images.dtype)
    number = images.dtype.type
    flat = images.reshape(entering, n)
    for c in range(entering):
        _pad(_run(pad, c * rows * wide, rows * wide), flat[c], rows, run, batch, number(0), False)
    for o in range(len(normed)):
        total = _sum(g[o], rows, run, acc)
        product = _dot(g[o], normed[o], rows, run, acc)
        to_shift[o] += total
        to_scale[o] += product
        _norm_back(one, g[o], normed[o], scale[o] * scales[o], total / n, product / n)
        for c in range(entering):
            _kernel_slopes(
                to_weights[o, c],
                one,
                _run(pad, c * rows * wide, rows * wide),
                3,
                1,
                rows,
                run,
                batch,
                acc,
            )
