"""The supernet: stem, normal cells, global average pool, a linear classifier without bias."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wiring.config import INPUTS, Edge, SpaceConfig
from wiring.space import small, spatial
from wiring.space.plan import (
    KERNELS,
    Draw,
    Part,
    Places,
    Plan,
    Slot,
    learning_parts,
    passed_places,
    plan_of,
    resting_slots,
    slot_places,
)


class Probe(Protocol):
    """Sees, during the backward pass, what a node's local costs are made of."""

    @property
    def weights(self) -> Tensor:
        """The weightings of the samples, (M, B)."""

    def observe(self, cell: int, first: int, costs: Tensor) -> None:
        """Take one node's share.

        Args:
            cell: the cell's index.
            first: place in the plan's terms of the first one that enters the node.
            costs: of the K terms that enter it, in the plan's order: (K, 2, M). The sums of
                weight * dL/dX * O over samples, channels and pixels, with the gradient through the
                concatenation only, and with that through the edges that leave the node.
        """


class _NodeSum(torch.autograd.Function):
    """X_j = sum_k z_k O_k, given out twice: to the concatenation and to the edges that leave j.

    Autograd then brings the two gradients separately, which is all that splitting a local cost
    into its direct and its path part takes. The gates get no gradient from autograd: dL/dz_k is
    the local cost, and measuring it is the probe's job.
    """

    @staticmethod
    def forward(
        ctx: Any, z: Tensor | None, probe: Probe | None, cell: int, first: int, *outputs: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        ctx.probe, ctx.cell, ctx.first, ctx.count = probe, cell, first, len(outputs)
        ctx.save_for_backward(*(outputs if probe else []))
        # Autocast would round the sum of a node.
        with torch.autocast(outputs[0].device.type, enabled=False):
            total = outputs[0].clone() if z is None else outputs[0] * z[0]
            for place, out in enumerate(outputs[1:], start=1):
                total = total.add_(out) if z is None else total.addcmul_(out, z[place])
        return total, total.view_as(total)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        # A slice of the concatenation's gradient is strided, which is slow to read again and again.
        direct, path = (None if g is None else spatial.dense(g) for g in gradients)
        if ctx.probe is not None:
            costs = spatial.weighted_dots(direct, path, ctx.saved_tensors, ctx.probe.weights)
            ctx.probe.observe(ctx.cell, ctx.first, costs)
        total = path if direct is None else direct if path is None else direct + path
        # `_Gated` scales it by z, one op at a time: all at once they would have to wait in memory.
        return (None, None, None, None, *[total] * ctx.count)


class _Gated(torch.autograd.Function):
    """O_k as it is, on its way to a node's sum that scales it by z_k: so its gradient is scaled."""

    @staticmethod
    def forward(ctx: Any, out: Tensor, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return out.view_as(out)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[Tensor | None, None]:
        (z,) = ctx.saved_tensors
        return None if gradient is None else z * gradient, None


class Conv(nn.Module):
    """The weights of one convolutional op: a depthwise and a pointwise kernel per stage."""

    def __init__(self, op: str, channels: int) -> None:
        super().__init__()
        kernel, _ = KERNELS[op]
        stages = 2 if op.startswith("sep") else 1
        self.depthwise = nn.ParameterList(
            nn.Parameter(torch.empty(channels, kernel, kernel)) for _ in range(stages)
        )
        self.pointwise = nn.ParameterList(
            nn.Parameter(torch.empty(channels, channels)) for _ in range(stages)
        )
        # For the hot path: a module takes its time to find a parameter.
        self.stages: tuple[tuple[Tensor, Tensor], ...]
        self.stages = tuple(zip(self.depthwise, self.pointwise, strict=True))


class Cell(nn.Module):
    """One normal cell."""

    def __init__(self, space: SpaceConfig, index: int, inputs: tuple[int, int], eps: float) -> None:
        super().__init__()
        self.space, self.index, self.eps = space, index, eps
        self.preprocess = nn.ParameterList(
            nn.Parameter(torch.empty(space.channels, width)) for width in inputs
        )
        self.convs = nn.ModuleDict(
            {
                f"{edge}:{op}": Conv(op, space.channels // space.partial)
                for edge in space.edges
                for op in space.choices(edge)
                if op in KERNELS
            }
        )
        # For the hot path: a module takes its time to find what is in it.
        self.read = tuple(self.preprocess)
        self._convs: dict[tuple[int, str], Conv] = {}
        for key, conv in self.convs.items():
            edge, op = key.split(":")
            self._convs[space.edges.index(Edge.parse(edge)), op] = cast(Conv, conv)

    def _evaluate(self, x: Tensor, slots: tuple[Slot, ...]) -> dict[int, list[Tensor]]:
        """Evaluate the ops that leave a node: outputs (C, B, H, W) per edge, in slot order."""
        outputs: dict[int, list[Tensor]] = {slot.edge: [] for slot in slots}
        kernels = [slot for slot in slots if slot.op in KERNELS]
        rectified = F.relu(x) if kernels else x  # shared, as the pools below
        shared = {"skip_connect": x}
        for slot in slots:
            if slot.op in KERNELS:
                out = self._convolve(rectified, slot)
            else:
                if slot.op not in shared:
                    pool = spatial.max_pool if slot.op == "max_pool_3x3" else spatial.avg_pool
                    shared[slot.op] = spatial.batch_norm(pool(x), self.eps)
                out = shared[slot.op]
            outputs[slot.edge].append(out)
        return outputs

    def _convolve(self, x: Tensor, slot: Slot) -> Tensor:
        """Evaluate one convolution of a rectified map."""
        stages = self._convs[slot.edge, slot.op].stages
        for number, (depthwise, pointwise) in enumerate(stages, start=1):
            rectify = number < len(stages)
            dilation = KERNELS[slot.op][1]
            x = spatial.sepconv(x, depthwise, dilation, pointwise, self.eps, rectify=rectify)
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
                outputs = entering[node]
                concatenated[node], x = _summed(gates, probe, self.index, first, outputs)
                first += len(outputs)
            else:
                continue
            for edge, outputs in self._evaluate(x, plan.leaving[node]).items():
                target = self.space.edges[edge].target
                entering.setdefault(target, []).extend(outputs)
        zero = x.new_zeros(self.space.channels, *x.shape[1:])
        return spatial.concatenate([concatenated.get(node, zero) for node in self.space.outputs])


def _summed(
    z: Tensor | None, probe: Probe | None, cell: int, first: int, outputs: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """The sum of a node's terms, for the concatenation and for the edges that leave the node.

    Args:
        z: gates of all terms; None: 1.
        probe: sees the terms' costs.
        cell: the cell's index.
        first: place of the first output among the terms.
        outputs: K maps (C, B, H, W), in the order of the terms.
    """
    if z is not None:
        z = z[first : first + len(outputs)]
        outputs = [_Gated.apply(*pair) for pair in zip(outputs, z, strict=True)]  # type: ignore[no-untyped-call]
    return _NodeSum.apply(z, probe, cell, first, *outputs)  # type: ignore[no-any-return, no-untyped-call]


class PartialCell(Cell):
    """A cell of which one in `space.partial` channels goes through the ops of an edge (PC-DARTS).

    The op O stands for X -> shuffle(O(first channels of X), the other channels of X), `none` too;
    what passes the edge by is so weighted by the sum of the edge's gates. All edges into a node
    shuffle alike, so it is done once, behind the sum.
    """

    def forward(
        self, s0: Tensor, s1: Tensor, plan: Plan, gates: Tensor | None, probe: Probe | None
    ) -> Tensor:
        """Run the cell on the rectified outputs of the two cells before: (C_in, B, H, W)."""
        width = self.space.channels // self.space.partial
        entering: dict[int, list[Tensor]] = {}
        past: dict[int, list[Tensor]] = {}
        concatenated: dict[int, Tensor] = {}
        first, first_past = 0, len(plan.slots)
        for node in range(self.space.nodes + INPUTS):
            if node < INPUTS:
                x = spatial.pointwise((s0, s1)[node], self.preprocess[node])
                x = spatial.batch_norm(x, self.eps)
            elif node in past:
                pairs = [_summed(gates, probe, self.index, first_past, past[node])]
                first_past += len(past[node])
                if node in entering:
                    pairs.insert(0, _summed(gates, probe, self.index, first, entering[node]))
                    first += len(entering[node])
                else:
                    none = pairs[0][0].new_zeros(width, *x.shape[1:])
                    pairs.insert(0, (none, none))
                concatenated[node], x = (
                    spatial.shuffle(spatial.concatenate(list(maps)), self.space.partial)
                    for maps in zip(*pairs, strict=True)
                )
            else:
                continue
            for edge, outputs in self._evaluate(x[:width], plan.leaving[node]).items():
                target = self.space.edges[edge].target
                entering.setdefault(target, []).extend(outputs)
            for edge in plan.passed:
                if self.space.edges[edge].source == node:
                    past.setdefault(self.space.edges[edge].target, []).append(x[width:])
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

    Attributes:
        weights: all weights in one array, of which the parameters are views.
        gradient: likewise their gradients; a way back adds to them.
        places: where which weights stand.
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
        kind = Cell if space.partial == 1 else PartialCell
        self.cells = nn.ModuleList(
            kind(space, i, (widths[i], widths[i + 1]), eps) for i in range(space.cells)
        )
        # For the hot path: typed, and a module takes its time to find another.
        self.layers: tuple[Cell, ...] = tuple(self.cells)  # type: ignore[arg-type]
        self.classifier = nn.Parameter(torch.empty(classes, width))
        for name, weight in self.named_parameters():
            if not name.startswith("stem_"):
                # PyTorch's default for convolutions and linear layers: uniform, 1 / sqrt(fan in);
                # a depthwise kernel's fan in is its number of taps.
                fan_in = weight[0].numel()
                bound = 1 / math.sqrt(fan_in)
                nn.init.uniform_(weight, -bound, bound, generator=generator)
        self._weights = tuple(self.parameters())  # a module takes its time to find them
        self.memory = small.Memory()
        self._lay_out()

    def _lay_out(self) -> None:
        """Let all weights stand in one array, and all their gradients in another."""
        self.weights = torch.cat([weight.detach().flatten() for weight in self._weights])
        self.gradient = torch.zeros_like(self.weights)
        parts: dict[Tensor, Part] = {}
        start = 0
        for weight in self._weights:
            part = slice(start, start + weight.numel())
            weight.data = self.weights[part].view_as(weight)
            weight.grad = self.gradient[part].view_as(weight)
            parts[weight] = start, weight.numel()
            start = part.stop
        read = tuple((parts[cell.read[0]], parts[cell.read[1]]) for cell in self.layers)
        kernels = [
            {key: [parts[w] for w in conv.parameters()] for key, conv in cell.convs.items()}
            for cell in self.layers
        ]
        # The same in each cell, counted from its own first one.
        first = tuple(min((p[0][0] for p in own.values()), default=0) for own in kernels)
        ops = {}
        for key, own in kernels[0].items():
            edge, op = key.split(":")
            size = sum(size for _, size in own)
            ops[self.space.edges.index(Edge.parse(edge)), op] = own[0][0] - first[0], size
        stem = parts[self.stem][0], self.stem.numel() + 2 * len(self.stem_scale)
        self.places = Places(stem, read, first, ops, parts[self.classifier])

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Supernet:
        """Move or cast all weights."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._lay_out()
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a copy over: its weights were copied one by one."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._lay_out()

    def zero_grad(self, set_to_none: bool = True) -> None:  # noqa: ARG002
        """Forget all gradients: they stay where they are, so they are set to 0."""
        self.gradient.zero_()

    def learning(self, draw: Draw) -> tuple[slice, ...]:
        """The parts of `weights` that take part in a pass: evaluated, not at rest, and read."""
        plan = plan_of(self.space, draw.active)
        return learning_parts(self.space, plan, resting_slots(plan, draw), self.places)

    def embed(self, images: Tensor) -> Tensor:
        """The stem: images (B, channels, H, W) to a feature map (3 C, B, H, W)."""
        if self._compiled(images):
            weights = self.stem, self.stem_scale, self.stem_shift
            return small.Stem.apply(images, *weights, self.eps).permute(0, 3, 1, 2)  # type: ignore[no-any-return, no-untyped-call]
        x = spatial.stem(images, self.stem)
        return spatial.batch_norm(x, self.eps, self.stem_scale, self.stem_shift)

    def _compiled(self, x: Tensor) -> bool:
        """Whether images or maps (..., H, W) are left to `wiring.space.small`."""
        return self.space.partial == 1 and small.is_small(x)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """What is evaluated in here has no gradient of any weight, and does not compute it."""
        for weight in self._weights:
            weight.requires_grad_(False)
        try:
            yield
        finally:
            for weight in self._weights:
                weight.requires_grad_(True)

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
        if not draw.unit or plan.passed:
            places = slot_places(self.space, draw.active, x.device)
            gates = draw.gates.flatten()[places].to(x.dtype)
        if gates is not None and plan.passed:
            past = draw.gates.sum(-1)[passed_places(self.space, draw.active, x.device)]
            gates = torch.cat([gates, past.to(x.dtype)])
        learns = torch.is_grad_enabled() and self.classifier.requires_grad
        # What only asks for costs has to go back, too.
        asks = probe is not None and torch.is_grad_enabled() and not x.requires_grad and not learns
        if self._compiled(x):
            resting = resting_slots(plan, draw)
            run = small.Run(self, plan, gates, resting, probe, keep=torch.is_grad_enabled())
            anchor = x.new_zeros(()).requires_grad_() if asks else None
            pixels = x.permute(0, 2, 3, 1)
            return small.Small.apply(run, anchor, pixels, self.classifier)  # type: ignore[no-any-return, no-untyped-call]
        if asks:
            x.requires_grad_()
        s0 = s1 = F.relu(x)
        for cell in self.cells:
            out = cell(s0, s1, plan, gates, probe)
            # The next two cells both begin with a ReLU of this output; the classifier does not.
            s0, s1 = s1, F.relu(out)
        return spatial.average(out) @ self.classifier.T
