"""What displacement and gap leave of the edges: final P(none) over the dose."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wiring.claims.dose import CLASSES, Fit, fits
from wiring.dynamics import Dynamics
from wiring.figures.overview import mark
from wiring.figures.panels import Panels, Points
from wiring.figures.style import CLASS_COLOUR, GREY, SERIES, WIDTH, key, line, sheet, small_print


def draw_dose(dynamics: Dynamics, confidence: float = 0.95) -> Figure:
    """A panel a class of edges: one mark a search, and the curve fitted with its interval."""
    searches = dynamics.searches
    searches = searches[searches["alpha_learns"] & ~searches["intervened"]]
    searches = searches.dropna(subset=["dose"])
    methods = sorted(searches["method"].unique())
    looks = {method: SERIES[place % len(SERIES)] for place, method in enumerate(methods)}
    found = {fit.edge_class: fit for fit in fits(searches, confidence)}
    figure, body = sheet((WIDTH, 5.2), _seen(list(found.values())))
    doses = np.array([0.0, 1.0, *searches["dose"]])
    margin = 0.04 * float(np.ptp(doses))
    across = float(doses.min()) - margin, float(doses.max()) + margin
    cells: dict[str, tuple[int, int]] = {kind: (0, column) for column, kind in enumerate(CLASSES)}
    panels = Panels.add(body, cells, (WIDTH / 2, 3.7), across, (-0.02, 1.02))
    panels.frame(
        {kind: f"{kind} edges{_numbers(found.get(kind))}" for kind in CLASSES},
        xlabel="dose: sum of alpha's rate × standardised (loss − entropy)",
        ylabels="final P(none)",
    )
    panels.curves(dict.fromkeys(CLASSES, ((0, 0), (0, 1))), colour=GREY, linewidth=0.6)
    grid = np.linspace(*across, 80)
    for kind, fit in found.items():
        low, high = fit.band(grid)
        panels.bands({kind: (grid, low, high)}, colour=CLASS_COLOUR[kind])
        panels.curves({kind: (grid, fit.curve(grid))}, colour=CLASS_COLOUR[kind], linewidth=1.6)
    for (method, level), own in searches.groupby(["method", "level"]):
        colour, shape = looks[str(method)]
        style = {"dash": "", "zorder": 3, **mark(colour, shape, level == "bi")}
        points: Points = {kind: (own["dose"], own[f"none_{kind}_final"]) for kind in CLASSES}
        panels.curves(points, colour=colour, **style)
    entries = {method: mark(*looks[method], True) for method in methods}
    entries |= {"single-level": mark(GREY, "o", False), "bi-level": mark(GREY, "o", True)}
    samples = [Line2D([], [], linestyle="", **look) for look in entries.values()]
    key(body, [*samples, line(GREY)], [*entries, "fit"], columnspacing=1.1, handlelength=1.2)
    small_print(
        figure,
        f"One mark a search. Band: the curve's {confidence:.0%} interval, conditions drawn anew. "
        "No interventions.",
    )
    return figure


def _seen(found: list[Fit]) -> str:
    if not found:
        return "Final P(none) over the dose: too few searches to fit"
    shares = " and ".join(f"{fit.explained:.0%} on {fit.edge_class} edges" for fit in found)
    return f"The dose explains {shares} of the variance of the final P(none)"


def _numbers(fit: Fit | None) -> str:
    if fit is None:
        return ""
    ends = "" if fit.low is None else f" ({fit.low:+.2f} to {fit.high:+.2f})"
    return f": slope {fit.slope:+.2f}{ends}, rank correlation {fit.rank:+.2f}"
