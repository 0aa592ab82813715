"""Charge: does `none` follow what an edge is charged?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wiring.patterns.pattern import Claim, Pattern, Statistic, Threshold, Value
from wiring.patterns.readings import field, free_places, mean, none_probability
from wiring.patterns.scopes import learns

if TYPE_CHECKING:
    from wiring.trajectory import Trajectory


def measure(trajectory: Trajectory) -> dict[str, Value]:
    """What an edge is charged against what `none` gains there; paths; cells; curvature."""
    return {
        "none_follows_charge": _follows(trajectory),
        "path_share": _path_share(trajectory),
        "alignment": _alignment(trajectory),
        "curvature": _curvature(trajectory),
    }


def _follows(trajectory: Trajectory) -> float:
    from scipy import stats  # half a second, which checking a scale file need not wait for

    places = free_places(trajectory)
    none = np.clip(none_probability(trajectory)[:, places], 1e-12, 1 - 1e-12)
    gain = np.diff(np.log(none) - np.log1p(-none), axis=0).ravel()
    credit = field(trajectory, "credit_direct") + field(trajectory, "credit_path")
    charged = credit.sum(axis=1)[1:, places].ravel()
    # A rank correlation needs three pairs and two distinct values on either side.
    if len(gain) < 3 or np.ptp(gain) == 0 or np.ptp(charged) == 0:
        return float("nan")
    return float(stats.spearmanr(charged, gain).statistic)


def _path_share(trajectory: Trajectory) -> float:
    edges = trajectory.shape.edges
    sources = {edge.source for edge in edges}
    before = [edge.target in sources for edge in edges]
    sizes = {
        way: mean(np.abs(field(trajectory, f"credit_{way}")[..., before].sum(axis=-1)))
        for way in ("direct", "path")
    }
    both = sum(sizes.values())
    return sizes["path"] / both if both > 0 else float("nan")


def _alignment(trajectory: Trajectory) -> float:
    cost = np.nan_to_num(field(trajectory, "cost_mean"))
    flat = cost.reshape(*cost.shape[:2], -1)
    size = np.linalg.norm(flat, axis=-1)
    pairs = [(one, other) for one in range(flat.shape[1]) for other in range(one)]
    cosines = [
        np.einsum("wc,wc->w", flat[:, one], flat[:, other])[there]
        / (size[:, one] * size[:, other])[there]
        for one, other in pairs
        for there in [(size[:, one] > 0) & (size[:, other] > 0)]
    ]
    return mean(np.concatenate(cosines)) if cosines else float("nan")


def _curvature(trajectory: Trajectory) -> float:
    values = trajectory.column("curvature", trajectory.config.learning_split, "epochs")
    there = values[~np.isnan(values)]
    return float(there.max()) if len(there) else float("nan")


PATTERN = Pattern(
    id="charge",
    order=45,
    title="Charge: does none follow what an edge is charged?",
    text=(
        "An edge's credit is what it is charged for what it takes. A method that is charged for "
        "this and for nothing else lets none gain where credit is above 0. A method that is also "
        "charged for what it does not take need not: no law binds those costs.",
    ),
    statistics=(
        Statistic(
            "none_follows_charge",
            "Spearman's rank correlation, over windows and free edges, of the edge's credit summed "
            "over cells with the gain of the log odds of P(none) in the window",
            of_alpha=True,
            headline=True,
            compared=True,
        ),
        Statistic(
            "path_share",
            "share of the credit of the edges into a node with edges behind it that reaches them "
            "along paths: mean |path| / (mean |path| + mean |direct|), each summed over the edges",
        ),
        Statistic(
            "alignment",
            "cosine between the costs of two cells, mean over pairs of cells and windows "
            "(Lambda-DARTS, arXiv:2210.07998); undefined with one cell",
        ),
        Statistic(
            "curvature",
            "largest eigenvalue, over the epochs at which it was measured, of the Hessian in alpha "
            "of the loss that alpha learns from, at the mixture softmax(alpha) (RobustDARTS, "
            "arXiv:1909.09656); undefined where `train.curvature_every` is 0",
        ),
    ),
    measure=measure,
    claims=(
        Claim(
            id="M-charge",
            title="None gains where an edge is charged more.",
            statistic="none_follows_charge",
            threshold=Threshold(
                "charge",
                0.0,
                "M-charge: rank correlation of what an edge is charged with what none gains there",
                -1,
                1,
            ),
            side="above",
            scope="searches of either level whose alpha learns and that have a free edge",
            applies=learns,
        ),
    ),
    columns=(
        "none_follows_charge",
        "path_share",
        "alignment",
        "curvature",
    ),
)
