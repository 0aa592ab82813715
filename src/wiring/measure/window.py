"""Accumulate the statistics of a window of steps on the device."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wiring.config import SpaceConfig
from wiring.measure.probe import CostProbe
from wiring.measure.samples import SampleStatistics
from wiring.space import Draw, active_mask, slot_places

SCALARS = (
    "loss",
    "entropy",
    "accuracy",
    "loss_correct",
    "loss_wrong",
    "entropy_correct",
    "entropy_wrong",
)


class StepRecord(NamedTuple):
    """What one backward pass told of every cell, edge and op; all float64 on the device.

    Attributes:
        cost: (L, E, O), the local cost dL/dZ; 0 where nothing was evaluated.
        direct: (L, E, O), its part through the concatenation.
        correct: (L, E, O), its part from the correctly classified samples.
        wrong: (L, E, O), its part from the wrongly classified ones.
        evaluated: (E, O), 1 where the op was evaluated (`none` of an active edge included).
        gates: (E, O), Z.
    """

    cost: Tensor
    direct: Tensor
    correct: Tensor
    wrong: Tensor
    evaluated: Tensor
    gates: Tensor

    @classmethod
    def of(cls, space: SpaceConfig, draw: Draw, probe: CostProbe) -> StepRecord:
        """Lay a probe's slots out over (cells, edges, ops).

        Args:
            space: the search space.
            draw: what was evaluated.
            probe: filled, with the weightings (1 for correct samples, 1 for wrong ones).
        """
        shape = (len(space.edges), len(space.ops))
        device = probe.direct.device
        places = slot_places(space, draw.active, device)
        correct, wrong = probe.direct + probe.path
        wide = probe.direct.new_zeros(4, space.cells, shape[0] * shape[1])
        wide[..., places] = torch.stack([correct + wrong, probe.direct.sum(0), correct, wrong])
        cost, direct, correct, wrong = wide.view(4, space.cells, *shape).unbind()
        evaluated = active_mask(draw.active, shape, device)
        return cls(cost, direct, correct, wrong, evaluated, draw.gates.double())


class Window:
    """Running sums over the steps of a window, in float64 on the device: no step waits for them.

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
        self._scalars = zeros(7)
        self._worst = zeros(4)
        self._first_lost = zeros(1) + torch.inf
        self._count, self._n_wrong = zeros(edges, ops), zeros(edges, ops)
        self._n_all = zeros(edges, ops)
        self._cost = zeros(5, cells, edges, ops)
        self._credit = zeros(2, cells, edges)
        self._own = zeros(2)
        self._skip = zeros(edges, ops)
        if "skip_connect" in space.ops:
            column = space.ops.index("skip_connect")
            for row, edge in enumerate(space.edges):
                self._skip[row, column] = float(edge.kind == "intermediate")

    def add_samples(self, statistics: SampleStatistics) -> None:
        """Add a batch's loss, entropy and accuracy."""
        loss, entropy = statistics.loss.detach().double(), statistics.entropy.double()
        correct = statistics.correct.double()
        self.samples += len(loss)
        self._scalars += torch.stack(
            [
                loss.sum(),
                entropy.sum(),
                correct.sum(),
                loss @ correct,
                loss @ (1 - correct),
                entropy @ correct,
                entropy @ (1 - correct),
            ]
        )

    def add(self, record: StepRecord, statistics: SampleStatistics) -> None:
        """Add one step; nothing here waits for the device."""
        self.add_samples(statistics)
        self.steps += 1
        size = len(statistics.loss)
        gap = (statistics.loss.detach().double() - statistics.entropy.double()).mean()
        cost, direct, correct, wrong, evaluated, gates = record
        n_wrong = (~statistics.correct).sum()
        self._count += evaluated
        self._n_all += evaluated * size
        self._n_wrong += evaluated * n_wrong
        # A sample's own cost is its share of the batch's cost, in units of a whole batch.
        self._cost += torch.stack([cost, cost.square(), direct, correct * size, wrong * size])
        credit = torch.stack([direct, cost - direct]).mul_(gates).sum(-1)
        self._credit += credit
        self._own += torch.stack([(correct * gates).sum(), (wrong * gates).sum()]) * size
        per_cell = credit.sum((0, 2))
        inner = per_cell[:-1].abs().amax() if len(per_cell) > 1 else gap.new_zeros(())
        lost = torch.where(gap.isfinite(), torch.inf, float(self.steps))
        self._first_lost = torch.minimum(self._first_lost, lost)
        self._worst = torch.maximum(
            self._worst,
            torch.stack(
                [
                    (credit[0, -1].sum() - gap).abs(),
                    inner,
                    (per_cell.sum() - gap).abs(),
                    (gates * self._skip).amax(),
                ]
            ),
        )

    def first_lost(self) -> int:
        """The first step of the window (from 1) whose loss was not finite; the host waits."""
        first = self._first_lost.item()
        return int(first) if first < torch.inf else self.steps

    def sums(self) -> np.ndarray:
        """The sums behind loss, entropy, accuracy and their splits, and the number of samples."""
        return np.append(self._scalars.cpu().numpy(), float(self.samples))

    def row(self) -> dict[str, float | np.ndarray]:
        """The window's statistics, under the names of the trajectory's schema.

        This is where the host waits for the device: once a window.
        """
        count = self._count.cpu().numpy()
        n_wrong = self._n_wrong.cpu().numpy()
        n_correct = self._n_all.cpu().numpy() - n_wrong
        total, square, direct, correct, wrong = self._cost.cpu().numpy()
        worst = self._worst.cpu().numpy()
        credit = self._credit.cpu().numpy() / self.steps
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / count
            variance = np.maximum(square / count - mean**2, 0)
            row: dict[str, float | np.ndarray] = {
                "count": count,
                "cost_mean": mean,
                "cost_var": variance,
                "direct_mean": direct / count,
                "cost_correct": correct / n_correct,
                "cost_wrong": wrong / n_wrong,
            }
        row |= {
            "credit_direct": credit[0],
            "credit_path": credit[1],
            "residual_direct": float(worst[0]),
            "residual_inner": float(worst[1]),
            "residual_total": float(worst[2]),
            "skip_weight": float(worst[3]),
        }
        scalars = self.sums()
        numbers = (scalars[2], self.samples - scalars[2])
        for kind, own, n in zip(("correct", "wrong"), self._own.tolist(), numbers, strict=True):
            row[f"credit_{kind}"] = own / n if n else float("nan")
        return row | scalar_row(scalars)


def scalar_row(sums: np.ndarray) -> dict[str, float]:
    """Means from the sums of :meth:`Window.sums`; NaN for a mean over no sample."""
    loss, entropy, n_correct, *splits, samples = (float(value) for value in sums)
    n_wrong = samples - n_correct
    counts = (n_correct, n_wrong, n_correct, n_wrong)
    means = [s / n if n else float("nan") for s, n in zip(splits, counts, strict=True)]
    return dict(
        zip(SCALARS, [loss / samples, entropy / samples, n_correct / samples, *means], strict=True)
    )
