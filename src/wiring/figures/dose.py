"""What displacement and gap take of the edges and leave of them: P(none) over the dose."""

from __future__ import annotations

from itertools import product

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wiring.claims.dose import CLASSES, MOMENTS, Fit, fits
from wiring.dynamics import Dynamics
from wiring.figures.overview import mark
from wiring.figures.panels import Panels, Points
from wiring.figures.style import CLASS_COLOUR, GREY, SERIES, WIDTH, key, line, sheet, small_print


def draw_dose(dynamics: Dynamics, confidence: float = 0.95) -> Figure:
    """A row a moment, a panel a class of edges: one mark a search, and the curve fitted to all."""
    searches = dynamics.searches
    searches = searches[searches["alpha_learns"] & ~searches["intervened"]]
    searches = searches.dropna(subset=["dose"])
    methods = sorted(searches["method"].unique())
    looks = {method: SERIES[place % len(SERIES)] for place, method in enumerate(methods)}
    found = {f"{fit.moment} {fit.edge_class}": fit for fit in fits(searches, confidence)}
    figure, body = sheet((WIDTH, 8.0), _seen(list(found.values())))
    doses = np.array([0.0, 1.0, *searches["dose"], *searches["dose_peak"]])
    margin = 0.04 * float(np.ptp(doses))
    across = float(doses.min()) - margin, float(doses.max()) + margin
    places = {f"{moment} {kind}": (moment, kind) for moment, kind in product(MOMENTS, CLASSES)}
    cells = {name: divmod(place, len(CLASSES)) for place, name in enumerate(places)}
    panels = Panels.add(body, cells, (WIDTH / 2, 3.2), across, (-0.02, 1.02))
    panels.frame(
        {name: f"{kind} edges{_numbers(found.get(name))}" for name, (_, kind) in places.items()},
        xlabel="dose: sum of alpha's rate × standardised (loss − entropy)",
        ylabels={
            0: "P(none) at the end\nover the dose",
            1: "largest P(none)\nover the largest dose",
        },
    )
    panels.curves(dict.fromkeys(places, ((0, 0), (0, 1))), colour=GREY, linewidth=0.6)
    grid = np.linspace(*across, 80)
    for name, fit in found.items():
        low, high = fit.band(grid)
        colour = CLASS_COLOUR[fit.edge_class]
        panels.bands({name: (grid, low, high)}, colour=colour)
        panels.curves({name: (grid, fit.curve(grid))}, colour=colour, linewidth=1.6)
    for (method, level), own in searches.groupby(["method", "level"]):
        colour, shape = looks[str(method)]
        style = {"dash": "", "zorder": 3, **mark(colour, shape, level == "bi")}
        points: Points = {}
        for name, (moment, kind) in places.items():
            dose, ending = MOMENTS[moment]
            points[name] = own[dose], own[f"none_{kind}_{ending}"]
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
        return "P(none) over the dose: too few searches to fit"
    parts = []
    for moment in MOMENTS:
        shares = {f.edge_class: f"{f.explained:.0%}" for f in found if f.moment == moment}
        if shares:
            told = ", ".join(f"{share} on {kind} edges" for kind, share in shares.items())
            parts.append(f"at the {moment} {told}")
    return f"Of the variance of P(none) the dose explains {'; '.join(parts)}"


def _numbers(fit: Fit | None) -> str:
    if fit is None:
        return ""
    ends = "" if fit.low is None else f" ({fit.low:+.2f} to {fit.high:+.2f})"
    return f": slope {fit.slope:+.2f}{ends}, rank {fit.rank:+.2f}"
