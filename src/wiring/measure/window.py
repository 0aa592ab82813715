"""Accumulate the statistics of a window of steps on the device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from wiring.config import SpaceConfig
from wiring.measure.measurement import Measurement
from wiring.measure.samples import SampleSums, device_sums

RESIDUALS = ("residual_direct", "residual_inner", "residual_total", "skip_weight")
"""The largest of each over a window's steps, in the order of `Window._worst`."""


class Window:
    """Running sums over the steps of a window, in float64 on the device: no step waits for them.

    A step counts by its samples, so that in every mean a sample weighs alike, in whatever batch.

    Args:
        space: the search space.
        device: where the search runs.
    """

    def __init__(self, space: SpaceConfig, device: torch.device) -> None:
        cells, edges, ops = space.cells, len(space.edges), len(space.ops)

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.float64, device=device)

        self.steps = 0
        self.samples = 0
        self._sums = zeros(len(SampleSums._fields) - 1)
        self._worst = zeros(len(RESIDUALS))
        self._first_lost = zeros(1) + torch.inf
        # Per (edge, op): steps that evaluated it, and the samples of these steps.
        self._count, self._n_wrong, self._n_all = (zeros(edges, ops) for _ in range(3))
        # Total, square, direct part, and the own cost of correct and of wrong samples.
        self._cost = zeros(5, cells, edges, ops)
        self._credit = zeros(3, cells, edges)  # direct, path, that of skip on intermediate edges
        self._squares = zeros(edges)  # of an edge's credit, all cells
        self._own = zeros(2)  # the credit of correct and of wrong samples
        self._skip = zeros(edges, ops)
        self._inner = zeros(edges)
        for row, edge in enumerate(space.edges):
            self._inner[row] = float(edge.kind == "intermediate")
        if "skip_connect" in space.ops:
            self._skip[:, space.ops.index("skip_connect")] = self._inner

    def add(self, measured: Measurement) -> None:
        """Add one step; nothing here waits for the device."""
        statistics, cost, direct, correct, wrong, evaluated, gates, past = measured
        size = len(statistics.loss)
        self.steps += 1
        self.samples += size
        self._sums += device_sums(statistics)
        gap = (statistics.loss.detach().double() - statistics.entropy.double()).mean()
        n_wrong = (~statistics.correct).sum()
        self._count += evaluated
        self._n_all += evaluated * size
        self._n_wrong += evaluated * n_wrong
        # A sample's own cost is its share of the batch's cost, in units of a whole batch.
        self._cost += torch.stack([cost, cost.square(), direct, correct, wrong]) * size
        handed = cost * self._skip
        if past is not None:  # as skip does, whatever the op is, and counted in every op's cost
            past = past[..., None]
            handed = (cost - past) * self._skip + past * self._inner[:, None]
        credit = torch.stack([direct, cost - direct, handed]).mul_(gates).sum(-1)
        self._credit += credit * size
        self._squares += (credit[0] + credit[1]).sum(0).square() * size
        self._own += torch.stack([(correct * gates).sum(), (wrong * gates).sum()]) * size
        # What skip_connect, or a channel that passes by, hands on along an intermediate edge counts
        # on that edge and on those before it: without its second counting the laws hold for every
        # wiring (docs/science.md, fact 3).
        per_cell = (credit[0] + credit[1] - credit[2]).sum(-1)
        inner = per_cell[:-1].abs().amax() if len(per_cell) > 1 else gap.new_zeros(())
        lost = torch.where(gap.isfinite(), torch.inf, float(self.steps))
        self._first_lost = torch.minimum(self._first_lost, lost)
        residuals = [
            (credit[0, -1].sum() - gap).abs(),
            inner,
            (per_cell.sum() - gap).abs(),
            (gates * self._skip).amax(),
        ]
        self._worst = torch.maximum(self._worst, torch.stack(residuals))

    def first_lost(self) -> int:
        """The first step of the window (from 1) whose loss was not finite; the host waits."""
        first = self._first_lost.item()
        return int(first) if first < torch.inf else self.steps

    def sums(self) -> SampleSums:
        """The sums over the window's samples; the host waits."""
        return SampleSums.of(self._sums, self.samples)

    def row(self) -> dict[str, float | np.ndarray]:
        """The window's statistics, under the names of the trajectory's schema.

        This is where the host waits for the device: once a window.
        """
        count = self._count.cpu().numpy()
        n_wrong = self._n_wrong.cpu().numpy()
        n_all = self._n_all.cpu().numpy()
        n_correct = n_all - n_wrong
        total, square, direct, correct, wrong = self._cost.cpu().numpy()
        credit = self._credit.cpu().numpy() / self.samples
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / n_all
            variance = np.maximum(square / n_all - mean**2, 0)
            row: dict[str, float | np.ndarray] = {
                "count": count,
                "cost_mean": mean,
                "cost_var": variance,
                "direct_mean": direct / n_all,
                "cost_correct": correct / n_correct,
                "cost_wrong": wrong / n_wrong,
            }
        row |= dict(zip(("credit_direct", "credit_path", "credit_skip"), credit, strict=True))
        row["credit_square"] = self._squares.cpu().numpy() / self.samples
        row |= dict(zip(RESIDUALS, self._worst.tolist(), strict=True))
        sums = self.sums()
        own_correct, own_wrong = self._own.tolist()
        n_right, n_other = sums.correct, sums.samples - sums.correct
        row["credit_correct"] = own_correct / n_right if n_right else float("nan")
        row["credit_wrong"] = own_wrong / n_other if n_other else float("nan")
        return row | sums.means()
