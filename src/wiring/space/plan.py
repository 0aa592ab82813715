"""Which ops of which edges a forward pass evaluates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from wiring.config import INPUTS, Edge, SpaceConfig

KERNELS = {
    "sep_conv_3x3": (3, 1),
    "sep_conv_5x5": (5, 1),
    "dil_conv_3x3": (3, 2),
    "dil_conv_5x5": (5, 2),
}
"""Kernel size and dilation of the convolutional ops (DARTS, Liu et al. 2019)."""
KEPT = 256
"""Draws whose plan is kept.

Thousands of them, small pieces between the large blocks of the heap, would keep freed memory from
being used again: it would grow for as long as a search samples new cells.
"""


@dataclass(frozen=True)
class Draw:
    """One setting Z of the gates, as a method draws it.

    Attributes:
        gates: Z, (edges, ops), on the device; 0 for every op that is not active.
        active: per edge the columns of the ops to evaluate, ascending, known to the host.
        unit: every active gate is exactly 1, so that nothing needs scaling.
        resting: per edge the active ops whose gate is 0: evaluated for their cost, while their
            weights take no part in the step. Empty: there are none.
        memory: what the method's gradient wants to know of this draw, for nobody else.
    """

    gates: Tensor
    active: tuple[tuple[int, ...], ...]
    unit: bool = False
    resting: tuple[tuple[int, ...], ...] = ()
    memory: Any = None


class Slot(NamedTuple):
    """One evaluated op on one edge: row and column in alpha, source and target node."""

    edge: int
    column: int
    source: int
    target: int
    op: str


@dataclass(frozen=True)
class Plan:
    """The evaluated slots, by target node; `none` is never evaluated: it is 0.

    Attributes:
        slots: all slots, sorted by target: a slot's place here is its place in the gates' vector.
        leaving: per node, the slots that read it: separable, then dilated convolutions (each
            contiguous per edge), then the rest.
        passed: the rows of the edges that channels pass by, by target node; empty where the space
            has no partial channels. A node's terms are its slots, and what passes these edges:
            in vectors of all terms the slots come first.
    """

    slots: tuple[Slot, ...]
    leaving: tuple[tuple[Slot, ...], ...]
    passed: tuple[int, ...] = ()


def _rank(op: str) -> int:
    return 0 if op.startswith("sep") else 1 if op.startswith("dil") else 2


@lru_cache(maxsize=KEPT)
def _plan(
    edges: tuple[Edge, ...],
    ops: tuple[str, ...],
    nodes: int,
    active: tuple[tuple[int, ...], ...],
    partial: bool,
) -> Plan:
    slots = []
    for row, (edge, columns) in enumerate(zip(edges, active, strict=True)):
        slots += [Slot(row, c, *edge, ops[c]) for c in columns if ops[c] != "none"]
    # A node that nothing enters is 0, and every op of 0 is 0 (no op has a bias): leave it out.
    alive = set(range(INPUTS))
    kept, passed = [], []
    for node in range(INPUTS, nodes + INPUTS):
        entering = [s for s in slots if s.target == node and s.source in alive]
        if partial:
            into = (row for row, edge in enumerate(edges) if edge.target == node)
            past = [row for row in into if edges[row].source in alive]
        else:
            past = []
        if entering or past:
            alive.add(node)
        passed += past
        kept += sorted(entering, key=lambda s: (s.edge, _rank(s.op), s.column))
    leaving = tuple(
        tuple(
            sorted(
                (s for s in kept if s.source == n), key=lambda s: (_rank(s.op), s.edge, s.column)
            )
        )
        for n in range(nodes + INPUTS)
    )
    return Plan(tuple(kept), leaving, tuple(passed))


def plan_of(space: SpaceConfig, active: tuple[tuple[int, ...], ...]) -> Plan:
    """Plan a forward pass.

    Args:
        space: the search space.
        active: per edge of `space.edges`, the columns of `space.ops` to evaluate.
    """
    return _plan(space.edges, space.ops, space.nodes, active, space.partial > 1)


def resting_slots(plan: Plan, draw: Draw) -> frozenset[Slot]:
    """The slots of a plan that a draw lets rest."""
    rows = dict(enumerate(draw.resting))
    return frozenset(slot for slot in plan.slots if slot.column in rows.get(slot.edge, ()))


@lru_cache(maxsize=KEPT)
def _places(
    edges: tuple[Edge, ...],
    ops: tuple[str, ...],
    nodes: int,
    active: tuple[tuple[int, ...], ...],
    partial: bool,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    plan = _plan(edges, ops, nodes, active, partial)
    slots = [slot.edge * len(ops) + slot.column for slot in plan.slots]
    return (
        torch.tensor(slots, device=device).long(),
        torch.tensor(plan.passed, device=device).long(),
    )


def slot_places(
    space: SpaceConfig, active: tuple[tuple[int, ...], ...], device: torch.device
) -> Tensor:
    """Where the slots of a plan stand in a flattened (edges, ops) matrix, on the device.

    Kept per plan: to move the places to a GPU in every step would be a needless copy.
    """
    return _places(space.edges, space.ops, space.nodes, active, space.partial > 1, device)[0]


def passed_places(
    space: SpaceConfig, active: tuple[tuple[int, ...], ...], device: torch.device
) -> Tensor:
    """The rows of the edges that channels pass by (:attr:`Plan.passed`), on the device."""
    return _places(space.edges, space.ops, space.nodes, active, space.partial > 1, device)[1]


@lru_cache(maxsize=KEPT)
def active_mask(
    active: tuple[tuple[int, ...], ...], shape: tuple[int, int], device: torch.device
) -> Tensor:
    """(edges, ops), float64: 1 where an op is active; kept per draw, as :func:`slot_places`."""
    mask = torch.zeros(shape, dtype=torch.float64)
    for row, columns in enumerate(active):
        mask[row, list(columns)] = 1
    return mask.to(device)


@dataclass(frozen=True)
class Candidates:
    """What each edge may take.

    Attributes:
        columns: per edge, the allowed columns of `space.ops`, for the host.
        mask: (edges, ops) bool, the same for the device.
        edges: the edges' names, in the order of the rows.
        ops: the ops' names, in the order of the columns.
    """

    columns: tuple[tuple[int, ...], ...]
    mask: Tensor
    edges: tuple[Edge, ...] = ()
    ops: tuple[str, ...] = ()

    @classmethod
    def of(cls, space: SpaceConfig, device: torch.device) -> Candidates:
        """The candidates of a search space, its interventions applied."""
        columns = tuple(
            tuple(space.ops.index(op) for op in space.choices(edge)) for edge in space.edges
        )
        return cls((), torch.empty(0, device=device), space.edges, space.ops).limited(columns)

    def limited(self, columns: tuple[tuple[int, ...], ...]) -> Candidates:
        """The same edges and ops, with these columns allowed."""
        mask = torch.zeros(len(columns), len(self.ops), dtype=torch.bool)
        for row, allowed in enumerate(columns):
            mask[row, list(allowed)] = True
        return Candidates(columns, mask.to(self.mask.device), self.edges, self.ops)

    def fixed(self, row: int, column: int) -> Candidates:
        """The same, but one edge has one op left."""
        return self.limited((*self.columns[:row], (column,), *self.columns[row + 1 :]))

    def column(self, op: str) -> int | None:
        """The column of an op; None where the space does not have it."""
        return self.ops.index(op) if op in self.ops else None

    @property
    def undecided(self) -> Tensor:
        """(edges, 1) bool: more than one op is left."""
        return self.mask.sum(-1, keepdim=True) > 1


Part = tuple[int, int]
"""Where weights stand in one array: start and size."""


@dataclass(frozen=True)
class Places:
    """Where a supernet's weights stand in one array.

    Attributes:
        stem: of the stem, its affine transformation included.
        read: per cell, of the two products that read what came before.
        convolutions: per cell, the start of those of its ops.
        ops: per edge and op, counted from that start.
        classifier: of the classifier.
    """

    stem: Part
    read: tuple[tuple[Part, Part], ...]
    convolutions: tuple[int, ...]
    ops: Mapping[tuple[int, str], Part]
    classifier: Part


def learning_parts(
    space: SpaceConfig, plan: Plan, resting: frozenset[Slot], places: Places
) -> tuple[slice, ...]:
    """The weights that a loss of the classifier depends on, as few slices as there can be.

    Args:
        space: the search space.
        plan: what is evaluated.
        resting: the slots that are evaluated for their cost only.
        places: where which weights stand.
    """
    read: set[int] = set()
    slots: list[Slot] = []
    passed = [space.edges[row] for row in plan.passed]
    for node in reversed(range(len(plan.leaving))):
        heard = read.union(space.outputs)
        own = [s for s in plan.leaving[node] if s.target in heard and s not in resting]
        slots += own
        # What passes an edge reads the node as much as an op does, and has no weights.
        if own or any(e.source == node and e.target in heard for e in passed):
            read.add(node)
    parts = [places.classifier]
    # The last cell is read by the classifier, an earlier one by the two after it.
    cells = len(places.read)
    reached = [False] * cells + [True]
    for cell in reversed(range(cells)):
        reached[cell] = cell == cells - 1 or (
            (reached[cell + 1] and 1 in read)
            or (cell + 2 < cells and reached[cell + 2] and 0 in read)
        )
        if reached[cell]:
            parts += [places.read[cell][node] for node in read if node < INPUTS]
            base = places.convolutions[cell]
            parts += [
                (base + places.ops[s.edge, s.op][0], places.ops[s.edge, s.op][1])
                for s in slots
                if s.op in KERNELS
            ]
    first = reached[0] and bool(read & {0, 1})
    if first or (cells > 1 and reached[1] and 0 in read):
        parts.append(places.stem)
    merged: list[slice] = []
    for start, size in sorted(parts):
        if merged and merged[-1].stop == start:
            merged[-1] = slice(merged[-1].start, start + size)
        else:
            merged.append(slice(start, start + size))
    return tuple(merged)
