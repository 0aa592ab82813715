"""What each variant does to accuracy (E8 of docs/science.md)."""

from __future__ import annotations

from matplotlib.figure import Figure

from wiring.dynamics import Dynamics
from wiring.figures.panels import Panels, robust
from wiring.figures.style import WIDTH, sheet, small_print


def draw_accuracy(tables: Dynamics, baseline: str) -> Figure:
    """A panel a method, level and dataset: accuracy less that of the baseline's same seed."""
    searches = tables.searches
    variants = sorted(set(searches["variant"]) - {baseline})
    differences = {}
    for point, own in searches.groupby(["method", "level", "dataset"]):
        accuracy = own.pivot_table(index="seed", columns="variant", values="test_accuracy")
        if baseline in accuracy:
            less = accuracy.drop(columns=baseline).sub(accuracy[baseline], axis="index")
            differences[", ".join(map(str, point))] = less
    figure, body = sheet(
        (WIDTH, 2.0 + 2.3 * len(differences)), f"Test accuracy less that of {baseline}"
    )
    panels = Panels.add(
        body,
        {name: (row, 0) for row, name in enumerate(differences)},
        (WIDTH, 2.3),
        (-0.6, len(variants) - 0.4),
        robust([less.to_numpy() for less in differences.values()], zero=True),
    )
    panels.frame(
        {name: name for name in differences},
        ylabels="difference in accuracy",
        zero=range(len(differences)),
        xticks={float(place): variant for place, variant in enumerate(variants)},
        turned=True,
    )
    dots, bars = {}, {}
    for name, less in differences.items():
        pairs = less.melt().dropna()
        dots[name] = pairs["variant"].map(variants.index), pairs["value"]
        means = less.mean().dropna()
        bars[name] = [variants.index(variant) for variant in means.index], means
    panels.dots(dots, colour="#1f6fb4", size=4.5, alpha=0.6)
    panels.curves(bars, colour="#000000", dash="", marker="_", markersize=14, markeredgewidth=2)
    small_print(figure, "Dot: two searches of one seed; bar: mean over seeds.")
    return figure
