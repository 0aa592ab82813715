"""What each intervention does to the wiring (E7 of docs/science.md)."""

from __future__ import annotations

from matplotlib.figure import Figure

from wiring.config import Edge
from wiring.dynamics import Dynamics
from wiring.figures.panels import Panels
from wiring.figures.style import CLASS_COLOUR, WIDTH, arrow, in_rows, sheet, small_print


def draw_interventions(tables: Dynamics, baseline: str) -> Figure:
    """A panel an edge, a column a variant: final P(none), a dot a search; the baseline first."""
    searches = tables.searches
    variants = sorted(searches["variant"].unique(), key=lambda name: (name != baseline, name))
    points = {
        key: list(own["search"]) for key, own in searches.groupby(["method", "level", "dataset"])
    }
    edges = sorted(
        map(Edge.parse, tables.edges["edge"].unique()), key=lambda e: (e.target, e.source)
    )
    blocks = in_rows(edges)
    ids = [
        (f"{at} {edge}", (at * len(blocks) + block, column), own, edge)
        for at, own in enumerate(points.values())
        for block, some in enumerate(blocks)
        for column, edge in enumerate(some)
    ]
    rows = len(points) * len(blocks)
    figure, body = sheet(
        (WIDTH, 2.0 + 2.3 * rows), f"P(none) of each edge by intervention; {baseline} has none"
    )
    inches = (WIDTH / len(blocks[0]), 2.3)
    across = (-0.6, len(variants) - 0.4)
    panels = Panels.add(
        body, {name: cell for name, cell, _, _ in ids}, inches, across, (-0.03, 1.03)
    )
    panels.frame(
        {name: arrow(edge) for name, _, _, edge in ids},
        ylabels={
            at * len(blocks) + block: f"final P(none)\n{method}, {level}, {dataset}"
            for at, (method, level, dataset) in enumerate(points)
            for block in range(len(blocks))
        },
        tinted=[name for name, _, _, edge in ids if edge.kind == "intermediate"],
        xticks={float(place): variant for place, variant in enumerate(variants)},
        turned=True,
    )
    last = tables.last_edges().merge(searches[["search", "variant"]], on="search")
    for kind, colour in CLASS_COLOUR.items():
        dots, bars = {}, {}
        for name, _, own, edge in ids:
            if edge.kind != kind:
                continue
            here = last[(last["edge"] == str(edge)) & last["search"].isin(own)]
            places = here["variant"].map(variants.index)
            free = here["free"]
            dots[name] = places[free], here.loc[free, "p_none"]
            means = here[free].groupby(places[free])["p_none"].mean()
            bars[name] = means.index.to_numpy(), means
            for place in set(range(len(variants))) - set(means.index):
                panels.say(
                    name, "fixed" if (places == place).any() else "deleted", place, turned=True
                )
        panels.dots(dots, colour=colour, size=4.5, alpha=0.6)
        panels.curves(bars, colour="#000000", dash="", marker="_", markersize=14, markeredgewidth=2)
    small_print(figure, "Dot: a search; bar: mean over seeds. Tinted: leaves an intermediate node.")
    return figure
