"""One pass of a batch: what every step of a search is made of."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor

from wiring.measure.probe import CostProbe
from wiring.measure.samples import SampleStatistics, sample_statistics
from wiring.space import Draw, Supernet


def backward(
    net: Supernet,
    images: Tensor,
    labels: Tensor,
    draw: Draw,
    probe: CostProbe | None,
    *,
    weights: bool,
    amp: bool = False,
) -> SampleStatistics:
    """Classify a batch and go back through the batch-mean loss.

    Args:
        net: the supernet.
        images: (B, channels, H, W), normalised.
        labels: (B), class indices.
        draw: the gates.
        probe: measures the local costs; None measures nothing.
        weights: leave the weights' gradients in `grad`; else none is computed, only costs are.
        amp: forward in bfloat16 where that is safe.

    Returns:
        The samples' statistics; the loss is still part of the graph.
    """
    autocast = torch.autocast(images.device.type, torch.bfloat16, amp)
    with autocast, nullcontext() if weights else net.frozen():
        stem = net.embed(images)
        if not weights:
            # The gradient of the stem's output passes every node, and no weight's is computed.
            stem.requires_grad_()
        logits = net(stem, draw, probe)
    statistics = sample_statistics(logits, labels)
    if probe is not None:
        probe.weigh(statistics)
    # A draw of `none` only does not depend on anything, and all costs are 0.
    if logits.requires_grad:
        statistics.loss.mean().backward(inputs=None if weights else [stem])
    if weights:
        net.rest(draw)
    return statistics
