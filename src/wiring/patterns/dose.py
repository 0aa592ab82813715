"""Dose: how far a search's loss above entropy, or below it, could have carried alpha.

Adam moves a parameter by its rate times the mean of its gradient over the gradient's root mean
square. The gradient of alpha of `none` on an edge is -P(none) times the edge's credit R, so
P(none) cancels: per unit of displacement it drifts by R over the root mean square of R
(docs/science.md, "The dose"). The credits of all edges sum to the gap. The gap over the sum of
these root mean squares is therefore the mean drift of all edges, each weighted by its root mean
square; summed over the steps, each times the rate, it is the dose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wiring.patterns.pattern import Pattern, Statistic, Value
from wiring.patterns.readings import Array, field

if TYPE_CHECKING:
    from wiring.trajectory import Trajectory


def measure(trajectory: Trajectory) -> dict[str, Value]:
    """The dose at the end, and the largest on the way there."""
    course = np.cumsum(displacement(trajectory) * standardised_gap(trajectory))
    undefined = not course.size or not np.isfinite(course).all()
    return {
        "dose": float("nan") if undefined else float(course[-1]),
        "dose_peak": float("nan") if undefined else float(max(course.max(), 0.0)),
    }


def displacement(trajectory: Trajectory) -> Array:
    """The sum of alpha's rates over the steps of each window, shape (windows,)."""
    return np.diff(field(trajectory, "displacement"), prepend=0.0)


def standardised_gap(trajectory: Trajectory) -> Array:
    """Loss less entropy of each window over the size of the credits, shape (windows,).

    The size is the sum over edges of the root mean square of the edge's credit in a step. 0 where
    all credits are: then the gap is 0 as well.
    """
    gap = field(trajectory, "loss") - field(trajectory, "entropy")
    size = np.sqrt(field(trajectory, "credit_square")).sum(axis=1)
    return np.asarray(np.divide(gap, size, out=np.zeros_like(gap), where=size > 0))


PATTERN = Pattern(
    id="dose",
    order=45,
    title="Dose: do displacement and gap decide what is left of the edges?",
    text=(
        "All credit sums to the gap. While it is above 0 some kept edge pays, and none gains "
        "there; while it is below, edges come back. How far a search gets is a matter of alpha's "
        "displacement. A search's dose is its displacement times its standardised gap, the gap in "
        "units of the size of the costs, summed over its steps: about how far the edges' alpha of "
        "none was carried.",
        "Each class of edges has a curve: P(none) as a logistic function of the dose, fitted over "
        "all searches whose alpha learns, at the end and at the peak. A dropped edge is paid only "
        "when it is sampled, so that a dose back from its peak need not bring back what it took. "
        "The interval comes from drawing conditions anew. A method's residual is the mean of its "
        "P(none) less the curve of all other methods: where its interval leaves out 0 the method "
        "does not follow the law of the others, as one that is charged for what it does not take "
        "need not.",
    ),
    statistics=(
        Statistic(
            "dose",
            "alpha's rate x (loss - entropy) / sum over edges of the root mean square of the "
            "edge's credit, summed over the steps",
            of_alpha=True,
            headline=True,
        ),
        Statistic(
            "dose_peak", "largest dose that the search had on its way; 0 if none", of_alpha=True
        ),
    ),
    measure=measure,
    claims=(),
    columns=("dose", "dose_peak", "none_input_final", "none_intermediate_final"),
)
