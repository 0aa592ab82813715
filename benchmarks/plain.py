"""The supernet evaluated op by op, as DARTS writes it: a twin for tests, a baseline for speed.

Images are (B, C, H, W) and every op runs its own ReLU, convolutions, pool and batch norm. It reads
its weights from a `Supernet`, so both must agree.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from wiring.space import Supernet
from wiring.space.plan import KERNELS


def batch_norm(x: Tensor, eps: float) -> Tensor:
    return F.batch_norm(x, None, None, training=True, eps=eps)


def conv1x1(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight[:, :, None, None])


def evaluate(net: Supernet, cell: int, edge: str, op: str, x: Tensor) -> Tensor:
    """One op on one edge."""
    if op == "none":
        return torch.zeros_like(x)
    if op == "skip_connect":
        return x
    if op == "max_pool_3x3":
        return batch_norm(F.max_pool2d(x, 3, 1, 1), net.eps)
    if op == "avg_pool_3x3":
        return batch_norm(F.avg_pool2d(x, 3, 1, 1, count_include_pad=False), net.eps)
    kernel, dilation = KERNELS[op]
    conv = net.cells[cell].convs[f"{edge}:{op}"]
    for depthwise, pointwise in zip(conv.depthwise, conv.pointwise, strict=True):
        x = F.relu(x)
        x = F.conv2d(
            x,
            depthwise[:, None],
            padding=dilation * (kernel - 1) // 2,
            dilation=dilation,
            groups=x.shape[1],
        )
        x = batch_norm(conv1x1(x, pointwise), net.eps)
    return x


def partial(net: Supernet, cell: int, edge: str, op: str, x: Tensor) -> Tensor:
    """One op on one edge, on the first of the channels only; then a channel shuffle."""
    batch, channels, height, width = x.shape
    groups = net.space.partial
    first = channels // groups
    out = torch.cat([evaluate(net, cell, edge, op, x[:, :first]), x[:, first:]], 1)
    out = out.reshape(batch, groups, first, height, width).transpose(1, 2)
    return out.reshape(batch, channels, height, width)


def forward(net: Supernet, images: Tensor, gates: Tensor) -> Tensor:
    """Logits for gates Z.

    Args:
        net: gives the weights.
        images: (B, channels, H, W).
        gates: (edges, ops), shared by the cells, or (cells, edges, ops).
    """
    space = net.space
    gates = gates.expand(space.cells, -1, -1)
    x = batch_norm(F.conv2d(images, net.stem, padding=1), net.eps)
    s0 = s1 = x * net.stem_scale[:, None, None] + net.stem_shift[:, None, None]
    for cell in range(space.cells):
        inputs = zip((s0, s1), net.cells[cell].preprocess, strict=True)
        states = [batch_norm(conv1x1(F.relu(s), w), net.eps) for s, w in inputs]
        for node in range(2, space.nodes + 2):
            total = torch.zeros_like(states[0])
            for row, edge in enumerate(space.edges):
                if edge.target == node:
                    for op in space.choices(edge):
                        z = gates[cell, row, space.ops.index(op)]
                        total = total + z * partial(net, cell, edge, op, states[edge.source])
            states.append(total)
        s0, s1 = s1, torch.cat([states[node] for node in space.outputs], 1)
    return s1.mean((2, 3)) @ net.classifier.T
