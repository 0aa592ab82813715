from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from tests.synthetic import config, deepens, fails, grows, stays, write_search
from tools.captions import FOLDER, captions
from wiring.config import OPS, Edge, ScaleConfig, SearchConfig
from wiring.dynamics import TABLES, Dynamics
from wiring.errors import InputError
from wiring.figures import graph
from wiring.figures.accuracy import draw_accuracy
from wiring.figures.catalogue import entries, entry, figures_of, paths_of
from wiring.figures.cell import FRAMES, animate_wiring, draw_wiring
from wiring.figures.course import courses
from wiring.figures.courses import draw_courses
from wiring.figures.curves import draw_cost, draw_none, draw_probability, draw_statistics
from wiring.figures.draw import draw_condition, draw_experiment, draw_overview
from wiring.figures.interventions import draw_interventions
from wiring.figures.overview import draw_all
from wiring.figures.palette import CONTRAST, OP_COLOUR, contrast, ink
from wiring.figures.panels import Panels, robust
from wiring.figures.phases import draw_phases
from wiring.figures.samples import draw_samples
from wiring.figures.style import CLASS_COLOUR, GREY, SERIES, TINT, fold, styled
from wiring.figures.svg import save
from wiring.trajectory import Trajectory

CONDITION = "E1_dsnas_single_digits"
FULL = {"cells": 2, "nodes": 4}
CUT = {
    "cells": 1,
    "nodes": 2,
    "delete_edges": ["0-2", "0-3", "1-3"],
    "fix_edges": {"1-2": "sep_conv_3x3"},
    "output_nodes": [3],
}
RESTING = {
    "experiment": "E2",
    "method": "uniform",
    "level": "bi",
    "alpha": {"lr": 0.0},
    "train": {"epochs": 6, "frozen_epochs": 2, "followed_samples": 5},
}


def tabulate(root: Path, *searches: tuple[SearchConfig, Any], **shape: Any) -> Dynamics:
    folders = [write_search(root, search, course, **shape) for search, course in searches]
    return Dynamics.of([Trajectory.read(folder) for folder in folders])


@pytest.fixture(scope="module")
def dynamics(tmp_path_factory: pytest.TempPathFactory) -> Dynamics:
    searches: list[tuple[SearchConfig, Any]] = []
    for seed in (0, 1):
        searches += [
            (config(seed=seed, train={"epochs": 70}), grows),
            (config(seed=seed, level="bi", space=FULL), fails),
            (config(seed=seed, variant="cut", space=CUT), stays),
            (config(seed=seed, variant="free"), fails),
            (config(seed=seed, **RESTING), stays),
        ]
    return tabulate(tmp_path_factory.mktemp("searches"), *searches, noise=0.02)


def scale(**changes: Any) -> ScaleConfig:
    design = {"title": "t", "methods": ["dsnas"], "levels": ["single"], "seeds": [0, 1]}
    return ScaleConfig.model_validate(
        {
            "scale": "tiny",
            "datasets": {"digits": {"source": "digits", "test_fraction": 0.2}},
            "report": {"snapshots": [0.0, 1.0]},
            "experiments": {"E1": {**design, "datasets": ["digits"], **changes}},
        }
    )


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with styled():
        yield


def panels(figure: Figure) -> list[Panels]:
    return [axes for axes in figure.axes if isinstance(axes, Panels)]


def texts(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(Text))


