"""The supernet: stem, normal cells, global average pool, a linear classifier without bias."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wiring.config import SpaceConfig
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
        ctx.probe, ctx.cell, ctx.first, ctx.scaled = probe, cell, first, z is not None
        ctx.save_for_backward(*([z] if z is not None else []), *(blocks if probe else []))
        ctx.sizes = [len(block) for block in blocks]
        total: Tensor | None = None
        start = 0
        for block in blocks:
            if z is None:
                part = block.sum(0) if len(block) > 1 else block[0]
            else:
                # Autocast would round the sum of a node.
                with torch.autocast(block.device.type, enabled=False):
                    part = (z[start : start + len(block)] @ block.flatten(1)).view(block.shape[1:])
            start += len(block)
            total = part if total is None else total + part
        assert total is not None
        # One block of one op is returned as it came: autograd wants an output of its own.
        out = total.clone() if z is None and start == 1 else total
        return out, out.view_as(out)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        direct, path = gradients
        saved = list(ctx.saved_tensors)
        z = saved.pop(0) if ctx.scaled else None
        if ctx.probe is not None:
            ctx.probe.observe(ctx.cell, ctx.first, saved, direct, path)
        total = path if direct is None else direct if path is None else direct + path
        grads: list[Tensor | None] = []
        start = 0
        for size in ctx.sizes:
            if total is None:
                grads.append(None)
            elif z is None:
                grads.append(total.expand(size, *total.shape))
            else:
                grads.append(z[start : start + size].view(-1, 1, 1, 1, 1) * total)
            start += size
        return (None, None, None, None, *grads)


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


def _stage(x: Tensor, convs: list[_Conv], stage: int, eps: float) -> Tensor:
    """One (depthwise, pointwise, BN) stage of S convolutions at once, after the ReLU."""
    x = spatial.depthwise(x, [c.depthwise[stage] for c in convs], [c.dilation for c in convs])
    x = spatial.pointwise(x, torch.stack([c.pointwise[stage] for c in convs]))
    return spatial.batch_norm(x, eps)


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
        if kernels:
            names = [f"{self.space.edges[slot.edge]}:{slot.op}" for slot in kernels]
            convs: list[_Conv] = [self.convs[name] for name in names]  # type: ignore[misc]
            # What the ops of a node share is done once: the ReLU here, the pools below.
            first = _stage(F.relu(x), convs, 0, self.eps)
            separable = sum(slot.op.startswith("sep") for slot in kernels)
            sep, dil = first.split([separable, len(kernels) - separable])
            if separable:
                sep = _stage(F.relu(sep), convs[:separable], 1, self.eps)
            for out, group in ((sep, kernels[:separable]), (dil, kernels[separable:])):
                if group:
                    edges = [(edge, len(list(run))) for edge, run in groupby(s.edge for s in group)]
                    for (edge, _), block in zip(
                        edges, out.split([n for _, n in edges]), strict=True
                    ):
                        blocks[edge].append(block)
        shared = {"skip_connect": x}
        for slot in slots[len(kernels) :]:
            if slot.op not in shared:
                pool = spatial.max_pool if slot.op == "max_pool_3x3" else spatial.avg_pool
                shared[slot.op] = spatial.batch_norm(pool(x), self.eps)
            blocks[slot.edge].append(shared[slot.op][None])
        return blocks

    def forward(
        self, s0: Tensor, s1: Tensor, plan: Plan, gates: Tensor | None, probe: Probe | None
    ) -> Tensor:
        """Run the cell on the rectified outputs of the two cells before: (C_in, B, H, W)."""
        entering: dict[int, list[Tensor]] = {}
        concatenated: dict[int, Tensor] = {}
        first = 0
        for node in range(self.space.nodes + 2):
            if node < 2:
                x = spatial.pointwise((s0, s1)[node], self.preprocess[node])
                x = spatial.batch_norm(x, self.eps)
            elif node in entering:
                blocks = entering[node]
                count = sum(len(block) for block in blocks)
                z = None if gates is None else gates[first : first + count]
                concatenated[node], x = _NodeSum.apply(z, probe, self.index, first, *blocks)  # type: ignore[no-untyped-call]
                first += count
            else:
                continue
            for edge, blocks in self._evaluate(x, plan.leaving[node]).items():
                target = int(self.space.edges[edge].split("-")[1])
                entering.setdefault(target, []).extend(blocks)
        outputs = self.space.output_nodes or range(2, self.space.nodes + 2)
        zero = x.new_zeros(self.space.channels, *x.shape[1:])
        return torch.cat([concatenated.get(node, zero) for node in outputs])


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
        width = space.channels * len(space.output_nodes or range(space.nodes))
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
        x = F.conv2d(images, self.stem, padding=1).transpose(0, 1).contiguous()
        x = spatial.batch_norm(x, self.eps)
        return x * self.stem_scale.view(-1, 1, 1, 1) + self.stem_shift.view(-1, 1, 1, 1)

    def forward(self, x: Tensor, draw: Draw, probe: Probe | None = None) -> Tensor:
        """Classify.

        Args:
            x: the stem's output, (3 C, B, H, W): its gradient is what an architecture step needs
                to reach every node without computing a gradient of any weight.
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
        features: Tensor = out.mean((2, 3))
        return (self.classifier @ features).T
