"""Depth and width of a cell, and what both are by chance (what the width of P2 is held against).

The definitions are those of Shu, Wang and Cai, *Understanding architectures learnt by cell-based
neural architecture search*, ICLR 2020 (arXiv:1909.09569): depth counts the connections along the
longest path from an input of the cell to its output, the concatenation included; width adds up
the widths of the intermediate nodes, each the share of its incoming connections that come from an
input of the cell, in units of the node's channels C. With N = 2, the widest cell has depth 2 and
width 2, a chain has depth 3 and width 1.5. A node that no input reaches, or that does not reach
the output, is not there.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from wiring.config import INPUTS, Edge, SpaceConfig

_EXACT = 16
"""Free edges up to which every wiring is enumerated; beyond, this many random bits of wirings."""


class CellShape(NamedTuple):
    """Depth in connections and width in units of C; means may be fractions."""

    depth: float
    width: float


def cell_shape(edges: Iterable[Edge], outputs: Iterable[int]) -> CellShape:
    """Depth and width of the cell that consists of these edges.

    Args:
        edges: the edges that are selected.
        outputs: nodes concatenated to the output.
    """
    into: dict[int, list[int]] = {}
    for source, target in edges:
        into.setdefault(target, []).append(source)
    depth = dict.fromkeys(range(INPUTS), 0)
    for node in sorted(into):
        reached = [depth[source] for source in into[node] if source in depth]
        if reached:
            depth[node] = 1 + max(reached)
    ends = [node for node in outputs if node in depth]
    alive = set(ends)
    for node in sorted(into, reverse=True):
        if node in alive:
            alive.update(source for source in into[node] if source in depth)
    width = 0.0
    for node in alive - set(range(INPUTS)):
        sources = [source for source in into[node] if source in depth]
        width += sum(source < INPUTS for source in sources) / len(sources)
    return CellShape(1 + max((depth[node] for node in ends), default=-1), width)


@lru_cache(maxsize=256)
def _null(
    free: tuple[tuple[Edge, float], ...], fixed: tuple[Edge, ...], outputs: tuple[int, ...]
) -> dict[int | None, CellShape]:
    """Mean shape over wirings in which each free edge is there with its probability.

    Wirings that connect no input with the output are left out.

    Returns:
        By the number of free edges that are there; None: over all wirings.
    """
    if len(free) <= _EXACT:
        wirings = np.array(list(product((False, True), repeat=len(free))), bool)
    else:
        wirings = np.random.default_rng(0).random((2**_EXACT, len(free))) < 0.5
    wirings = wirings.reshape(len(wirings), len(free))
    there = np.array([probability for _, probability in free])
    weights = np.where(wirings, there, 1 - there).prod(axis=1)
    names = [name for name, _ in free]
    shapes = np.array(
        [
            cell_shape([*fixed, *(n for n, on in zip(names, wiring, strict=True) if on)], outputs)
            for wiring in wirings
        ]
    )
    counts = wirings.sum(axis=1)
    alive = (shapes[:, 0] > 0) & (weights > 0)

    def mean(chosen: np.ndarray) -> CellShape:
        return CellShape(*np.average(shapes[chosen], axis=0, weights=weights[chosen]).tolist())

    found: dict[int | None, CellShape] = {
        int(count): mean(alive & (counts == count)) for count in np.unique(counts[alive])
    }
    if alive.any():
        found[None] = mean(alive)
    return found


def uniform_shape(space: SpaceConfig, selected: int | None = None) -> CellShape:
    """Mean depth and width of uniformly sampled cells: every edge takes each of its ops alike.

    Only cells count that connect an input with the output; NaN if there is none.

    Args:
        space: the search space.
        selected: only cells with this many free edges that are not `none`; all when absent.
    """
    free, fixed = [], []
    for edge in space.edges:
        choices = space.choices(edge)
        if "none" in choices and len(choices) > 1:
            free.append((edge, 1 - 1 / len(choices)))
        elif choices != ("none",):
            fixed.append(edge)
    nothing = CellShape(float("nan"), float("nan"))
    return _null(tuple(free), tuple(fixed), space.outputs).get(selected, nothing)