def points(axes: Panels, name: str, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """What is drawn inside a panel, in its own units."""
    left, bottom, right, top = axes.boxes[name]
    x, y = np.asarray(x, float), np.asarray(y, float)
    slack = 1e-9
    inside = (x >= left - slack) & (x <= right + slack) & (y >= bottom - slack) & (y <= top + slack)
    low, high = axes.limits(name)
    across = axes.x[0] + (x[inside] - left) / (right - left) * (axes.x[1] - axes.x[0])
    return across, low + (y[inside] - bottom) / (top - bottom) * (high - low)


def curve(axes: Panels, name: str, line: Line2D) -> tuple[np.ndarray, np.ndarray]:
    return points(axes, name, *line.get_data())


def test_probability_lines_are_means_and_bands_are_ranges(dynamics: Dynamics) -> None:
    tables = dynamics.condition(CONDITION)
    figure = draw_probability(tables)
    (axes,) = panels(figure)
    shown = [text.get_text() for text in axes.texts if "→" in text.get_text()]
    assert shown == ["0 → 2", "1 → 2", "0 → 3", "1 → 3", "2 → 3"]
    lines = {line.get_color(): line for line in axes.lines}
    ops = tables.ops[(tables.ops["edge"] == "1-3") & (tables.ops["op"] == "none")]
    by_seed = ops.pivot(index="step", columns="seed", values="probability").to_numpy()
    epochs, none = curve(axes, "1-3", lines[OP_COLOUR["none"]])
    np.testing.assert_allclose(none, by_seed.mean(axis=1))
    np.testing.assert_allclose(epochs, np.arange(1, 71))
    band = axes.patches[-1].get_path().vertices
    _, edge = points(axes, "1-3", *np.asarray(band).T)
    assert edge.min() == pytest.approx(by_seed.min())
    assert edge.max() == pytest.approx(by_seed.max())
    assert set(axes.y.values()) == {(0.0, 1.0)}


def test_none_has_a_line_a_free_edge_dashed_if_it_is_intermediate(dynamics: Dynamics) -> None:
    tables = dynamics.condition(CONDITION)
    (axes,) = panels(draw_none(tables))
    edges = tables.edges[tables.edges["free"]]
    drawn = [line for line in axes.lines if line.get_color() in CLASS_COLOUR.values()]
    assert len(drawn) == edges["edge"].nunique()
    expected = {
        edge: own.groupby("step")["p_none"].mean().to_numpy() for edge, own in edges.groupby("edge")
    }
    for one in drawn:
        kind = "intermediate" if one.get_linestyle() == "--" else "input"
        assert one.get_color() == CLASS_COLOUR[kind]
        level = points(axes, "", *one.get_data())[1]
        near = [edge for edge, mean in expected.items() if np.allclose(level, mean, atol=1e-6)]
        assert near
        assert {Edge.parse(edge).kind for edge in near} == {kind}


def test_intermediate_edges_are_tinted(dynamics: Dynamics) -> None:
    (axes,) = panels(draw_probability(dynamics.condition("E1_dsnas_bi_digits")))
    (tint,) = (each for each in axes.patches if to_hex(each.get_facecolor()) == TINT.lower())
    assert len(axes.boxes) == 14
    for edge in axes.boxes:
        corners = points(axes, edge, *np.asarray(tint.get_path().vertices).T)[0]
        assert (corners.size > 0) == (int(edge[0]) > 1)


def test_cost_panels_share_their_scale_and_mark_zero(dynamics: Dynamics) -> None:
    blocks = panels(draw_cost(dynamics.condition("E1_dsnas_bi_digits")))
    assert [len(axes.boxes) for axes in blocks] == [14, 14]
    for axes in blocks:
        assert len(set(axes.y.values())) == 1
        low, high = axes.y[0]
        assert low < 0 < high
        (zero,) = (line for line in axes.lines if line.get_color() == "#000000")
        for edge in axes.boxes:
            across, level = curve(axes, edge, zero)
            np.testing.assert_allclose(level, 0, atol=1e-12)
            np.testing.assert_allclose(across, axes.x)


def test_deleted_edges_are_named_not_drawn(dynamics: Dynamics) -> None:
    tables = dynamics.condition(f"{CONDITION}_cut")
    figure = draw_probability(tables)
    (axes,) = panels(figure)
    titles = [text.get_text() for text in axes.texts if "→" in text.get_text()]
    assert [title for title in titles if "deleted" not in title] == ["1 → 2", "2 → 3"]
    assert "0 → 3 deleted" in titles
    for line in axes.lines:
        assert curve(axes, "0-3", line)[0].size == 0
    cells = draw_wiring(tables, (0.0, 1.0)).axes
    # One concatenation (node 3 alone is in the output) and two edges.
    assert [len(axes.patches) - 5 for axes in cells] == [3, 3]


def test_statistics_have_a_column_per_split(dynamics: Dynamics) -> None:
    for condition, columns in ((CONDITION, 2), ("E1_dsnas_bi_digits", 3)):
        (axes,) = panels(draw_statistics(dynamics.condition(condition)))
        assert len(axes.boxes) == 3 * columns
        assert len({column for _, column in axes.cells.values()}) == columns


def test_wiring_widths_are_one_minus_p_none(dynamics: Dynamics) -> None:
    tables = dynamics.condition(CONDITION)
    axes = draw_wiring(tables, (1.0,)).axes[0]
    edges = [patch for patch in axes.patches if patch.get_edgecolor()[:3] != (0.4, 0.4, 0.4)]
    widths = [patch.get_linewidth() for patch in edges if patch.get_linewidth() != 1]
    last = tables.edges[tables.edges["step"] == tables.edges["step"].max()]
    expected = 7.0 * (1 - last.groupby("edge", sort=False)["p_none"].mean())
    np.testing.assert_allclose(widths, expected)
    assert "after epoch 70" in axes.get_title(loc="left")


@pytest.mark.parametrize("nodes", [1, 2, 4, 6])
def test_edges_do_not_overlap(nodes: int) -> None:
    """No two curves run together: between their ends they meet at single points at most."""
    share = np.linspace(0, 1, 201)[:, None]
    curves = {}
    for target in range(2, nodes + 2):
        for source in range(target):
            a, b, c = map(np.asarray, graph.curve(source, target))
            curves[source, target] = (
                (1 - share) ** 2 * a + 2 * share * (1 - share) * b + share**2 * c
            )
    for one, other in combinations(curves.values(), 2):
        middle = one[60:-60]
        distance = np.linalg.norm(middle[:, None] - other[None], axis=-1).min(axis=1)
        assert np.mean(distance < 0.02) < 0.2
    # No edge runs through a node that it does not join.
    for (source, target), curve in curves.items():
        for node in set(range(nodes + 2)) - {source, target}:
            place = np.asarray(graph.curve(node, nodes + 2)[0])
            assert np.linalg.norm(curve - place, axis=1).min() > 0.2


def test_condition_files(dynamics: Dynamics, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        draw_condition(scale(), config(), dynamics, tmp_path / name)
    names = ["cost.svg", "none.svg", "probability.svg", "statistics.svg"]
    names += ["wiring.gif", "wiring.svg"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    for name in names:
        content = (tmp_path / "a" / name).read_bytes()
        assert content == (tmp_path / "b" / name).read_bytes()
        assert b"dc:date" not in content
    animation = tmp_path / "a" / "wiring.gif"
    assert animation.stat().st_size < 300_000
    with Image.open(animation) as image:
        assert image.n_frames == FRAMES
        assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)


def test_the_animations_nodes_cover_the_ends_of_edges(dynamics: Dynamics) -> None:
    """Every frame has the same nodes: white inside but for their number, edges do not show."""
    frames = animate_wiring(dynamics.condition(CONDITION)).frames
    pixels = np.array([np.asarray(frame.convert("RGB")) for frame in frames], dtype=int)
    still = (pixels == pixels[0]).all(axis=(0, -1))
    # A grey input is a disc of its own colour; its rim blends with what is beside it.
    inputs = (pixels[0] == 0xDD).all(axis=-1)
    for axis, shift in ((0, 2), (0, -2), (1, 2), (1, -2)):
        inputs &= np.roll(inputs, shift, axis)
    assert inputs.sum() > 500
    assert still[inputs].all()
    moved = (pixels != pixels[0]).any(axis=(0, -1)).sum()
    assert moved > 500


def test_overview(dynamics: Dynamics, tmp_path: Path) -> None:
    draw_overview(dynamics, tmp_path / "overview.svg")
    assert re.search(r"<svg", (tmp_path / "overview.svg").read_text())
    figure = draw_all(dynamics)
    shown = dynamics.searches[dynamics.searches["alpha_learns"] & ~dynamics.searches["intervened"]]
    assert len(shown) == 6
    ends, shapes, below = panels(figure)
    assert (len(ends.boxes), len(shapes.boxes), len(below.boxes)) == (2, 1, 2)
    # A mark a search in each of the three upper panels; E2's rest, and the cut is left out. A cell
    # that connects nothing has no shape.
    shaped = shown[["depth_null", "width_null"]].notna().all(axis=1).sum()
    for axes, count in ((ends, len(shown)), (shapes, shaped)):
        marks = [line for line in axes.lines if line.get_linestyle() == "None"]
        for name in axes.boxes:
            assert sum(curve(axes, name, line)[0].size for line in marks) == count
    for kind in ("input", "intermediate"):
        marks = [line for line in ends.lines if line.get_linestyle() == "None"]
        found = [np.column_stack(curve(ends, f"{kind} digits", line)) for line in marks]
        expected = shown[["positive_share", f"none_{kind}_final"]].to_numpy()
        np.testing.assert_allclose(
            np.sort(np.concatenate(found), axis=0), np.sort(expected, axis=0)
        )


def test_sixteen_methods_differ_in_colour_and_in_mark() -> None:
    colours, marks = zip(*SERIES, strict=True)
    assert len(SERIES) == len(set(colours)) == len(set(marks)) == 16


def test_experiments_differ_in_the_dash_of_their_lines(tmp_path: Path) -> None:
    searches = [(config(experiment=f"E{n}"), grows) for n in range(1, 10)]
    *_, below = panels(draw_all(tabulate(tmp_path, *searches)))
    lines = [line for line in below.lines if line.get_color() == "#0072B2"]
    solid = [line for line in lines if line.get_linestyle() != "None"]
    ends = [line for line in lines if line.get_linestyle() == "None"]
    looks = [str(line._unscaled_dash_pattern) for line in solid]
    assert len(solid) == 9
    # Where dashes are used up, the end bears a mark.
    assert len(set(looks)) + len(ends) == 9


def test_samples_are_lines_in_the_colour_of_their_outcome(dynamics: Dynamics) -> None:
    tables = dynamics.condition("E2_uniform_bi_digits")
    figure = draw_samples(tables)
    (axes,) = panels(figure)
    assert len(axes.boxes) == 4 * 2
    lines = [line for line in axes.lines if line.get_alpha() == 0.7]
    across, level = np.hstack([curve(axes, "train loss", line) for line in lines])
    own = tables.samples[(tables.samples["seed"] == 0) & (tables.samples["split"] == "train")]
    right, wrong = lines
    assert (right.get_color(), wrong.get_color()) == ("#0072B2", "#D55E00")
    for sample, course in own.groupby("sample"):
        course = course.sort_values("epoch")
        drawn = np.column_stack([across, level])
        for epoch, loss in zip(course["epoch"] + 1, course["loss"], strict=True):
            assert np.isclose(drawn, [epoch, loss]).all(axis=1).any(), (sample, epoch)
    # Five samples of ten epochs are 45 segments; each is of the outcome at its end.
    segments = {
        outcome: sum(
            np.isfinite(np.diff(line.get_xdata()[part])).sum()
            for part in [_of_panel(axes, "train loss", line)]
        )
        for outcome, line in ((True, right), (False, wrong))
    }
    later = own[own["epoch"] > own["epoch"].min()]
    assert segments == {key: (later["correct"] == key).sum() for key in (True, False)}
    assert sum(segments.values()) == 5 * (10 - 1)
    assert "100% of correct and 100% of wrong" in texts(figure)


def _of_panel(axes: Panels, name: str, line: Line2D) -> slice:
    """The part of a line, gaps included, that lies in a panel."""
    left, bottom, right, top = axes.boxes[name]
    x, y = (np.asarray(each, float) for each in line.get_data())
    slack = 1e-9
    within = (x >= left - slack) & (x <= right + slack) & (y >= bottom - slack) & (y <= top + slack)
    found = np.flatnonzero(within)
    return slice(found[0], found[-1] + 1)


def test_phases_have_a_panel_an_edge(dynamics: Dynamics) -> None:
    tables = dynamics.condition("E2_uniform_bi_digits")
    (axes,) = panels(draw_phases(tables))
    assert len(axes.boxes) == 2 * 5
    bars = [line for line in axes.lines if line.get_linewidth() == 2]
    means = tables.phases[
        (tables.phases["phase"] == "initial") & (tables.phases["edge"] == "0-2")
    ].groupby("op", sort=False)["cost_mean"]
    drawn = [curve(axes, "initial 0-2", bar)[1][0] for bar in bars]
    np.testing.assert_allclose(drawn, means.mean().drop("none").to_numpy())


def both(dynamics: Dynamics, *conditions: str) -> Dynamics:
    return Dynamics(
        *(
            pd.concat(
                [getattr(dynamics.condition(one), name) for one in conditions], ignore_index=True
            )
            for name in TABLES
        )
    )


def test_interventions_show_every_search(dynamics: Dynamics) -> None:
    free = dynamics.condition(f"{CONDITION}_free")
    figure = draw_interventions(both(dynamics, f"{CONDITION}_free", f"{CONDITION}_cut"), "free")
    (axes,) = panels(figure)
    ticks = [text.get_text() for text in axes.texts if text.get_text() in {"free", "cut"}]
    assert ticks[:2] == ["free", "cut"]
    dots = next(line for line in axes.lines if line.get_alpha() == 0.6)
    name = next(name for name in axes.boxes if name.endswith("0-2"))
    across, shown = curve(axes, name, dots)
    last = free.edges[free.edges["step"] == free.edges["step"].max()]
    # A dot is a stroke of two ends.
    np.testing.assert_allclose(shown[::2], last[last["edge"] == "0-2"]["p_none"])
    np.testing.assert_allclose(across, 0, atol=1e-3)
    assert {"deleted", "fixed"} <= set(texts(figure).split())


def test_an_experiments_files_are_those_its_config_says(dynamics: Dynamics, tmp_path: Path) -> None:
    designs = {
        "cut": {"variants": {"free": {}, "cut": {"space": CUT}}},
        "one": {"variants": {"free": {}}},
        "rest": {
            "methods": ["uniform"],
            "levels": ["bi"],
            "overrides": [{"set": {key: RESTING[key] for key in ("alpha", "train")}}],
        },
    }
    for name, design in designs.items():
        study = scale(**design)
        experiment = study.experiments["E1"]
        if name == "rest":
            study = study.model_copy(update={"experiments": {"E2": experiment}})
        (which,) = study.experiments
        draw_experiment(study, which, dynamics, tmp_path / name)
        drawn = {
            str(path.relative_to(tmp_path / name))
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        assert drawn == set(paths_of(study, which))
    assert (tmp_path / "cut/interventions.svg").stat().st_size > 0
    assert not (tmp_path / "one/interventions.svg").exists(), "one variant is no intervention"
    resting = {"methods": ["uniform"], "variants": {"free": {}, "cut": {"space": CUT}}}
    resting["overrides"] = [{"set": {"alpha": {"lr": 0.0}}}]
    for design, file in ((designs["cut"], "interventions.svg"), (resting, "accuracy.svg")):
        shared = {path for path in paths_of(scale(**design), "E1") if "/" not in path}
        assert shared == {file}, "what is compared is what learns, else accuracy"
    assert {"samples.svg", "phases.svg"} < {
        path.name for path in (tmp_path / "rest/E2_uniform_bi_digits").iterdir()
    }


def test_what_was_recorded_decides_which_figures_there_are() -> None:
    def files(**changes: Any) -> set[str]:
        return {one.file for one in figures_of(config(**changes))}

    learns = {"none.svg", "probability.svg", "wiring.svg", "wiring.gif"}
    assert files() == {*learns, "cost.svg", "statistics.svg"}
    assert files() - files(alpha={"lr": 0.0}) == learns
    assert files(train={"followed_samples": 2}) - files() == {"samples.svg"}
    assert files(train={"frozen_epochs": 1}) - files() == {"phases.svg"}


def test_frozen_searches_leave_an_empty_overview(tmp_path: Path) -> None:
    draw_overview(tabulate(tmp_path, (config(alpha={"lr": 0.0}), stays)), tmp_path / "overview.svg")
    assert (tmp_path / "overview.svg").stat().st_size > 0


def test_shortest_search(tmp_path: Path) -> None:
    dynamics = tabulate(tmp_path, (config(train={"epochs": 2}), stays))
    draw_condition(scale(), config(), dynamics, tmp_path)
    with Image.open(tmp_path / "wiring.gif") as image:
        assert image.n_frames == 2


def test_unknown_condition(dynamics: Dynamics, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown condition 'E1_dsnas_single_digits_x'"):
        draw_experiment(scale(variants={"x": {}}), "E1", dynamics, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_text_is_as_dark_as_it_must_be_and_no_darker() -> None:
    assert contrast((1, 1, 1)) == pytest.approx(1)
    assert contrast((0, 0, 0)) == pytest.approx(21)
    assert contrast(to_rgb("#767676")) == pytest.approx(4.54, abs=0.01)  # WCAG's own example
    for colour in OP_COLOUR.values():
        pale = contrast(to_rgb(colour)) < CONTRAST
        assert CONTRAST <= contrast(to_rgb(ink(colour))) < (4.8 if pale else 22)
        assert pale or ink(colour) == colour


def test_every_op_has_a_colour_of_its_own() -> None:
    assert tuple(OP_COLOUR) == OPS
    assert len(set(OP_COLOUR.values())) == len(OPS)


# The catalogue


def test_the_catalogue_needs_neither_matplotlib_nor_torch() -> None:
    code = (
        "import sys, wiring.figures.catalogue\n"
        "assert not {'matplotlib', 'torch', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_figure_is_named_once_and_has_a_function_and_a_caption() -> None:
    found = list(entries())
    assert len({one.file for one in found}) == len(found)
    for one in found:
        assert entry(one.file) is one
        assert callable(one.load())
        assert one.title
        assert one.caption.endswith(".")


def test_captions_of_the_workflows_report_are_fresh() -> None:
    for name, text in captions().items():
        assert (FOLDER / name).read_text() == text, "python tools/captions.py"


# What can be seen

NODES_12 = {"cells": 1, "nodes": 12}
NO_NONE = {"cells": 1, "ops": [op for op in OPS if op != "none"]}
ALL_FIXED = {
    "cells": 1,
    "fix_edges": dict.fromkeys(("0-2", "1-2", "0-3", "1-3", "2-3"), "sep_conv_3x3"),
}
WHERE_N_IS = {
    "minimal": {"cells": 2, "nodes": 2},
    "full": FULL,
    "one node": {"cells": 1, "nodes": 1},
    "twelve nodes": NODES_12,
    "no none": NO_NONE,
    "one op": {"cells": 1, "ops": ["none", "sep_conv_3x3"]},
    "only none": {"cells": 1, "nodes": 2},
    "all fixed": ALL_FIXED,
    "cut": CUT,
}


def faults(figure: Figure) -> list[str]:
    """Texts that leave the canvas, lie upon each other or are too pale."""
    # As an SVG has them: at few pixels an inch letters are hinted, and wider.
    figure.set_dpi(200)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    hidden = {
        text
        for axes in figure.axes
        if not axes.axison
        for axis in (axes.xaxis, axes.yaxis)
        for text in axis.findobj(Text)
    }
    found, boxes = [], []
    for text in figure.findobj(Text):
        if text in hidden or not text.get_text().strip():
            continue
        box = text.get_window_extent(renderer)
        edges = (box.x0, box.y0, figure.bbox.x1 - box.x1, figure.bbox.y1 - box.y1)
        if min(edges) < -0.5:
            found.append(f"{text.get_text()!r} leaves the canvas by {-min(edges):.0f} pixels")
        for other, there in boxes:
            wide = min(box.x1, there.x1) - max(box.x0, there.x0)
            tall = min(box.y1, there.y1) - max(box.y0, there.y0)
            if min(wide, tall) > 0.5:
                found.append(f"{text.get_text()!r} lies upon {other!r}")
        boxes.append((text.get_text(), box))
        if (ratio := contrast(to_rgb(text.get_color()))) < CONTRAST:
            found.append(f"{text.get_text()!r} has a contrast of {ratio:.2f} with white")
    return found


def check(figure: Figure, path: Path, most: int = 60_000) -> None:
    save(figure, path)
    assert faults(figure) == []
    assert path.stat().st_size <= most


@pytest.mark.parametrize(
    ("space", "epochs"), [("minimal", 2), ("cut", 2), *((space, 15) for space in WHERE_N_IS)]
)
def test_all_texts_of_a_condition_can_be_read(tmp_path: Path, space: str, epochs: int) -> None:
    search = config(space=WHERE_N_IS[space], train={"epochs": epochs, "frozen_epochs": 1})
    tables = tabulate(tmp_path, (search, grows))
    if space == "only none":
        ops = tables.ops[tables.ops["op"] == "none"]
        tables = replace(tables, ops=ops, phases=tables.phases[tables.phases["op"] == "none"])
    most = 150_000 if space == "twelve nodes" else 60_000
    moments = (0.0, 0.33, 0.66, 1.0)
    for draw in (draw_probability, draw_none, draw_cost, draw_statistics, draw_phases):
        check(draw(tables), tmp_path / "figure.svg", most)
    check(draw_wiring(tables, moments), tmp_path / "figure.svg", most)
    assert len(animate_wiring(tables).frames) == min(FRAMES, search.train.all_epochs)


@pytest.mark.slow
@pytest.mark.parametrize("space", [{"cells": 2, "nodes": 2}, FULL])
def test_figures_of_a_long_noisy_condition_are_small(tmp_path: Path, space: Any) -> None:
    train = {"epochs": 120, "followed_samples": 24}
    searches = [(config(seed=s, space=space, level="bi", train=train), grows) for s in range(5)]
    tables = tabulate(tmp_path, *searches, noise=0.02)
    for draw in (draw_probability, draw_none, draw_cost, draw_statistics, draw_samples):
        check(draw(tables), tmp_path / "figure.svg")


def test_all_texts_of_a_rest_can_be_read(dynamics: Dynamics, tmp_path: Path) -> None:
    tables = dynamics.condition("E2_uniform_bi_digits")
    for draw in (draw_cost, draw_statistics, draw_samples, draw_phases):
        check(draw(tables), tmp_path / "figure.svg")


def test_all_texts_of_the_overview_can_be_read(dynamics: Dynamics, tmp_path: Path) -> None:
    check(draw_all(dynamics), tmp_path / "figure.svg")
    searches = [
        (config(method=method, level=level, experiment=name, dataset=dataset, seed=seed), course)
        for method in ("dsnas", "snas")
        for level, name in (("single", "E1"), ("bi", "E5"))
        for dataset in ("digits", "a-dataset-with-a-long-name")
        for seed, course in ((0, grows), (1, deepens))
    ]
    check(draw_all(tabulate(tmp_path, *searches)), tmp_path / "figure.svg")


def of_methods(dynamics: Dynamics, count: int) -> Dynamics:
    """Two conditions, as often as there are to be methods."""
    one = both(dynamics, CONDITION, "E1_dsnas_bi_digits")

    def renamed(table: pd.DataFrame, method: str) -> pd.DataFrame:
        names = {name: table[name].str.replace("dsnas", method) for name in ("search", "condition")}
        return table.assign(**names, **({"method": method} if "method" in table else {}))

    methods = [f"method-{place}" for place in range(count)]
    tables = {
        name: pd.concat([renamed(getattr(one, name), method) for method in methods])
        for name in ("searches", "edges")
    }
    return replace(one, **tables)


def test_more_methods_than_colours_have_their_courses(dynamics: Dynamics, tmp_path: Path) -> None:
    check(draw_courses(of_methods(dynamics, 17)), tmp_path / "figure.svg")


def test_an_overview_of_sixteen_methods_can_be_read(dynamics: Dynamics, tmp_path: Path) -> None:
    figure = draw_all(of_methods(dynamics, 16))
    ends = panels(figure)[0]
    marks = {
        (line.get_markeredgecolor(), str(line.get_marker()))
        for line in ends.lines
        if line.get_linestyle() == "None"
    }
    assert len(marks) == 16
    check(figure, tmp_path / "figure.svg")


def test_all_texts_of_interventions_can_be_read(dynamics: Dynamics, tmp_path: Path) -> None:
    tables = both(dynamics, f"{CONDITION}_free", f"{CONDITION}_cut")
    check(draw_interventions(tables, "free"), tmp_path / "figure.svg")


def test_accuracy_is_a_dot_a_pair_of_searches(tmp_path: Path) -> None:
    rest = [
        config(method="uniform", alpha={"lr": 0.0}, seed=seed, variant=variant)
        for seed in range(3)
        for variant in ("free", "cut", "random-1")
    ]
    tables = tabulate(tmp_path, *((search, stays) for search in rest))
    own = tables.searches
    own["test_accuracy"] = 0.9 + 0.01 * own["seed"] * (own["variant"] == "cut")
    figure = draw_accuracy(tables, "free")
    (axes,) = panels(figure)
    dots = next(line for line in axes.lines if line.get_alpha() == 0.6)
    across, shown = curve(axes, "uniform, single, digits", dots)
    np.testing.assert_allclose(across[::2], [0, 0, 0, 1, 1, 1], atol=2e-3)
    np.testing.assert_allclose(shown[::2], [0, 0.01, 0.02, 0, 0, 0], atol=1e-6)
    assert "free" not in {text.get_text() for text in axes.texts}
    check(figure, tmp_path / "figure.svg")


def test_nodes_are_ordered_as_numbers_and_known_by_their_class(tmp_path: Path) -> None:
    tables = tabulate(tmp_path, (config(space=NODES_12, variant="free"), grows))
    figure = draw_interventions(tables, "free")
    (axes,) = panels(figure)
    order = [name.split()[1] for name in axes.boxes]
    assert order[:3] == ["0-2", "1-2", "0-3"]
    assert order[-2:] == ["11-13", "12-13"]
    colours = {line.get_color(): line for line in axes.lines if line.get_alpha() == 0.6}
    for edge, colour in (("1-13", "#0072B2"), ("10-11", "#D55E00"), ("2-3", "#D55E00")):
        assert curve(axes, f"0 {edge}", colours[colour])[0].size
    (axes,) = panels(draw_probability(tables))
    (tint,) = (each for each in axes.patches if to_hex(each.get_facecolor()) == TINT.lower())
    assert points(axes, "10-11", *np.asarray(tint.get_path().vertices).T)[0].size
    assert axes.cells["10-11"] == (9, 10)


def test_long_titles_wrap() -> None:
    text = "a rather long title " * 12
    lines = fold(text.strip(), 5.0, 12, "bold").split("\n")
    assert " ".join(lines) == text.strip()
    assert len(lines) > 3
    assert max(map(len, lines)) < 1.5 * min(map(len, lines[:-1]))


# Outliers


def test_an_outlier_does_not_flatten_the_others() -> None:
    calm = np.sin(np.linspace(0, 6, 60))
    low, high = robust([calm, np.array([1000.0, np.nan, np.inf])])
    assert -1.5 < low < -1
    assert 1 < high < 3.5
    # Nothing is cut where nothing is far off.
    low, high = robust([np.linspace(0, 1, 50)])
    assert low < 0 < 1 < high
    assert robust([]) == robust([np.array([0.0])])


def test_what_lies_beyond_a_panel_is_marked_and_said(dynamics: Dynamics) -> None:
    tables = dynamics.condition(CONDITION)
    assert "Triangles" not in texts(draw_cost(tables))
    edges = tables.edges.copy()
    edges.loc[(edges["edge"] == "1-3") & (edges["epoch"] == 9), "credit_path"] = 500.0
    figure = draw_cost(replace(tables, edges=edges))
    assert "Triangles at a border: values beyond it." in texts(figure)
    credits, costs = panels(figure)
    assert credits.y[0][1] < 1
    (mark,) = (line for line in credits.lines if line.get_marker() == "^")
    across, level = curve(credits, "1-3", mark)
    assert (across, level) == (pytest.approx([10]), pytest.approx([credits.y[0][1]]))
    assert (credits.beyond, costs.beyond) == (True, False)


# Arrays and files


def test_courses_are_means_and_ranges_of_what_is_there() -> None:
    table = pd.DataFrame(
        {
            "seed": [0, 0, 0, 1, 1, 1],
            "step": [10, 20, 30, 10, 20, 30],
            "epoch": [0, 1, 2, 0, 1, 2],
            "edge": "0-2",
            "value": [1.0, np.nan, 3.0, 5.0, np.nan, np.nan],
        }
    )
    found = courses(table, "value", ("edge",))["0-2"]
    assert found.epochs.tolist() == [1, 3]
    assert found.mean.tolist() == [3, 3]
    assert (found.low.tolist(), found.high.tolist()) == ([1, 3], [5, 3])
    halves = courses(table, "value", ("edge",), parts=1)["0-2"]
    # Seed by seed, then over seeds: (mean of 1 and 3, and 5).
    assert (halves.epochs.tolist(), halves.mean.tolist()) == ([3], [3.5])


def test_a_search_that_has_ended_keeps_its_last_value() -> None:
    """The mean does not jump where one of two lines ends."""
    table = pd.DataFrame(
        {
            "seed": [0, 0, 0, 0, 1, 1],
            "step": [10, 20, 30, 40, 10, 20],
            "epoch": [0, 1, 2, 3, 0, 1],
            "value": [1.0, 1.0, 1.0, 1.0, 0.0, 0.5],
        }
    )
    found = courses(table, "value")[()]
    assert found.mean.tolist() == [0.5, 0.75, 0.75, 0.75]
    assert found.low.tolist() == [0, 0.5, 0.5, 0.5]


def drawn_as(figure: Figure, path: Path) -> list[np.ndarray]:
    """The vertices of each part of each path of a saved figure, but for its background."""
    save(figure, path)
    found: list[np.ndarray] = []
    for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}path"):
        for part in re.findall(r"M([^M]+)", element.get("d", "")):
            numbers = np.array(re.findall(r"-?\d*\.?\d+", part), dtype=float).reshape(-1, 2)
            # Short paths are as they were, in absolute coordinates.
            found.append(numbers.cumsum(axis=0) if "l" in part else numbers)
    return found


def plain(draw: Callable[[Any], object]) -> Figure:
    figure = Figure(figsize=(5, 3))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    draw(axes)
    return figure


def test_a_curve_loses_only_what_a_pixel_cannot_show(tmp_path: Path) -> None:
    x = np.linspace(0, 1, 1000)
    y = 0.5 + 0.4 * np.sin(12 * x)
    *_, found = drawn_as(plain(lambda axes: axes.plot(x, y)), tmp_path / "figure.svg")
    assert len(found) < 200
    # The polyline through what is left, at the places of what is gone, in points.
    across, down = 360 * x, 216 * (1 - y)
    left = np.interp(across, found[:, 0], found[:, 1])
    assert np.abs(left - down).max() < 0.5
    np.testing.assert_allclose(found[[0, -1]], [[0, down[0]], [360, down[-1]]], atol=0.11)


def test_a_spike_stays(tmp_path: Path) -> None:
    x, y = np.linspace(0, 1, 500), np.full(500, 0.5)
    y[250] = 0.9
    *_, found = drawn_as(plain(lambda axes: axes.plot(x, y)), tmp_path / "figure.svg")
    assert found[:, 1].min() == pytest.approx(21.6, abs=0.1)
    assert len(found) < 8


def test_a_compact_svg_keeps_its_texts_and_colours(dynamics: Dynamics, tmp_path: Path) -> None:
    figure = draw_probability(dynamics.condition(CONDITION))
    save(figure, tmp_path / "figure.svg")
    svg = (tmp_path / "figure.svg").read_text()
    words = "".join(ElementTree.fromstring(svg).itertext())
    for text in ("0 → 2", "probability", "epoch", "sep conv 5", "P(none) ends at"):
        assert text in words
    for colour in (*OP_COLOUR.values(), GREY):
        assert colour.lower() in svg
