"""The supernet on small maps as one function of autograd; what it computes is in `kernels`.

Tables of whole numbers say what a pass evaluates and where in one long array each map stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wiring.config import INPUTS
from wiring.space import kernels
from wiring.space.kernels import Kind
from wiring.space.plan import KEPT, KERNELS, Plan, Slot

if TYPE_CHECKING:
    from wiring.space.supernet import Probe, Supernet

Array = NDArray[Any]
SMALL_MAP = 256
"""Up to this many pixels a map is small: measured, see benchmarks/README.md."""
KINDS = {
    "skip_connect": Kind.SKIP,
    "max_pool_3x3": Kind.MAX_POOL,
    "avg_pool_3x3": Kind.AVERAGE_POOL,
}


def is_small(x: Tensor) -> bool:
    """Whether a map or images (..., H, W) are small, and where compiled code reaches them."""
    return x.device.type == "cpu" and x.shape[-2] * x.shape[-1] <= SMALL_MAP


@dataclass(frozen=True)
class Layout:
    """How a pass evaluates a plan; places and sizes count maps of one node.

    Attributes:
        slots: (slots, 11), see :class:`wiring.space.kernels.Of`.
        used: per node whether an op reads it.
        maps: maps of a cell.
        scales: norms of a cell.
    """

    slots: Array
    used: Array
    maps: int
    scales: int


@lru_cache(maxsize=KEPT)
def layout_of(plan: Plan, resting: frozenset[Slot], weights: tuple[int, ...]) -> Layout:
    """Lay a pass out.

    Args:
        plan: what is evaluated.
        resting: the slots whose gate is 0: their cost is measured, nothing else.
        weights: per slot of the plan the place of its weights among those of a cell's convolutions.
    """
    nodes = len(plan.leaving)
    # A cell's maps and norms begin with its nodes' and its inputs'.
    maps, scales = nodes, INPUTS
    pools: dict[tuple[int, Kind], tuple[int, int]] = {}
    rows = []
    for slot, place in zip(plan.slots, weights, strict=True):
        kind = KINDS.get(slot.op, Kind.CONVOLUTION)
        kernel, dilation = KERNELS.get(slot.op, (3, 1))
        stages = 2 if slot.op.startswith("sep") else 1
        own, owner = (maps, scales), kind != Kind.SKIP
        if kind in (Kind.MAX_POOL, Kind.AVERAGE_POOL):
            owner = (slot.source, kind) not in pools
            own = pools.setdefault((slot.source, kind), own)
        if owner:
            maps, scales = maps + 2 * stages, scales + stages
        rows.append(
            (kind, *slot[2:4], kernel, dilation, stages, place, slot in resting, *own, owner)
        )
    slots = np.array(rows, np.int64).reshape(len(rows), len(kernels.Of))
    used = np.array([bool(slots) for slots in plan.leaving])
    return Layout(slots, used, maps, scales)


class Memory:
    """The largest array that was given back, for whoever needs one next."""

    def __init__(self) -> None:
        self._spare: Array | None = None

    def take(self, size: int, dtype: np.dtype[Any]) -> Array:
        """An array of at least so many numbers."""
        spare, self._spare = self._spare, None
        if spare is None or spare.size < size or spare.dtype != dtype:
            return np.empty(size, dtype)
        return spare

    def give_back(self, array: Array) -> None:
        """Nobody reads it any more."""
        if self._spare is None or self._spare.size < array.size:
            self._spare = array


class Run:
    """One pass of the supernet over small maps.

    Args:
        net: gives the weights.
        plan: what is evaluated.
        gates: of the plan's slots; None: all are 1.
        resting: the slots whose gate is 0: their cost is measured, nothing else.
        probe: measures the costs on the way back.
        keep: whether there will be a way back.
    """

    def __init__(
        self,
        net: Supernet,
        plan: Plan,
        gates: Tensor | None,
        resting: frozenset[Slot],
        probe: Probe | None,
        *,
        keep: bool,
    ) -> None:
        self.net, self.probe, self.keep = net, probe, keep
        ops = net.places.ops
        weights = tuple(ops[s.edge, s.op][0] if s.op in KERNELS else 0 for s in plan.slots)
        self.layout = layout_of(plan, resting, weights)
        self.theta = net.weights.numpy()
        slots = len(plan.slots)
        self.gates = np.ones(slots, self.theta.dtype) if gates is None else gates.numpy()
        self.outputs = np.array(net.space.outputs)

    def _cells(self, pixels: int) -> Array:
        """See :class:`wiring.space.kernels.At`; `pixels`: numbers of one channel."""
        space, layout = self.net.space, self.layout
        size, outputs = space.channels * pixels, len(space.outputs)
        stem = 3 * space.channels
        widths = [stem, stem, *[outputs * space.channels] * space.cells]
        ends = [0, 0, *(stem * pixels + cell * outputs * size for cell in range(space.cells))]
        rows = []
        places = self.net.places
        for index in range(space.cells):
            kept = index if self.keep else 0
            rows.append(
                [
                    kept * layout.maps * size,
                    kept * layout.scales * space.channels,
                    places.convolutions[index],
                    *(start for start, _ in places.read[index]),
                    *widths[index : index + 2],
                    *ends[index : index + 3],
                ]
            )
        return np.array(rows, np.int64)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of the stem's output (3 C, H, W, B)."""
        space, layout = self.net.space, self.layout
        _, height, width, batch = x.shape
        self.dims = height, width, batch, space.channels
        n = height * width * batch
        size = space.channels * n
        self.cells = self._cells(n)
        self.slots = layout.slots.copy()
        self.slots[:, kernels.Of.MAPS] *= size
        self.slots[:, kernels.Of.SCALES] *= space.channels
        kept = space.cells if self.keep else 1
        outputs = len(space.outputs) * size
        stem = 3 * space.channels * n
        dtype = self.theta.dtype
        self.maps = self.net.memory.take(
            kept * layout.maps * size + stem + space.cells * outputs, dtype
        )
        self.rectified = self.maps[kept * layout.maps * size :]
        self.scales = np.empty(kept * layout.scales * space.channels, dtype)
        np.maximum(x.numpy().reshape(-1), 0, out=self.rectified[:stem])
        self.means = np.empty((len(space.outputs) * space.channels, batch), dtype)
        kernels.forward(
            self.maps,
            self.scales,
            self.rectified,
            self.theta,
            self.cells,
            self.slots,
            self.gates,
            self.outputs,
            layout.used,
            self.dims,
            self.net.eps,
            self.means,
        )
        classifier = self.net.classifier.detach().numpy()
        logits = np.empty((len(classifier), batch), dtype)
        kernels.classify(self.means, classifier, logits)
        if not self.keep:
            self.net.memory.give_back(self.maps)
        return torch.from_numpy(logits).T

    def backward(self, gradient: Tensor, *, learns: bool, to_x: bool) -> Tensor | None:
        """Go back; the slopes of the weights are added to the supernet's `gradient`.

        Args:
            gradient: of the logits, (B, classes).
            learns: whether the gradients of the weights are needed.
            to_x: whether that of the stem's output is.

        Returns:
            The gradient of the stem's output, if it is needed and there is any.
        """
        net, batch = self.net, len(gradient)
        g = gradient.T.contiguous().numpy()
        classifier = net.classifier.detach().numpy()
        mean_slopes = np.empty_like(self.means)
        kernels.classify(g, np.ascontiguousarray(classifier.T), mean_slopes)
        charges = np.zeros((len(self.cells), len(self.slots), 2, batch), self.theta.dtype)
        slopes = net.gradient.numpy()
        if learns:
            start, size = net.places.classifier
            own = slopes[start : start + size].reshape(classifier.shape)
            kernels.classifier_back(g, self.means, own)
        to_stem = kernels.backward(
            self.maps,
            self.scales,
            self.rectified,
            self.theta,
            slopes,
            self.cells,
            self.slots,
            self.gates,
            self.outputs,
            self.layout.used,
            self.dims,
            mean_slopes,
            charges,
            learns,
            to_x,
        )
        net.memory.give_back(self.maps)
        if self.probe is not None:
            weights = self.probe.weights.to(net.weights.dtype).numpy()
            costs = np.empty((*charges.shape[:-1], len(weights)))
            kernels.weigh(charges, weights, costs)
            for cell, own in enumerate(torch.from_numpy(costs)):
                self.probe.observe(cell, 0, own)
        if not to_stem.size:
            return None
        height, width, *_ = self.dims
        return torch.from_numpy(to_stem).view(-1, height, width, batch)


