"""Exact laws (F1 to F3): what follows from the network alone, and how exactly it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wiring.patterns.pattern import Claim, Pattern, Statistic, Threshold, Value
from wiring.patterns.readings import field, mean, splits
from wiring.patterns.scopes import everywhere

if TYPE_CHECKING:
    from wiring.trajectory import Trajectory


def measure(trajectory: Trajectory) -> dict[str, Value]:
    """The largest deviation from each law, over every split."""
    edges = trajectory.shape.edges
    sources = np.array([edge.source for edge in edges])
    targets = np.array([edge.target for edge in edges])
    largest: dict[str, list[float]] = {"direct": [], "path": [], "inner": [], "total": []}
    skipless: list[bool] = []
    for split in splits(trajectory):
        skipless.extend(field(trajectory, "skip_weight", split) == 0)
        path = field(trajectory, "credit_path", split)
        skip = field(trajectory, "credit_skip", split)
        for node in np.unique(targets):
            passed = path[..., targets == node].sum(axis=-1)
            handed = skip[..., sources == node].sum(axis=-1)
            largest["path"].extend(np.abs(passed - handed).max(axis=1))
        # One cell has none before it.
        inner = ("inner",) if trajectory.shape.cells > 1 else ()
        for law in ("direct", *inner, "total"):
            largest[law].extend(field(trajectory, f"residual_{law}", split))
    return {
        **{
            f"residual_{law}": float(np.max(values)) if values else float("nan")
            for law, values in largest.items()
        },
        "skipless_share": mean(np.array(skipless)),
    }


_CONSERVATION = Threshold(
    "conservation",
    0.01,
    "F3: the same, of the conservation of credit in a cell and over all cells",
    positive=True,
)

PATTERN = Pattern(
    id="facts",
    order=50,
    title="Exact facts: how well do they hold?",
    text=(
        "Three laws follow from the network alone: the direct credit of the last cell is "
        "loss - entropy (the classifier has no bias); a path gives no credit past an "
        "intermediate edge, but what skip_connect on it hands on; and the credit of each earlier "
        "cell sums to zero, that of all cells to loss - entropy, once what skip_connect handed on "
        "is not counted twice. They hold for every wiring, up to the epsilon of batch "
        "normalisation. Each number is the largest deviation in a search, in nats.",
    ),
    statistics=(
        Statistic(
            "residual_direct",
            "largest |direct credit of the last cell - (loss - entropy)| over windows, nats",
        ),
        Statistic(
            "residual_path",
            "largest |path credit of the edges into one node of one cell less what skip_connect on "
            "the edges that leave it hands on| over windows, nats",
        ),
        Statistic(
            "residual_inner",
            "largest |credit of a cell before the last, less what skip_connect on its intermediate "
            "edges handed on| over windows, nats",
        ),
        Statistic(
            "residual_total",
            "largest |all credit, less what skip_connect on intermediate edges handed on, less "
            "(loss - entropy)| over windows, nats",
        ),
        Statistic(
            "skipless_share", "share of the windows without skip weight on intermediate edges"
        ),
    ),
    measure=measure,
    claims=(
        Claim(
            id="F1",
            title="The last cell's direct credit is loss - entropy.",
            statistic="residual_direct",
            threshold=Threshold(
                "direct",
                1e-3,
                "F1: largest residual, nats; only float32 rounding stands in the way",
                positive=True,
            ),
            side="below",
            scope="every search",
            applies=everywhere,
            law=True,
        ),
        Claim(
            id="F2",
            title="A path gives no credit past an intermediate edge, but through skip_connect.",
            statistic="residual_path",
            threshold=Threshold(
                "path",
                0.01,
                "F2: the same; batch normalisation's epsilon (1e-5) leaves a remainder too",
                positive=True,
            ),
            side="below",
            scope="every search",
            applies=everywhere,
            law=True,
        ),
        Claim(
            id="F3-inner",
            title="The credit of each cell before the last sums to zero.",
            statistic="residual_inner",
            threshold=_CONSERVATION,
            side="below",
            scope="every search",
            applies=everywhere,
            law=True,
        ),
        Claim(
            id="F3-total",
            title="All credit, none counted twice, sums to loss - entropy.",
            statistic="residual_total",
            threshold=_CONSERVATION,
            side="below",
            scope="every search",
            applies=everywhere,
            law=True,
        ),
    ),
    columns=(
        "residual_direct",
        "residual_path",
        "residual_inner",
        "residual_total",
        "skipless_share",
    ),
)
