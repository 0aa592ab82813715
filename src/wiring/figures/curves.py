"""Curves over epochs: probabilities, costs and statistics of one condition."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from wiring.config import Edge
from wiring.config.space import edges_of
from wiring.dynamics import Dynamics
from wiring.figures.course import courses
from wiring.figures.palette import OP_COLOUR, OP_DASH
from wiring.figures.panels import Limits, Panels, robust
from wiring.figures.style import (
    CLASS_COLOUR,
    CLASS_DASH,
    GREY,
    OUTCOME_COLOUR,
    WIDTH,
    arrow,
    key,
    line,
    name,
    op_key,
    parts,
    seeds_text,
    sheet,
    small_print,
    width,
)

_CHROME, _ROW = 1.6, 1.45
"""Inches for titles, legend and small print, and for a row of panels."""
_SMALL = 4.6
"""Inches of a figure whose letters are as large on a page that shows three side by side."""
_TINTED = "Tinted: edges that leave an intermediate node."


def draw_probability(tables: Dynamics) -> Figure:
    """Probability of each op on each edge: a row of panels per target node, a column per source."""
    rows = _nodes(tables)
    size = (width(rows), _CHROME + rows * _ROW)
    figure, body = sheet(size, _ends(tables), name(tables))
    found = courses(tables.ops, "probability", ("op", "edge"))
    # One scale for all panels, and no taller than the largest probability asks for.
    top = min(1.0, max(0.4, np.ceil(tables.ops["probability"].max() * 5 + 0.1) / 5))
    panels = _edge_panels(body, tables, (0, float(top)), "probability")
    for op in reversed(_ops(tables)):
        own = {edge: course for (which, edge), course in found.items() if which == op}
        style = {"dash": OP_DASH.get(op, "-"), "linewidth": 2.2 if op == "none" else 1.4}
        panels.courses(own, colour=OP_COLOUR[op], **style)
    key(body, *op_key(_ops(tables)))
    small_print(figure, f"{seeds_text(tables)} {_TINTED}")
    return figure


def draw_none(tables: Dynamics) -> Figure:
    """P(none) of each free edge in one small panel that can be read at its own size."""
    edges = tables.edges[tables.edges["free"]]
    kinds = [kind for kind in CLASS_COLOUR if (edges["edge_class"] == kind).any()]
    figure, body = sheet((_SMALL, 3.2), _ends(tables), name(tables))
    panel = Panels.add(body, {"": (0, 0)}, (_SMALL - 0.5, 1.7), (0, _epochs(tables)), (0, 1))
    panel.frame({}, xlabel="epoch", ylabels="P(none)")
    styles = [(CLASS_COLOUR[kind], CLASS_DASH[kind]) for kind in kinds]
    for kind, (colour, dash) in zip(kinds, styles, strict=True):
        for course in courses(edges[edges["edge_class"] == kind], "p_none", ("edge",)).values():
            panel.curves({"": (course.epochs, course.mean)}, colour=colour, dash=dash)
    key(body, [line(*style) for style in styles], [f"{kind} edges" for kind in kinds])
    small_print(figure, "A line an edge, mean over seeds.")
    return figure


def draw_cost(tables: Dynamics) -> Figure:
    """Credit of each edge (top) and cost of each op on it (bottom); zero is the cost of none."""
    rows = _nodes(tables)
    learnt = tables.statistics[tables.statistics["split"] == _learning_split(tables)]
    last = learnt["epoch"] >= learnt["epoch"].max() * 0.9
    final = learnt.loc[last, "credit"].mean()
    verb = "grow" if final < 0 else "vanish"
    seen = f"All credit ends at {final:+.2f} nats: on the whole edges are pushed to {verb}"
    size = (width(rows), _CHROME + 2 * (rows * _ROW + 0.5))
    figure, body = sheet(size, seen, name(tables))
    above, below = parts(body, 2, 1)

    ways = {"credit_direct": "#0072B2", "credit_path": "#D55E00"}
    found = {way: courses(tables.edges, way, ("edge",)) for way in ways}
    means = [course.mean for way in found.values() for course in way.values()]
    credits = _edge_panels(above, tables, robust(means, zero=True), "credit (nats)", zero=True)
    for way, colour in ways.items():
        credits.courses(found[way], colour=colour, linewidth=1.5)
    names = ["edge's credit through the concatenation", "through intermediate edges"]
    key(above, [line(colour) for colour in ways.values()], names)

    ops = [op for op in _ops(tables) if op != "none"]
    # Averages over parts of the search: a sampled op's single windows are noise.
    coarse = courses(tables.ops, "cost_mean", ("op", "edge"), parts=20)
    means = [course.mean for (op, _), course in coarse.items() if op != "none"]
    costs = _edge_panels(below, tables, robust(means, zero=True), "cost (nats)", zero=True)
    for op in ops:
        own = {edge: course for (which, edge), course in coarse.items() if which == op}
        costs.courses(own, colour=OP_COLOUR[op], dash=OP_DASH.get(op, "-"), linewidth=1.2)
    samples, names = op_key(ops)
    key(below, samples, [f"cost of {each}" for each in names[:1]] + names[1:])
    small_print(
        figure,
        f"{seeds_text(tables)} {_TINTED} Ops: means over cells and over twentieths of the search; "
        "below 0 an op beats none.",
        credits.beyond or costs.beyond,
    )
    return figure


def draw_statistics(tables: Dynamics) -> Figure:
    """Loss, entropy, their difference, cost and accuracy, by outcome and split."""
    titles = {
        "train": "training batches",
        "validation": "validation batches (alpha's)",
        "test": "test set",
    }
    present = set(tables.statistics["split"])
    splits = [split for split in titles if split in present]
    kinds = {"": "all samples", "_correct": "classified correctly", "_wrong": "classified wrongly"}
    solid, dashed, dotted = "-", (0, (4, 1.5)), (0, (1, 1.2))
    drawn: list[tuple[int, str, str, dict[str, Any]]] = []
    for kind in kinds:
        colour = {"colour": OUTCOME_COLOUR[kind], "linewidth": 1.5}
        drawn += [
            (0, kind, f"loss{kind}", {**colour, "dash": solid}),
            (0, kind, f"entropy{kind}", {**colour, "dash": dashed}),
            (1, kind, f"loss_minus_entropy{kind}", {**colour, "dash": solid}),
            (
                1,
                kind,
                f"own{kind}" if kind else "credit",
                {**colour, "dash": dotted, "linewidth": 2.2},
            ),
        ]
    drawn.append((2, "", "accuracy", {"colour": "#000000", "dash": solid, "linewidth": 1.5}))
    found = {value: courses(tables.statistics, value, ("split",)) for _, _, value, _ in drawn}
    limits: dict[int, Limits] = {2: (0.0, 1.0)}
    for row in (0, 1):
        means = [c.mean for at, _, value, _ in drawn if at == row for c in found[value].values()]
        limits[row] = robust(means, zero=row == 1)
    share = tables.searches["positive_share"].mean()
    seen = f"Loss exceeds entropy in {share:.0%} of the windows alpha learns from"
    figure, body = sheet((WIDTH, 8.2), seen, name(tables))
    cells = {f"{split} {row}": (row, at) for at, split in enumerate(splits) for row in range(3)}
    inches = (WIDTH / len(splits), 2.2)
    panels = Panels.add(body, cells, inches, (0, _epochs(tables)), limits)
    panels.frame(
        {f"{split} 0": titles[split] for split in splits},
        xlabel="epoch",
        ylabels={0: "loss, entropy (nats)", 1: "loss − entropy, cost (nats)", 2: "accuracy"},
        zero=(1,),
    )
    for row, _, value, style in drawn:
        own = {f"{split} {row}": course for split, course in found[value].items()}
        panels.courses({at: course for at, course in own.items() if course.mean.size}, **style)
    samples = [line(OUTCOME_COLOUR[kind]) for kind in kinds]
    samples += [line(GREY), line(GREY, dashed), line(GREY, dotted, 2.2)]
    names = [*kinds.values(), "loss; loss − entropy", "entropy", "cost (all edges and cells)"]
    key(body, samples, names)
    small_print(figure, seeds_text(tables), panels.beyond)
    return figure


def _ends(tables: Dynamics) -> str:
    """What became of P(none), in words."""
    ends = [
        f"{tables.searches[f'none_{kind}_final'].mean():.2f} on {kind}"
        for kind in CLASS_COLOUR
        if tables.searches[f"none_{kind}_final"].notna().any()
    ]
    return f"P(none) ends at {' and '.join(ends)} edges" if ends else "No edge is free to vanish"


def _nodes(tables: Dynamics) -> int:
    return int(tables.searches["nodes"].iloc[0])


def _ops(tables: Dynamics) -> list[str]:
    return list(tables.ops["op"].unique())


def _epochs(tables: Dynamics) -> float:
    return float(tables.edges["epoch"].max()) + 1


def _learning_split(tables: Dynamics) -> str:
    return "validation" if tables.searches["level"].iloc[0] == "bi" else "train"


def _edge_panels(body: Any, tables: Dynamics, y: Limits, label: str, zero: bool = False) -> Panels:
    """A panel per edge: a row per target, a column per source. A deleted edge's says so."""
    nodes = _nodes(tables)
    edges = edges_of(nodes)
    cells = {str(edge): (edge.target - 2, edge.source) for edge in edges}
    inches = (width(nodes) / (nodes + 1), _ROW)
    present = set(tables.edges["edge"])
    deleted = {str(edge): arrow(edge) for edge in edges if str(edge) not in present}
    panels = Panels.add(body, cells, inches, (0, _epochs(tables)), y)
    panels.frame(
        {str(edge): arrow(edge) for edge in edges if str(edge) in present},
        xlabel="epoch",
        ylabels=label,
        tinted=[name for name in cells if name in present and Edge.parse(name).kind != "input"],
        zero=range(nodes) if zero else (),
        empty=deleted,
    )
    for edge, title in deleted.items():
        panels.say(edge, f"{title} deleted")
    return panels
