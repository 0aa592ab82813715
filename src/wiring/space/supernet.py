"""The supernet: stem, normal cells, global average pool, a linear classifier without bias."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wiring.config import INPUTS, SpaceConfig
from wiring.space import spatial
from wiring.space.plan import KERNELS, Draw, Plan, Slot, plan_of, slot_places


class Probe(Protocol):
    """Sees, during the backward pass, what a node's local costs are made of."""

    def observe(
        self,
        cell: int,
        first: int,
        blocks: list[Tensor],
        direct: Tensor | None,
        path: Tensor | None,
    ) -> None:
        """Take one node's share.

        Args:
            cell: the cell's index.
            first: place in the plan's slots of the first op that enters the node.
            blocks: the outputs O of the ops that enter it, in the order of the slots, each
                (K, C, B, H, W) with K ops.
            direct: dL/dX of the node through the concatenation only, (C, B, H, W); None is 0.
            path: dL/dX through the edges that leave the node; None is 0.
        """


class _NodeSum(torch.autograd.Function):
    """X_j = sum_k z_k O_k, given out twice: to the concatenation and to the edges that leave j.

    Autograd then brings the two gradients separately, which is all that splitting a local cost
    into its direct and its path part takes. The gates get no gradient from autograd: dL/dz_k is
    the local cost, and measuring it is the probe's job.
    """

    @staticmethod
    def forward(
        ctx: Any, z: Tensor | None, probe: Probe | None, cell: int, first: int, *blocks: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        ctx.probe, ctx.cell, ctx.first = probe, cell, first
        ctx.save_for_backward(*(blocks if probe else []))
        ctx.sizes = [len(block) for block in blocks]
        total: Tensor | None = None
        start = 0
        # Autocast would round the sum of a node.
        with torch.autocast(blocks[0].device.type, enabled=False):
            for block in blocks:
                gates = None if z is None else z[start : start + len(block)]
                total = _add(total, gates, block)
                start += len(block)
        assert total is not None
        # One block of one op is returned as it came: autograd wants an output of its own.
        out = total.clone() if z is None and start == 1 else total
        return out, out.view_as(out)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        # A slice of the concatenation's gradient is strided, which is slow to read again and again.
        direct, path = (None if g is None else spatial.dense(g) for g in gradients)
        if ctx.probe is not None:
            ctx.probe.observe(ctx.cell, ctx.first, list(ctx.saved_tensors), direct, path)
        total = path if direct is None else direct if path is None else direct + path
        # `_Gated` scales it by z, one op at a time: all at once they would have to wait in memory.
        grads = [None if total is None else total.expand(n, *total.shape) for n in ctx.sizes]
        return (None, None, None, None, *grads)


class _Gated(torch.autograd.Function):
    """O_k as it is, on its way to a node's sum that scales it by z_k: so its gradient is scaled."""

    @staticmethod
    def forward(ctx: Any, block: Tensor, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return block.view_as(block)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[Tensor | None, None]:
        (z,) = ctx.saved_tensors
        return None if gradient is None else z.view(-1, 1, 1, 1, 1) * gradient, None


def _add(total: Tensor | None, gates: Tensor | None, block: Tensor) -> Tensor:
    """Total + sum_k z_k O_k of one block."""
    if len(block) > 1:
        flat = block.flatten(1)
        part = (flat.sum(0) if gates is None else gates @ flat).view(block.shape[1:])
    elif gates is not None and total is not None:
        return total.addcmul_(block[0], gates[0])
    else:
        part = block[0] if gates is None else block[0] * gates[0]
    return part if total is None else total + part


class _Conv(nn.Module):
    """The weights of one convolutional op: a depthwise and a pointwise kernel per stage."""

    def __init__(self, op: str, channels: int) -> None:
        super().__init__()
        kernel, self.dilation = KERNELS[op]
        stages = 2 if op.startswith("sep") else 1
        self.depthwise = nn.ParameterList(
            nn.Parameter(torch.empty(channels, kernel, kernel)) for _ in range(stages)
        )
        self.pointwise = nn.ParameterList(
            nn.Parameter(torch.empty(channels, channels)) for _ in range(stages)
        )


class _Cell(nn.Module):
    """One normal cell."""

    def __init__(self, space: SpaceConfig, index: int, inputs: tuple[int, int], eps: float) -> None:
        super().__init__()
        self.space, self.index, self.eps = space, index, eps
        self.preprocess = nn.ParameterList(
            nn.Parameter(torch.empty(space.channels, width)) for width in inputs
        )
        self.convs = nn.ModuleDict(
            {
                f"{edge}:{op}": _Conv(op, space.channels)
                for edge in space.edges
                for op in space.choices(edge)
                if op in KERNELS
            }
        )

    def _evaluate(self, x: Tensor, slots: tuple[Slot, ...]) -> dict[int, list[Tensor]]:
        """Evaluate the ops that leave a node: blocks (K, C, B, H, W) per edge, in slot order."""
        blocks: dict[int, list[Tensor]] = {slot.edge: [] for slot in slots}
        kernels = [slot for slot in slots if slot.op in KERNELS]
        rectified = F.relu(x) if kernels else x  # shared, as the pools below
        if spatial.is_small(x):
            for edge, block in self._convolve(rectified, kernels):
                blocks[edge].append(block)
        else:
            for slot in kernels:
                blocks[slot.edge].append(self._convolve_large(rectified, slot)[None])
        shared = {"skip_connect": x}
        for slot in slots[len(kernels) :]:
            if slot.op not in shared:
                pool = spatial.max_pool if slot.op == "max_pool_3x3" else spatial.avg_pool
                shared[slot.op] = spatial.batch_norm(pool(x), self.eps)
            blocks[slot.edge].append(shared[slot.op][None])
        return blocks

    def _conv(self, slot: Slot) -> _Conv:
        return self.convs[f"{self.space.edges[slot.edge]}:{slot.op}"]  # type: ignore[return-value]

    def _convolve(self, x: Tensor, slots: list[Slot]) -> Iterator[tuple[int, Tensor]]:
        """Evaluate the convolutions of a small, rectified map at once: blocks per edge."""
        if not slots:
            return
        convs = [self._conv(slot) for slot in slots]

        def stage(x: Tensor, convs: list[_Conv], number: int) -> Tensor:
            depthwise = [conv.depthwise[number] for conv in convs]
            pointwise = [conv.pointwise[number] for conv in convs]
            return spatial.sepconv(x, depthwise, [c.dilation for c in convs], pointwise, self.eps)

        separable = sum(slot.op.startswith("sep") for slot in slots)
        sep, dil = stage(x, convs, 0).split([separable, len(slots) - separable])
        if separable:
            sep = stage(F.relu(sep), convs[:separable], 1)
        for out, group in ((sep, slots[:separable]), (dil, slots[separable:])):
            edges = [(edge, len(list(run))) for edge, run in groupby(slot.edge for slot in group)]
            parts = out.split([size for _, size in edges]) if edges else ()
            yield from zip((edge for edge, _ in edges), parts, strict=True)

    def _convolve_large(self, x: Tensor, slot: Slot) -> Tensor:
        """Evaluate one convolution of a large, rectified map."""
        conv = self._conv(slot)
        stages = list(zip(conv.depthwise, conv.pointwise, strict=True))
        for number, (depthwise, pointwise) in enumerate(stages, start=1):
            rectify = number < len(stages)
            x = spatial.sepconv_large(
                x, depthwise, conv.dilation, pointwise, self.eps, rectify=rectify
            )
        return x

    def forward(
        self, s0: Tensor, s1: Tensor, plan: Plan, gates: Tensor | None, probe: Probe | None
    ) -> Tensor:
        """Run the cell on the rectified outputs of the two cells before: (C_in, B, H, W)."""
        entering: dict[int, list[Tensor]] = {}
        concatenated: dict[int, Tensor] = {}
        first = 0
        for node in range(self.space.nodes + INPUTS):
            if node < INPUTS:
                x = spatial.pointwise((s0, s1)[node], self.preprocess[node])
                x = spatial.batch_norm(x, self.eps)
            elif node in entering:
                blocks = entering[node]
                count = sum(len(block) for block in blocks)
                z = None
                if gates is not None:
                    z = gates[first : first + count]
                    shares = z.split([len(block) for block in blocks])
                    blocks = [_Gated.apply(*pair) for pair in zip(blocks, shares, strict=True)]  # type: ignore[no-untyped-call]
                concatenated[node], x = _NodeSum.apply(z, probe, self.index, first, *blocks)  # type: ignore[no-untyped-call]
                first += count
            else:
                continue
            for edge, blocks in self._evaluate(x, plan.leaving[node]).items():
                target = self.space.edges[edge].target
                entering.setdefault(target, []).extend(blocks)
        zero = x.new_zeros(self.space.channels, *x.shape[1:])
        return spatial.concatenate([concatenated.get(node, zero) for node in self.space.outputs])


class Supernet(nn.Module):
    """The supernet of a search space.

    Args:
        space: the search space, interventions included.
        in_channels: channels of the images.
        classes: number of classes.
        generator: seeds the weights (CPU).
        eps: epsilon of every batch norm.
    """

    def __init__(
        self,
        space: SpaceConfig,
        in_channels: int,
        classes: int,
        generator: torch.Generator | None = None,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.space, self.eps = space, eps
        stem = 3 * space.channels
        self.stem = nn.Parameter(torch.empty(stem, in_channels, 3, 3))
        self.stem_scale = nn.Parameter(torch.ones(stem))
        self.stem_shift = nn.Parameter(torch.zeros(stem))
        width = space.channels * len(space.outputs)
        widths = [stem, stem, *([width] * space.cells)]
        self.cells = nn.ModuleList(
            _Cell(space, i, (widths[i], widths[i + 1]), eps) for i in range(space.cells)
        )
        self.classifier = nn.Parameter(torch.empty(classes, width))
        for name, weight in self.named_parameters():
            if not name.startswith("stem_"):
                # PyTorch's default for convolutions and linear layers: uniform, 1 / sqrt(fan in);
                # a depthwise kernel's fan in is its number of taps.
                fan_in = weight[0].numel()
                bound = 1 / math.sqrt(fan_in)
                nn.init.uniform_(weight, -bound, bound, generator=generator)

    def embed(self, images: Tensor) -> Tensor:
        """The stem: images (B, channels, H, W) to a feature map (3 C, B, H, W)."""
        x = spatial.stem(images, self.stem)
        return spatial.batch_norm(x, self.eps, self.stem_scale, self.stem_shift)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """What is evaluated in here has no gradient of any weight, and does not compute it."""
        self.requires_grad_(False)
        try:
            yield
        finally:
            self.requires_grad_(True)

    def rest(self, draw: Draw) -> None:
        """Drop the (zero) gradients of the ops that a draw lets rest: no decay, no momentum."""
        for edge, columns in zip(self.space.edges, draw.resting, strict=False):
            for op in (self.space.ops[column] for column in columns):
                if op in KERNELS:
                    for cell in self.cells:
                        for weight in cell.convs[f"{edge}:{op}"].parameters():  # type: ignore[index,union-attr]
                            weight.grad = None

    def forward(self, x: Tensor, draw: Draw, probe: Probe | None = None) -> Tensor:
        """Classify.

        Args:
            x: the stem's output, (3 C, B, H, W): an architecture step differentiates down to it.
            draw: the gates, shared by all cells.
            probe: sees each node during the backward pass.

        Returns:
            Logits, (B, classes).
        """
        plan = plan_of(self.space, draw.active)
        gates = None
        if not draw.unit:
            places = slot_places(self.space, draw.active, x.device)
            gates = draw.gates.flatten()[places].to(x.dtype)
        s0 = s1 = F.relu(x)
        for cell in self.cells:
            out = cell(s0, s1, plan, gates, probe)
            # The next two cells both begin with a ReLU of this output; the classifier does not.
            s0, s1 = s1, F.relu(out)
        return spatial.average(out) @ self.classifier.T
