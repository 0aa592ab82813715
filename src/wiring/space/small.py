"""The supernet on small maps, forward and backward by hand.

On 8x8 maps a step is thousands of products that take microseconds each, so what lies between them
counts: here the whole net is one function of autograd, and each op is as few calls as it can be.

A map is (C, P, B): pixels in rows, and the batch last, so that a pool or a shift moves whole runs
of samples, and so that a channel is a row in memory (batch norm is a layer norm). A depthwise
convolution is a product with a pixel-by-pixel matrix per channel, its *mixer*; the mixers of all
cells are made at once. A kernel of dilation 2 never mixes pixels of different parity: it acts as a
dense one on the map's four *phases*, (C, P / 4, 4 B), with a sixteenth of the matrix.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from wiring.config import INPUTS
from wiring.space.plan import KEPT, KERNELS, Plan, Slot

if TYPE_CHECKING:
    from wiring.space.supernet import Probe, Supernet

_aten = torch.ops.aten
Grads = dict[int, Tensor]
"""Gradients by the identity of the weight: to hash a tensor takes longer."""
SMALL_MAP = 100
"""Up to this many pixels a map is small: measured, see benchmarks/README.md."""


def is_small(x: Tensor) -> bool:
    """Whether a map or images (..., H, W) are small."""
    return x.shape[-2] * x.shape[-1] <= SMALL_MAP


def stem(images: Tensor, weight: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """3x3 convolution and batch norm.

    Args:
        images: (B, C, H, W).
        weight: (C', C, 3, 3).
        scale: (C'), of the affine transformation after the norm.
        shift: (C'), likewise.
        eps: of the norm.

    Returns:
        (C', B, H, W); in memory the batch is last.
    """
    _, channels, height, width = images.shape
    x = images.new_zeros(channels, height + 2, width + 2, len(images))
    x[:, 1:-1, 1:-1] = images.permute(1, 2, 3, 0)
    windows = x.unfold(1, 3, 1).unfold(2, 3, 1).permute(0, 4, 5, 1, 2, 3)
    with torch.autocast(x.device.type, enabled=False):
        y = weight.flatten(1) @ windows.reshape(channels * 9, -1)
        y = F.layer_norm(y, y.shape[1:], eps=eps)
        y = torch.addcmul(shift[:, None], y, scale[:, None])
    return y.view(len(weight), height, width, -1).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Grid:
    """What the pixels of a map are to each other.

    Attributes:
        height: rows of the map.
        width: columns of the map.
        device: where the matrices are.
        dtype: their type.
        scratch: memory that is used again and again, by purpose and shape.
    """

    height: int
    width: int
    device: torch.device
    dtype: torch.dtype
    scratch: dict[tuple[str, tuple[int, ...]], Tensor] = field(default_factory=dict, compare=False)

    @property
    def parted(self) -> bool:
        """Whether the map has four phases of equal size."""
        return self.height % 2 == 0 and self.width % 2 == 0

    def taps(self, kernel: int, dilation: int) -> tuple[Tensor, Tensor]:
        """The matrix (k^2, Q^2) that makes mixers from kernels, and its transpose.

        Entry [tap, (q, p)] is 1 where output pixel q reads input pixel p through that tap. Q is
        the number of pixels of the map, or of a phase if the kernel is dilated.
        """
        height, width = self.height, self.width
        if dilation == 2 and self.parted:
            height, width, dilation = height // 2, width // 2, 1
        return _taps(height, width, kernel, dilation, self.device, self.dtype)

    def bands(self, kernel: int) -> tuple[Tensor, Tensor]:
        """The matrix (k^2, H W k W) that makes bands from kernels, and its transpose.

        Entry [tap, (y, x, dy, x')] is 1 where output pixel (y, x) reads pixel x' of the dy-th of
        the k rows around it through that tap; rows outside the map are never read.
        """
        return _bands(self.height, self.width, kernel, self.device, self.dtype)

    def room(self, shape: tuple[int, ...]) -> Tensor:
        """An empty tensor (..., P, B), with room for two rows of zeros before and after it."""
        margin = 2 * self.width * shape[-1]
        size = math.prod(shape)
        buffer = torch.empty(size + 2 * margin, device=self.device, dtype=self.dtype)
        buffer[:margin].zero_()
        buffer[margin + size :].zero_()
        return buffer[margin : margin + size].view(shape)

    def reused(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        """The same with the same memory each time."""
        key = purpose, shape
        if key not in self.scratch:
            self.scratch[key] = self.room(shape)
        return self.scratch[key]

    def slabs(self, maps: Tensor, kernel: int) -> Tensor:
        """The k rows around each row of maps (n, P, B) that have room: (n H, k W, B), a view.

        At the edge of a map they are rows of the next one, which a band does not read.
        """
        n, _, batch = maps.shape
        row = self.width * batch
        offset = maps.storage_offset() - (kernel // 2) * row
        return maps.as_strided(
            (n * self.height, kernel * self.width, batch), (row, batch, 1), offset
        )

    def averages(self) -> Tensor:
        """The (P, P) matrix of the 3x3 average pool, padding not counted."""
        return _averages(self.height, self.width, self.device, self.dtype)

    def phases(self, x: Tensor) -> Tensor:
        """A map (C, P, B) as its phases (C, P / 4, 4 B)."""
        channels, _, batch = x.shape
        parts = x.view(channels, self.height // 2, 2, self.width // 2, 2, batch)
        return parts.transpose(2, 3).reshape(channels, -1, 4 * batch)

    def whole(self, x: Tensor) -> Tensor:
        """The inverse of `phases`."""
        channels, _, four = x.shape
        parts = x.view(channels, self.height // 2, self.width // 2, 2, 2, four // 4)
        return parts.transpose(2, 3).reshape(channels, -1, four // 4)


@lru_cache(maxsize=64)
def _taps(
    height: int, width: int, kernel: int, dilation: int, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    radius = dilation * (kernel - 1) // 2
    row = torch.arange(height).repeat_interleave(width)
    column = torch.arange(width).repeat(height)
    offsets = range(-radius, radius + 1, dilation)
    taps = [
        (row == row[:, None] + dy) & (column == column[:, None] + dx)
        for dy in offsets
        for dx in offsets
    ]
    spread = torch.stack(taps).flatten(1).to(device=device, dtype=dtype)
    # The library is five times slower with the transpose as a view.
    return spread, spread.T.contiguous()


@lru_cache(maxsize=64)
def _bands(
    height: int, width: int, kernel: int, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    spread, _ = _taps(height, width, kernel, 1, device, dtype)
    radius = kernel // 2
    square = F.pad(spread.view(-1, height, width, height, width), (0, 0, radius, radius))
    rows = [square[:, y, :, y : y + kernel] for y in range(height)]
    spread = torch.stack(rows, 1).flatten(1)
    return spread, spread.T.contiguous()


@lru_cache(maxsize=16)
def _averages(height: int, width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    spread, _ = _taps(height, width, 3, 1, device, dtype)
    near = spread.sum(0).view(height * width, -1)
    return near / near.sum(1, keepdim=True)


@lru_cache(maxsize=64)
def _constants(rows: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    zero = torch.zeros(rows, 1, device=device, dtype=dtype)
    return zero, zero + 1


class _Norm:
    """Batch norm of rows (R, N), one for each channel of each map.

    Its gradient is worked out from the output: the input needs not be kept. The division by the
    standard deviation is left to what follows, where it costs less than another round of the map.
    """

    def __init__(self, y: Tensor, eps: float) -> None:
        self.out, _, self.scale = torch.native_layer_norm(y, (y.shape[1],), None, None, eps)

    def back(self, gradient: Tensor, rows: slice | None = None) -> Tensor:
        """The gradient of some rows of y, from that of the output, to be multiplied by `scale`."""
        out, scale = self.out, self.scale
        if rows is not None:
            out, scale = out[rows], scale[rows]
        zero, one = _constants(scale.shape[0], scale.device, scale.dtype)
        back: Tensor = _aten.native_layer_norm_backward(
            gradient, out, (out.shape[1],), zero, one, None, None, [True, False, False]
        )[0]
        return back


class Equal(NamedTuple):
    """Convolutions of the same op that stand next to each other: places start to stop."""

    op: str
    start: int
    stop: int


@dataclass(frozen=True)
class Group:
    """The convolutions that leave a node: separable before dilated, equal ops next to each other.

    Attributes:
        slots: the convolutions; those that rest (gate 0) stand first and last.
        separable: how many are separable.
        active: the range of those that do not rest.
        first: the first active one.
        middle: the first active one that is dilated.
        runs: the runs of equal ops, for all of the separable ones, all of the dilated ones, the
            active separable ones and the active dilated ones.
    """

    slots: tuple[Slot, ...]
    separable: int
    active: range
    first: int
    middle: int
    runs: tuple[tuple[Equal, ...], ...]

    @classmethod
    def of(cls, leaving: Iterable[Slot], resting: frozenset[Slot]) -> Group:
        """Sort a node's convolutions."""

        def order(slot: Slot) -> tuple[bool, bool, int, int]:
            dilated = slot.op.startswith("dil")
            return dilated, (slot in resting) != dilated, slot.column, slot.edge

        def equal(start: int, stop: int) -> tuple[Equal, ...]:
            runs = []
            for op, run in groupby(slots[start:stop], key=lambda slot: slot.op):
                runs.append(Equal(op, start, start + len(list(run))))
                start = runs[-1].stop
            return tuple(runs)

        slots = tuple(sorted((slot for slot in leaving if slot.op in KERNELS), key=order))
        separable = sum(slot.op.startswith("sep") for slot in slots)
        places = [place for place, slot in enumerate(slots) if slot not in resting]
        active = range(places[0], places[-1] + 1) if places else range(0)
        middle = min(max(separable, active.start), active.stop)
        bounds = [
            (0, separable),
            (separable, len(slots)),
            (active.start, middle),
            (middle, active.stop),
        ]
        runs = tuple(equal(*ends) for ends in bounds)
        return cls(slots, separable, active, active.start, middle, runs)


class _Convs:
    """The convolutions that leave a node, stage by stage, all at once where that is a product.

    A dense kernel reads k rows of a map for a row of its output: it is a product of a band, per
    channel and row (W, k W), with these rows. That is half the work of a whole mixer, of which
    most is zero. A dilated one acts through mixers, on phases if the map has them.

    Args:
        group: the convolutions, S of them.
        stages: per convolution its weights, (depthwise, pointwise) per stage.
        grid: of the map.
        eps: of the norms.
    """

    def __init__(
        self,
        group: Group,
        stages: Sequence[Sequence[tuple[Tensor, Tensor]]],
        grid: Grid,
        eps: float,
    ) -> None:
        self.group, self.stages, self.grid, self.eps = group, stages, grid, eps
        self.channels = stages[0][0][0].shape[0]

    def _rows(self, start: int, stop: int, origin: int = 0) -> slice:
        """The channels of some ops, counted from those of one of them."""
        return slice((start - origin) * self.channels, (stop - origin) * self.channels)

    def _kernels(self, stage: int, run: Equal) -> Tensor:
        """The kernels of equal ops, (n C, k^2)."""
        return _join([own[stage][0] for own in self.stages[run.start : run.stop]]).flatten(1)

    def forward(self, x: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Outputs (n, C, P, B) of the separable and of the dilated ones, for a rectified map."""
        total, separable = len(self.group.slots), self.group.separable
        self.shape = channels, pixels, batch = tuple(x.shape)
        self.mixed = x.new_empty(total * channels, pixels * batch)
        if separable:
            self.read = self.grid.room((separable * channels, pixels, batch))
            self.read.view(separable, *self.shape).copy_(x)
            self._dense(0, self.read, self.mixed[: separable * channels])
        if separable < total:
            parts = self.grid.phases(x) if self.grid.parted else x
            self.parts = parts.expand(total - separable, -1, -1, -1).reshape(-1, *parts.shape[1:])
            mixers = []
            for run in self.group.runs[1]:
                spread, _ = self.grid.taps(*KERNELS[run.op])
                mixers.append(torch.mm(self._kernels(0, run), spread))
            size = self.parts.shape[1]
            self.mixers = _join(mixers).view(-1, size, size)
            out = self.mixed[separable * channels :].view(self.parts.shape)
            torch.bmm(self.mixers, self.parts, out=out)
        self.norm = self._pointwise(0, total, self.mixed)
        first = second = None
        if separable:
            between = self._between(slice(separable * channels))
            self.again = torch.empty_like(self.mixed[: separable * channels])
            self._dense(1, between, self.again)
            self.last = self._pointwise(1, separable, self.again)
            first = self.last.out.view(separable, *self.shape)
        if separable < total:
            second = self.norm.out[separable * channels :]
            if self.grid.parted:
                second = self.grid.whole(second.view(self.parts.shape))
            second = second.view(total - separable, *self.shape)
        return first, second

    def _dense(self, stage: int, maps: Tensor, out: Tensor) -> None:
        """The dense convolutions of a stage, of maps (n C, P, B) with room."""
        for run in self.group.runs[0]:
            own = self._rows(run.start, run.stop)
            self._band(self._kernels(stage, run), run.op, maps[own], out[own])

    def _band(self, kernels: Tensor, op: str, maps: Tensor, out: Tensor) -> None:
        """Dense convolutions by kernels (n C, k^2) of maps (n C, P, B) with room."""
        slabs = self.grid.slabs(maps, KERNELS[op][0])
        spread, _ = self.grid.bands(KERNELS[op][0])
        count, reach, batch = slabs.shape
        bands = torch.mm(kernels, spread).view(count, self.grid.width, reach)
        torch.bmm(bands, slabs, out=out.view(count, self.grid.width, batch))

    def _pointwise(self, stage: int, count: int, mixed: Tensor) -> _Norm:
        """The pointwise products and norms of a stage, of the first ops."""
        weights = _stack([own[stage][1] for own in self.stages[:count]])
        products = torch.bmm(weights, mixed.view(count, self.channels, -1))
        return _Norm(products.view(mixed.shape), self.eps)

    def _between(self, rows: slice) -> Tensor:
        """The rectified maps between the two stages, made again where they are needed."""
        out = self.norm.out[rows]
        maps = self.grid.reused("between", (out.shape[0], *self.shape[1:]))
        torch.clamp_min(out.view(maps.shape), 0, out=maps)
        return maps

    def back(self, gradient: Tensor, grads: Grads | None, *, needed: bool) -> Tensor | None:
        """Go back through the ops that do not rest.

        Args:
            gradient: of their outputs, (n C, P B), in phases where the op runs on phases. It is
                overwritten.
            grads: the weights' gradients go here; None: they are not needed.
            needed: whether the gradient of the rectified map is; it is returned.
        """
        first, middle, stop = self.group.first, self.group.middle, self.group.active.stop
        separable = self.group.separable
        if first < middle:
            dense = gradient[self._rows(first, middle, first)]
            own = self._rows(first, middle)
            through = self._pointwise_back(1, range(first, middle), dense, grads)
            between = None if grads is None else self._between(own)
            back = self._dense_back(1, through, between, grads, needed=True)
            _aten.threshold_backward.grad_input(back, self.norm.out[own], 0, grad_input=dense)
        if not needed and grads is None:
            return None
        through = self._pointwise_back(0, self.group.active, gradient, grads)
        total = None
        if first < middle:
            own = self._rows(first, middle)
            read = self.read[own]
            back = self._dense_back(
                0, through[self._rows(first, middle, first)], read, grads, needed=needed
            )
            if needed:
                total = _total(back, self.shape)
        if middle < stop:
            own = self._rows(middle, stop, separable)
            parts = self.parts[own]
            maps = through[self._rows(middle, stop, first)].view(parts.shape)
            if grads is not None:
                products = torch.bmm(maps, parts.mT)
                for run in self.group.runs[3]:
                    self._kernels_back(0, run, products[self._rows(*run[1:], middle)], grads)
            if needed:
                back = torch.bmm(self.mixers[own].mT, maps)
                whole = _total(back, (self.channels, *parts.shape[1:]))
                whole = self.grid.whole(whole) if self.grid.parted else whole
                total = whole if total is None else total.add_(whole)
        return total

    def _dense_back(
        self, stage: int, through: Tensor, read: Tensor | None, grads: Grads | None, *, needed: bool
    ) -> Tensor:
        """Back through the active dense convolutions of a stage.

        Args:
            stage: the stage.
            through: the gradient of their outputs, (n C, P, B) with room.
            read: the maps that they read, the same.
            grads: as in `back`.
            needed: whether the gradient of these maps is; it is returned, (n C, P B).
        """
        back = torch.empty_like(through).flatten(1)
        for run in self.group.runs[2]:
            own, kernel = self._rows(run.start, run.stop, self.group.first), KERNELS[run.op][0]
            maps = through[own]
            if grads is not None and read is not None:
                slabs = self.grid.slabs(read[own], kernel)
                rows = maps.view(slabs.shape[0], -1, slabs.shape[2])
                self._kernels_back(stage, run, torch.bmm(rows, slabs.mT), grads)
            if needed:
                # The way back is a convolution by the flipped kernel.
                self._band(self._kernels(stage, run).flip(1), run.op, maps, back[own])
        return back

    def _pointwise_back(
        self, stage: int, places: range, gradient: Tensor, grads: Grads | None
    ) -> Tensor:
        """Back through norms and pointwise products: (n C, P, B) with room."""
        norm, mixed = (self.last, self.again) if stage else (self.norm, self.mixed)
        own, count = self._rows(places.start, places.stop), len(places)
        g = norm.back(gradient, own).view(count, self.channels, -1)
        weights = [stages[stage][1] for stages in self.stages[places.start : places.stop]]
        scale = norm.scale[own].view(count, self.channels, 1)
        if grads is not None:
            products = torch.bmm(g, mixed[own].view(g.shape).mT).mul_(scale)
            grads.update(zip(map(id, weights), products.unbind(), strict=True))
        out = self.grid.reused("through", (count * self.channels, *self.shape[1:]))
        torch.bmm((_stack(weights) * scale).mT, g, out=out.view(g.shape))
        return out

    def _kernels_back(self, stage: int, run: Equal, products: Tensor, grads: Grads) -> None:
        """From the gradients of equal ops' bands or mixers to those of their kernels."""
        kernel, dilation = KERNELS[run.op]
        _, gather = self.grid.bands(kernel) if dilation == 1 else self.grid.taps(kernel, dilation)
        kernels = [own[stage][0] for own in self.stages[run.start : run.stop]]
        own = torch.mm(products.view(-1, gather.shape[0]), gather)
        own = own.view(-1, *kernels[0].shape)
        grads.update(zip(map(id, kernels), own.unbind(), strict=True))


def _total(maps: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The sum over ops of maps (n C, ...)."""
    maps = maps.view(-1, *shape)
    return maps[0] if maps.shape[0] == 1 else maps.sum(0)


def _stack(rows: Sequence[Tensor]) -> Tensor:
    """Tensors as one with a dimension more."""
    return rows[0][None] if len(rows) == 1 else torch.stack(list(rows))


def _join(rows: Sequence[Tensor]) -> Tensor:
    """Tensors one after the other."""
    return rows[0] if len(rows) == 1 else torch.cat(list(rows))


class _MaxPool:
    """3x3 max pool, stride 1.

    With the batch last in memory a map is, to the library, C images whose channels are the samples
    and stand last: the layout that its pools are fastest in.
    """

    def __init__(self, x: Tensor, grid: Grid) -> None:
        shape = (len(x), grid.height, grid.width, x.shape[-1])
        self.images = x.view(shape).permute(0, 3, 1, 2)
        out, self.indices = _aten.max_pool2d_with_indices(self.images, 3, 1, 1)
        self.out = out.permute(0, 2, 3, 1).reshape(x.shape)

    def back(self, gradient: Tensor) -> Tensor:
        """The gradient of x."""
        batch, height, width = self.images.shape[1:]
        images = gradient.view(-1, height, width, batch).permute(0, 3, 1, 2)
        out = _aten.max_pool2d_with_indices_backward(
            images, self.images, [3], [1], [1], [1], False, self.indices
        )
        return out.permute(0, 2, 3, 1).reshape(gradient.shape)  # type: ignore[no-any-return]


class _Source:
    """A node's map, what the ops that leave it make of it, and the way back to its gradient."""

    def __init__(
        self, x: Tensor, group: Group, leaving: Sequence[Slot], run: Run, cell: int
    ) -> None:
        self.x, self.group = x, group
        self.outputs: dict[Slot, Tensor] = {}
        if group.slots:
            self.rectified = torch.relu(x)
            stages = [run.net.layers[cell].stages(slot) for slot in group.slots]
            self.convs = _Convs(group, stages, run.grid, run.net.eps)
            blocks = self.convs.forward(self.rectified)
            outputs = [out for block in blocks if block is not None for out in block.unbind()]
            self.outputs.update(zip(group.slots, outputs, strict=True))
        self.pools: dict[str, tuple[_MaxPool | None, _Norm]] = {}
        for slot in leaving:
            if slot.op == "skip_connect":
                self.outputs[slot] = x
            elif slot.op not in KERNELS:
                if slot.op not in self.pools:
                    self.pools[slot.op] = self._pool(slot.op, run)
                self.outputs[slot] = self.pools[slot.op][1].out.view_as(x)

    def _pool(self, op: str, run: Run) -> tuple[_MaxPool | None, _Norm]:
        maximum = _MaxPool(self.x, run.grid) if op == "max_pool_3x3" else None
        pooled = torch.bmm(run.averages, self.x) if maximum is None else maximum.out
        return maximum, _Norm(pooled.flatten(1), run.net.eps)

    def back(
        self, run: Run, leaving: Sequence[Slot], targets: dict[int, _Target], *, needed: bool
    ) -> Tensor | None:
        """Go back through the ops that leave the node.

        Args:
            run: the pass (it is not kept: a cycle would keep every map until Python looks for one).
            leaving: those that do not rest.
            targets: where they lead.
            needed: whether the map's own gradient is.

        Returns:
            The map's gradient; None if it is not needed, or if there is none.
        """
        out = self._convs_back(run, targets, needed=needed)
        if not needed:
            return None
        through: dict[str, Tensor] = {}
        for slot in leaving:
            total = targets[slot.target].total
            if slot.op not in KERNELS and total is not None:
                _accumulate(through, slot.op, total, run.gate(slot))
        for op, g in through.items():
            if op in self.pools:
                maximum, norm = self.pools[op]
                g = norm.back(g.flatten(1)).mul_(norm.scale).view_as(self.x)
                g = maximum.back(g) if maximum else torch.bmm(run.averages.mT, g)
            out = g if out is None else out.add_(g)
        return out

    def _convs_back(self, run: Run, targets: dict[int, _Target], *, needed: bool) -> Tensor | None:
        group = self.group
        slots = group.slots[group.active.start : group.active.stop]
        if not slots or all(targets[slot.target].total is None for slot in slots):
            return None
        gradient = self.x.new_empty(len(slots), *self.x.shape)
        for slot, own in zip(slots, gradient.unbind(), strict=True):
            target = targets[slot.target]
            if target.total is None:
                own.zero_()
                continue
            total = target.total
            if run.grid.parted and slot.op.startswith("dil"):
                total = target.phases(run.grid)
            own = own.view_as(total)
            gate = run.gate(slot)
            own.copy_(total) if gate is None else torch.mul(total, gate, out=own)
        rectified = self.convs.back(gradient.view(-1, self.x[0].numel()), run.grads, needed=needed)
        if rectified is None:
            return None
        return _aten.threshold_backward(rectified, self.rectified, 0)  # type: ignore[no-any-return]


def _accumulate(sums: dict[str, Tensor], key: str, value: Tensor, gate: Tensor | None) -> None:
    """sums[key] += gate * value, in a tensor of its own."""
    if key in sums:
        sums[key].add_(value) if gate is None else sums[key].addcmul_(value, gate)
    else:
        sums[key] = value.clone() if gate is None else value * gate


class _Target:
    """The gradient of a node's sum."""

    def __init__(self, direct: Tensor | None, path: Tensor | None) -> None:
        self.direct, self.path = direct, path
        self.total = path if direct is None else direct if path is None else direct + path
        self._phases: Tensor | None = None

    def phases(self, grid: Grid) -> Tensor:
        assert self.total is not None
        if self._phases is None:
            self._phases = grid.phases(self.total)
        return self._phases

    def costs(self, outputs: Sequence[Tensor], weights: Tensor) -> Tensor:
        """The weighted costs of the ops that enter the node.

        Args:
            outputs: their outputs, K maps.
            weights: (M, B).

        Returns:
            (K, 2, M): direct part, path part.
        """
        weights = weights.to(outputs[0].dtype)[:, None, None, :]
        known = [part for part in (self.direct, self.path) if part is not None]
        rows = outputs[0].new_empty(len(known), len(weights), outputs[0].numel())
        for row, part in zip(rows, known, strict=True):
            torch.mul(part, weights, out=row.view(len(weights), *part.shape))
        flat = rows.flatten(0, 1)
        costs = torch.stack([torch.mv(flat, out.view(-1)) for out in outputs])
        costs = costs.view(len(outputs), len(known), -1)
        if len(known) == 2:
            return costs
        none = torch.zeros_like(costs)
        return torch.cat([none, costs] if self.direct is None else [costs, none], 1)


@dataclass
class _Cell:
    """What a cell's way back needs."""

    inputs: dict[int, _Norm] = field(default_factory=dict)
    sources: dict[int, _Source] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """How a pass evaluates a plan.

    Attributes:
        entering: per node the slots that enter it, in the plan's order.
        first: per node the place of the first one in the plan's slots.
        active: per node the slots that leave it and do not rest.
        groups: per node the convolutions that leave it.
    """

    entering: tuple[tuple[Slot, ...], ...]
    first: tuple[int, ...]
    active: tuple[tuple[Slot, ...], ...]
    groups: tuple[Group, ...]


@lru_cache(maxsize=KEPT)
def layout_of(plan: Plan, resting: frozenset[Slot]) -> Layout:
    """Lay a pass out."""
    nodes = range(len(plan.leaving))
    entering = tuple(tuple(s for s in plan.slots if s.target == node) for node in nodes)
    return Layout(
        entering,
        tuple(plan.slots.index(slots[0]) if slots else 0 for slots in entering),
        tuple(tuple(s for s in slots if s not in resting) for slots in plan.leaving),
        tuple(Group.of(slots, resting) for slots in plan.leaving),
    )


class Run:
    """One pass of the supernet over small maps.

    Args:
        net: gives the weights.
        plan: what is evaluated.
        gates: of the plan's slots; None: all are 1.
        resting: the slots whose gate is 0: their cost is measured, nothing else.
        probe: measures the costs on the way back.
        grid: of the maps.
        keep: whether there will be a way back.
    """

    def __init__(
        self,
        net: Supernet,
        plan: Plan,
        gates: Tensor | None,
        resting: frozenset[Slot],
        probe: Probe | None,
        grid: Grid,
        *,
        keep: bool,
    ) -> None:
        self.net, self.plan, self.probe, self.grid, self.keep = net, plan, probe, grid, keep
        self.resting, self.layout = resting, layout_of(plan, resting)
        self.gates = None if gates is None else dict(zip(plan.slots, gates.unbind(), strict=True))
        self.averages = grid.averages().expand(net.space.channels, -1, -1)
        self.concatenated = net.space.outputs
        self.weights: list[Tensor] = [net.classifier]
        kernels = [slot for slot in plan.slots if slot.op in KERNELS and slot not in resting]
        for cell in net.layers:
            self.weights += [w for node, w in enumerate(cell.read) if plan.leaving[node]]
            self.weights += [w for slot in kernels for stage in cell.stages(slot) for w in stage]
        self.grads: Grads | None = None
        self.cells: list[_Cell] = []

    def gate(self, slot: Slot) -> Tensor | None:
        """The gate of an op; None is 1."""
        return None if self.gates is None else self.gates[slot]

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of the stem's output (3 C, P, B)."""
        space, leaving = self.net.space, self.plan.leaving
        # Rectified outputs; cell l reads those at l and l + 1, the stem's are the first two.
        self.outputs = [torch.relu(x)] * 2
        out = x
        for index, cell in enumerate(self.net.layers):
            own = _Cell()
            states: dict[int, Tensor] = {}
            for node in range(space.nodes + INPUTS):
                if node < INPUTS and leaving[node]:
                    read = self.outputs[index + node].flatten(1)
                    norm = own.inputs[node] = _Norm(torch.mm(cell.read[node], read), self.net.eps)
                    states[node] = norm.out.view(space.channels, *x.shape[1:])
                elif self.layout.entering[node]:
                    states[node] = self._sum(own, node)
                else:
                    continue
                group = self.layout.groups[node]
                own.sources[node] = _Source(states[node], group, leaving[node], self, index)
            zero = x.new_zeros(space.channels, *x.shape[1:])
            out = torch.cat([states.get(node, zero) for node in self.concatenated])
            self.outputs.append(torch.relu(out))
            if self.keep:
                self.cells.append(own)
        self.means = out.mean(1)
        return self.means.T @ self.net.classifier.T

    def _sum(self, own: _Cell, node: int) -> Tensor:
        """X_j = sum_k z_k O_k."""
        total: dict[str, Tensor] = {}
        for slot in self.layout.entering[node]:
            if slot not in self.resting:
                _accumulate(total, "", own.sources[slot.source].outputs[slot], self.gate(slot))
        if total:
            return total[""]
        slot = self.layout.entering[node][0]
        return torch.zeros_like(own.sources[slot.source].x)

    def backward(
        self, gradient: Tensor, *, learns: bool, to_x: bool
    ) -> tuple[Tensor | None, list[Tensor | None]]:
        """Go back.

        Args:
            gradient: of the logits, (B, classes).
            learns: whether the gradients of the weights are needed.
            to_x: whether that of the stem's output is.

        Returns:
            The gradients of the stem's output and of `weights`.
        """
        cells, classifier = self.net.space.cells, self.net.classifier
        if learns:
            self.grads = {id(classifier): gradient.T @ self.means.T}
        pixels = self.outputs[0].shape[1]
        mean = (gradient @ classifier / pixels).T
        # Of the rectified outputs, as they come to be known.
        grads: list[Tensor | None] = [None] * (cells + 2)
        wanted = [learns or to_x] * 2 + [True] * cells
        for index in reversed(range(cells)):
            rectified = grads.pop()
            if index == cells - 1:
                out = mean[:, None, :].expand(-1, pixels, -1).contiguous()
            elif rectified is not None:
                out = _aten.threshold_backward(rectified, self.outputs[index + 2], 0)
            else:
                continue
            self._cell_back(index, out, grads, wanted)
        to_stem = None
        for g in grads:
            if g is not None:
                to_stem = g if to_stem is None else to_stem.add_(g)
        if to_stem is not None:
            to_stem = _aten.threshold_backward(to_stem, self.outputs[0], 0)
        found = self.grads or {}
        return to_stem, [found.get(id(weight)) for weight in self.weights]

    def _cell_back(
        self, index: int, out: Tensor, grads: list[Tensor | None], wanted: list[bool]
    ) -> None:
        """Go back through a cell.

        Args:
            index: the cell's.
            out: the gradient of its output.
            grads: those of the rectified outputs that it reads are added to these.
            wanted: which of them are needed.
        """
        own = self.cells[index]
        direct = dict(zip(self.concatenated, out.split(self.net.space.channels), strict=True))
        targets: dict[int, _Target] = {}
        for node in sorted(own.sources, reverse=True):
            needed = node >= 2 or wanted[index + node]
            path = own.sources[node].back(self, self.layout.active[node], targets, needed=needed)
            if node >= 2:
                target = targets[node] = _Target(direct.get(node), path)
                if self.probe is not None and target.total is not None:
                    outputs = [own.sources[s.source].outputs[s] for s in self.layout.entering[node]]
                    costs = target.costs(outputs, self.probe.weights)
                    self.probe.observe(index, self.layout.first[node], costs)
            elif path is not None:
                self._read_back(index, node, path, grads)

    def _read_back(self, index: int, node: int, path: Tensor, grads: list[Tensor | None]) -> None:
        """Go back through what a cell makes of an output that it reads."""
        weight, read = self.net.layers[index].read[node], self.outputs[index + node]
        norm = self.cells[index].inputs[node]
        g = norm.back(path.flatten(1))
        if self.grads is not None:
            self.grads[id(weight)] = torch.mm(g, read.flatten(1).T).mul_(norm.scale)
        known, back = grads[index + node], (weight * norm.scale).T
        if known is None:
            grads[index + node] = torch.mm(back, g).view_as(read)
        else:
            known.flatten(1).addmm_(back, g)


class Small(torch.autograd.Function):
    """A run as a function of autograd."""

    @staticmethod
    def forward(  # noqa: D102
        ctx: Any,
        run: Run,
        anchor: Tensor | None,  # noqa: ARG004
        x: Tensor,
        *weights: Tensor,  # noqa: ARG004
    ) -> Tensor:
        ctx.run = run
        with torch.autocast(x.device.type, enabled=False):  # what a half costs here it cannot gain
            return run.forward(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102
        learns = any(ctx.needs_input_grad[3:])
        to_x, grads = ctx.run.backward(gradient, learns=learns, to_x=ctx.needs_input_grad[2])
        ctx.run = None
        return (None, None, to_x, *grads)
