"""DARTS-PT: Wang et al. 2021, arXiv:2108.04392."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from wiring.methods.darts import DARTS
from wiring.methods.protocol import Context, Loss
from wiring.methods.settings import DARTSPTSettings
from wiring.space import Candidates, Draw


class DARTSPT(DARTS):
    """DARTS whose wiring is decided by perturbation, not by alpha's size.

    At each decision one edge takes the op without which the mixture's held-out accuracy is lowest;
    the others' gates stay as they are. When all edges have one, a decision is a node's: it keeps
    the `settings.inputs` edges without which accuracy is lowest. Training goes on between. `none`
    is no op to decide for: it is what an edge that a node does not keep becomes, where the space
    allows it. The paper decides the edges in a random order, this in the order of their rows.
    """

    wants_loss = True

    def __init__(self, settings: DARTSPTSettings | None = None) -> None:
        self.settings = settings or DARTSPTSettings()
        super().__init__()
        # Per edge: whether the space lets it be none. Known from the first epoch on.
        self._removable: list[bool] = []

    def epoch_done(
        self, alpha: Tensor, candidates: Candidates, context: Context
    ) -> Candidates | None:
        """Make the decisions that fell due in this epoch."""
        loss = context.loss
        assert loss is not None
        if not self._removable:
            none = candidates.column("none")
            self._removable = [none in columns for columns in candidates.columns]
        for _ in range(self.settings.due(context.progress, context.epochs)):
            candidates = self._decided(alpha, candidates, loss)
        return candidates

    def _decided(self, alpha: Tensor, candidates: Candidates, loss: Loss) -> Candidates:
        """The candidates after one decision; the same if none is left to take."""
        mixture = self.evaluation(alpha, candidates)
        none = candidates.column("none")
        for row, columns in enumerate(candidates.columns):
            if len(columns) > 1:
                ops = [column for column in columns if column != none]
                lost = {op: loss.accuracy(_without(mixture, row, (op,))) for op in ops}
                return candidates.fixed(row, min(ops, key=lambda op: lost[op]))
        for node in sorted({edge.target for edge in candidates.edges}):
            entering = [
                row
                for row, edge in enumerate(candidates.edges)
                if edge.target == node and candidates.columns[row] != (none,)
            ]
            excess = len(entering) - self.settings.inputs
            free = [row for row in entering if self._removable[row]]
            if none is not None and excess > 0 and free:
                lost = {
                    row: loss.accuracy(_without(mixture, row, mixture.active[row])) for row in free
                }
                for row in sorted(free, key=lambda row: (-lost[row], -row))[:excess]:
                    candidates = candidates.fixed(row, none)
                return candidates
        return candidates

    def state_dict(self) -> dict[str, Any]:
        """Which edges the space lets be none."""
        return {"removable": self._removable}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the state was taken."""
        self._removable = list(state["removable"])


def _without(mixture: Draw, row: int, columns: tuple[int, ...]) -> Draw:
    """The mixture without some ops of one edge; no other gate changes."""
    gates, active = mixture.gates.clone(), list(mixture.active)
    gates[row, list(columns)] = 0
    active[row] = tuple(column for column in active[row] if column not in columns)
    return Draw(gates, tuple(active))
