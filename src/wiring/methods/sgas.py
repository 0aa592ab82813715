"""SGAS: Li et al. 2020, arXiv:1912.00195."""

from __future__ import annotations

import math

from torch import Tensor

from wiring.methods.common import probabilities
from wiring.methods.darts import DARTS
from wiring.methods.protocol import Context
from wiring.methods.settings import SGASSettings
from wiring.space import Candidates


class SGAS(DARTS):
    """DARTS that decides greedily, edge by edge, while it searches (the paper's criterion 1).

    At each decision the undecided edge of largest (1 - p_none) (1 - H) takes its best op, with H
    the entropy of the ops other than `none`, by themselves, over its largest value. A node with
    `settings.inputs` decided inputs loses the undecided others, where `none` is allowed to them.
    """

    def __init__(self, settings: SGASSettings | None = None) -> None:
        self.settings = settings or SGASSettings()
        super().__init__()

    def epoch_done(
        self, alpha: Tensor, candidates: Candidates, context: Context
    ) -> Candidates | None:
        """Make the decisions that fell due in this epoch."""
        for _ in range(self.settings.due(context.progress, context.epochs)):
            candidates = self._decided(alpha, candidates)
        return candidates

    def _decided(self, alpha: Tensor, candidates: Candidates) -> Candidates:
        """The candidates after one decision; the same if none is left to take."""
        none = candidates.column("none")
        strengths = probabilities(alpha.detach(), candidates).tolist()
        ranked = []
        for row, (own, allowed) in enumerate(zip(strengths, candidates.columns, strict=True)):
            real = [column for column in allowed if column != none]
            if len(allowed) > 1:
                ranked.append((_certainty([own[c] for c in real]), -row, real))
        if not ranked:
            return candidates
        _, row, real = max(ranked)
        row = -row
        candidates = candidates.fixed(row, max(real, key=lambda c: (strengths[row][c], -c)))
        return self._pruned(candidates, candidates.edges[row].target)

    def _pruned(self, candidates: Candidates, node: int) -> Candidates:
        """Without the undecided edges into a node that has inputs enough."""
        none = candidates.column("none")
        rows = [row for row, edge in enumerate(candidates.edges) if edge.target == node]
        taken = [row for row in rows if len(candidates.columns[row]) == 1]
        if sum(candidates.columns[row] != (none,) for row in taken) < self.settings.inputs:
            return candidates
        for row in rows:
            if none is not None and none in candidates.columns[row]:
                candidates = candidates.fixed(row, none)
        return candidates


def _certainty(p: list[float]) -> float:
    """(sum p) (1 - entropy of p / sum p, over its largest value)."""
    total = sum(p)
    if len(p) < 2 or total == 0:
        return total
    shares = [value / total for value in p if value > 0]
    entropy = -sum(share * math.log(share) for share in shares)
    return total * (1 - entropy / math.log(len(p)))
