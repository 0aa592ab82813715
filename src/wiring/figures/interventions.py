"""What each intervention does to the wiring (E7 of docs/science.md)."""

from __future__ import annotations

from matplotlib.figure import Figure

from wiring.dynamics import Dynamics
from wiring.figures.style import CLASS_COLOUR, GREY, TINT, WIDTH, caption, title


def draw_interventions(tables: Dynamics, baseline: str) -> Figure:
    """A panel an edge, a column a variant: final P(none), a dot a search; the baseline first."""
    searches = tables.searches
    variants = sorted(searches["variant"].unique(), key=lambda name: (name != baseline, name))
    points = sorted(
        set(zip(searches["method"], searches["level"], searches["dataset"], strict=True))
    )
    edges = sorted(tables.edges["edge"].unique(), key=lambda e: [*reversed(e.split("-"))])
    height = 1.5 + 2.3 * len(points)
    figure = Figure(figsize=(WIDTH, height))
    grid = figure.subplots(len(points), len(edges), sharex=True, sharey=True, squeeze=False)
    figure.subplots_adjust(0.075, 1.2 / height, 0.97, 1 - 0.8 / height, wspace=0.08, hspace=0.2)
    last = tables.last_edges()
    for row, (method, level, dataset) in enumerate(points):
        own = searches[
            (searches["method"] == method)
            & (searches["level"] == level)
            & (searches["dataset"] == dataset)
        ]
        for axes, edge in zip(grid[row], edges, strict=True):
            kind = "input" if edge[0] in "01" else "intermediate"
            if kind == "intermediate":
                axes.set_facecolor(TINT)
            for place, variant in enumerate(variants):
                ids = own.loc[own["variant"] == variant, "search"]
                rows = last[last["search"].isin(ids) & (last["edge"] == edge)]
                free = rows[rows["free"]]
                if free.empty:
                    text = "deleted" if rows.empty else "fixed"
                    axes.text(place, 0.5, text, rotation=90, ha="center", va="center", color=GREY)
                    continue
                mean = free["p_none"].mean()
                axes.plot(
                    [place] * len(free),
                    free["p_none"],
                    "o",
                    color=CLASS_COLOUR[kind],
                    markersize=4,
                    alpha=0.6,
                )
                axes.plot(place, mean, "_", color="#000000", markersize=14, markeredgewidth=2)
            axes.set_ylim(-0.03, 1.03)
            axes.set_xlim(-0.6, len(variants) - 0.4)
            axes.set_xticks(range(len(variants)), variants, rotation=60, ha="right")
            if row == 0:
                source, target = edge.split("-")
                axes.set_title(f"{source} → {target}")
        grid[row, 0].set_ylabel(f"final P(none)\n{method}, {level}, {dataset}")
    title(figure, f"P(none) of each edge by intervention; {baseline} has none")
    caption(figure, "Dot: a search; bar: mean over seeds. Tinted: leaves an intermediate node.")
    return figure
