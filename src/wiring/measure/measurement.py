"""One call measures: a batch forward and backward, and what that tells of every edge and op."""

from __future__ import annotations

from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from wiring.measure.probe import CostProbe, Split, by_outcome, one_by_one
from wiring.measure.samples import SampleStatistics, sample_statistics
from wiring.space import Draw, Supernet, active_mask, passed_places, slot_places


class Measurement(NamedTuple):
    """What one backward pass told of a batch, and of every cell, edge and op.

    Costs and gates are float64 on the device; L cells, E edges, O ops.

    Attributes:
        samples: loss, entropy and correctness of each sample.
        cost: (L, E, O), the local cost dL/dZ in nats; 0 where nothing was evaluated. Where
            channels pass an edge by, each of its ops has their cost in its own, `none` too.
        direct: (L, E, O), its part through the concatenation.
        correct: (L, E, O), its part from the correctly classified samples.
        wrong: (L, E, O), its part from the wrongly classified ones.
        evaluated: (E, O), 1 where the op was evaluated (`none` of an active edge included).
        gates: (E, O), Z.
        past: (L, E), the cost of the channels that pass an edge by; None where all go through.
    """

    samples: SampleStatistics
    cost: Tensor
    direct: Tensor
    correct: Tensor
    wrong: Tensor
    evaluated: Tensor
    gates: Tensor
    past: Tensor | None = None


def measure(
    net: Supernet,
    images: Tensor,
    labels: Tensor,
    draw: Draw,
    *,
    weights: bool,
    amp: bool = False,
) -> Measurement:
    """Classify a batch, go back through the batch-mean loss, and measure the local costs.

    Args:
        net: the supernet.
        images: (B, channels, H, W), normalised.
        labels: (B), class indices.
        draw: the gates.
        weights: leave the weights' gradients in `net.gradient`; else only costs are computed.
        amp: forward in bfloat16 where that is safe.
    """
    samples, probe = _pass(net, images, labels, draw, by_outcome, weights=weights, amp=amp)
    space = net.space
    shape = (len(space.edges), len(space.ops))
    device = probe.direct.device
    places = slot_places(space, draw.active, device)
    correct, wrong = probe.direct + probe.path
    terms = torch.stack([correct + wrong, probe.direct.sum(0), correct, wrong])
    wide = terms.new_zeros(4, space.cells, shape[0] * shape[1])
    wide[..., places] = terms[..., : len(places)]
    wide = wide.view(4, space.cells, *shape)
    evaluated = active_mask(draw.active, shape, device)
    past = None
    if space.partial > 1:
        beside = terms.new_zeros(4, space.cells, shape[0])
        rows = passed_places(space, draw.active, device)
        beside[..., rows] = terms[..., len(places) :]
        wide = wide + beside[..., None] * evaluated
        past = beside[0]
    gates = draw.gates.double()
    cost, direct, correct, wrong = wide.unbind()
    return Measurement(samples, cost, direct, correct, wrong, evaluated, gates, past)


def measure_each(
    net: Supernet, images: Tensor, labels: Tensor, draw: Draw
) -> tuple[SampleStatistics, Tensor]:
    """Measure each sample's own credit on each edge; the weights get no gradient.

    Args:
        net: the supernet.
        images: (B, channels, H, W), normalised.
        labels: (B), class indices.
        draw: the gates.

    Returns:
        The samples' statistics, and their credits sum_o Z C over the cells: (B, E), float64, in
        units of a whole batch, so that the mean over samples is the credit of the batch.
    """
    samples, probe = _pass(net, images, labels, draw, one_by_one, weights=False)
    cost = (probe.direct + probe.path).sum(1)
    places = slot_places(net.space, draw.active, cost.device)
    credit = cost.new_zeros(len(cost), len(net.space.edges))
    gates = draw.gates.flatten()[places].double()
    through, past = cost[:, : len(places)], cost[:, len(places) :]
    credit.index_add_(1, places // len(net.space.ops), through * gates)
    if net.space.partial > 1:
        rows = passed_places(net.space, draw.active, cost.device)
        credit.index_add_(1, rows, past * draw.gates.double().sum(-1)[rows])
    return samples, credit * len(cost)


def _pass(
    net: Supernet,
    images: Tensor,
    labels: Tensor,
    draw: Draw,
    split: Split,
    *,
    weights: bool,
    amp: bool = False,
) -> tuple[SampleStatistics, CostProbe]:
    """Forward and backward under a probe that splits costs over the samples by `split`."""
    probe = CostProbe(net.space, draw, split)
    if weights:
        net.gradient.zero_()
    autocast = torch.autocast(images.device.type, torch.bfloat16, amp)
    with autocast, nullcontext() if weights else net.frozen():
        logits = net(net.embed(images), draw, probe)
    samples = sample_statistics(logits, labels)
    probe.weigh(samples)
    # A draw of `none` only does not depend on anything, and all costs are 0.
    if logits.requires_grad:
        samples.loss.mean().backward()
    return samples, probe