class Small(torch.autograd.Function):
    """A run as a function of autograd."""

    @staticmethod
    def forward(  # noqa: D102
        ctx: Any,
        run: Run,
        anchor: Tensor | None,  # noqa: ARG004
        x: Tensor,
        weight: Tensor,  # noqa: ARG004
    ) -> Tensor:
        ctx.run = run
        return run.forward(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102
        _, _, to_x, learns = ctx.needs_input_grad
        back = ctx.run.backward(gradient, learns=learns, to_x=to_x)
        ctx.run = None
        return None, None, back, None


class Stem(torch.autograd.Function):
    """3x3 convolution and batch norm of images (B, C, H, W): a map (C', H, W, B)."""

    @staticmethod
    def forward(  # noqa: D102
        ctx: Any, images: Tensor, weight: Tensor, scale: Tensor, shift: Tensor, eps: float
    ) -> Tensor:
        pixels = images.permute(1, 2, 3, 0).contiguous().numpy()
        taps = weight.numpy().reshape(*weight.shape[:2], 9)
        out, normed = np.empty((2, len(taps), pixels[0].size), pixels.dtype)
        scales = np.empty(len(taps), pixels.dtype)
        kernels.stem(pixels, taps, scale.numpy(), shift.numpy(), eps, out, normed, scales)
        ctx.kept = pixels, scale.numpy(), normed, scales
        return torch.from_numpy(out).view(-1, *pixels.shape[1:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: D102
        pixels, scale, normed, scales = ctx.kept
        taps = np.zeros((len(scale), len(pixels), 9), pixels.dtype)
        to_scale, to_shift = np.zeros((2, len(scale)), pixels.dtype)
        g = gradient.contiguous().numpy().reshape(normed.shape)
        kernels.stem_back(pixels, g, scale, normed, scales, taps, to_scale, to_shift)
        weight = torch.from_numpy(taps.reshape(*taps.shape[:2], 3, 3))
        return None, weight, torch.from_numpy(to_scale), torch.from_numpy(to_shift), None
