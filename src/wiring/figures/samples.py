"""Single samples over the search: loss, entropy and cost (the paper's appendix)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from wiring.dynamics import Dynamics
from wiring.figures.course import Array
from wiring.figures.panels import Panels, robust
from wiring.figures.style import OUTCOME_COLOUR, WIDTH, key, line, name, sheet, small_print

_ROWS = {
    "loss": "loss (nats)",
    "entropy": "entropy (nats)",
    "gap": "loss − entropy (nats)",
    "credit": "cost (nats)",
}
_TITLE = {"train": "training samples", "validation": "validation samples (alpha's)"}


def draw_samples(tables: Dynamics) -> Figure:
    """A line a followed sample of one seed; its colour is how it is classified at that epoch."""
    missed = tables.samples[~tables.samples["correct"]]
    hit = tables.samples[tables.samples["correct"]]
    shares = [
        f"{(part['credit'] * sign > 0).mean():.0%} of {kind}"
        for part, sign, kind in ((hit, -1, "correct"), (missed, 1, "wrong"))
        if len(part)
    ]
    seen = f"Cost has the sign of the outcome on {' and '.join(shares)} samples"
    seed = tables.searches["seed"].min()
    samples = tables.samples[tables.samples["seed"] == seed]
    samples = samples.assign(gap=samples["loss"] - samples["entropy"])
    splits = [split for split in _TITLE if split in set(samples["split"])]
    figure, body = sheet((WIDTH, 8.6), seen, name(tables))
    cells = {
        f"{split} {v}": (row, at) for at, split in enumerate(splits) for row, v in enumerate(_ROWS)
    }
    limits = {
        row: robust([samples[value].to_numpy()], zero=value in {"gap", "credit"})
        for row, value in enumerate(_ROWS)
    }
    last = float(samples["epoch"].max()) + 1
    panels = Panels.add(body, cells, (WIDTH / len(splits), 1.85), (0, last), limits)
    panels.frame(
        {f"{split} loss": _TITLE[split] for split in splits},
        xlabel="epoch",
        ylabels=dict(enumerate(_ROWS.values())),
        zero=(2, 3),
    )
    for outcome, right in (("_correct", True), ("_wrong", False)):
        points = {}
        for split in splits:
            own = samples[samples["split"] == split]
            correct = _by_sample(own, "correct").astype(bool)
            epochs = np.sort(own["epoch"].unique()) + 1.0
            for value in _ROWS:
                course = _runs(epochs, _by_sample(own, value), correct == right)
                points[f"{split} {value}"] = course
        panels.curves(points, colour=OUTCOME_COLOUR[outcome], linewidth=0.8, alpha=0.7)
    key(
        body,
        [line(OUTCOME_COLOUR["_correct"]), line(OUTCOME_COLOUR["_wrong"])],
        ["classified correctly in this epoch", "classified wrongly"],
    )
    count = samples.groupby("split")["sample"].nunique().max()
    small_print(
        figure,
        f"{count} samples a split of seed {seed}, evaluated after each epoch in the same batch and "
        "with gates from the same noise; cost: the sample's own credit, all edges.",
        panels.beyond,
    )
    return figure


def _by_sample(samples: pd.DataFrame, value: str) -> Array:
    """Shape (samples, epochs)."""
    return np.asarray(samples.pivot(index="sample", columns="epoch", values=value), dtype=float)


def _runs(epochs: Array, values: Array, chosen: np.ndarray) -> tuple[Array, Array]:
    """The segments that end at a chosen point, as one line with gaps; a lone epoch is a point.

    Args:
        epochs: shape (T,).
        values: a row a sample, shape (S, T).
        chosen: shape (S, T).
    """
    x: list[Array] = []
    y: list[Array] = []
    for course, ends in zip(values, chosen, strict=True):
        if len(epochs) > 1:
            ends = np.append(False, ends[1:])
        for run in np.split(
            np.flatnonzero(ends), np.flatnonzero(np.diff(np.flatnonzero(ends)) > 1) + 1
        ):
            if run.size:
                part = slice(max(run[0] - 1, 0), run[-1] + 1)
                x += [epochs[part], np.array([np.nan])]
                y += [course[part], np.array([np.nan])]
    empty = np.empty(0)
    return np.concatenate([empty, *x]), np.concatenate([empty, *y])
