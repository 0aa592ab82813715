from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tests.synthetic import config, fails, grows, stays, write_search
from wiring.config import OPS
from wiring.config.scale import figures_of
from wiring.dynamics import TABLES, Dynamics
from wiring.figures import (
    draw_all,
    draw_condition,
    draw_cost,
    draw_experiment,
    draw_interventions,
    draw_overview,
    draw_phases,
    draw_probability,
    draw_samples,
    draw_statistics,
    draw_wiring,
)
from wiring.figures.cell import FRAMES, _curve
from wiring.figures.style import OP_COLOUR, styled
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


@pytest.fixture(scope="module")
def dynamics(tmp_path_factory: pytest.TempPathFactory) -> Dynamics:
    root = tmp_path_factory.mktemp("searches")
    folders = []
    for seed in (0, 1):
        shifted = {"noise": 0.02}
        folders += [
            write_search(root, config(seed=seed, train={"epochs": 70}), grows, **shifted),
            write_search(root, config(seed=seed, level="bi", space=FULL), fails, **shifted),
            write_search(root, config(seed=seed, variant="cut", space=CUT), stays, **shifted),
            write_search(root, config(seed=seed, variant="free"), fails, **shifted),
            write_search(root, config(seed=seed, **RESTING), stays, **shifted),
        ]
    return Dynamics.of([Trajectory.read(folder) for folder in folders])


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with styled():
        yield


def panels(figure: Figure) -> dict[str, object]:
    return {axes.get_title(loc="left"): axes for axes in figure.axes if axes.axison}


def texts(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text")))


def test_probability_lines_are_means_and_bands_are_ranges(dynamics: Dynamics) -> None:
    tables = dynamics.condition(CONDITION)
    figure = draw_probability(tables)
    drawn = panels(figure)
    assert list(drawn) == ["0 → 2", "1 → 2", "0 → 3", "1 → 3", "2 → 3"]
    axes = drawn["1 → 3"]
    lines = {line.get_color(): line for line in axes.lines}
    ops = tables.ops[(tables.ops["edge"] == "1-3") & (tables.ops["op"] == "none")]
    by_seed = ops.pivot(index="step", columns="seed", values="probability").to_numpy()
    none = lines[OP_COLOUR["none"]]
    np.testing.assert_allclose(none.get_ydata(), by_seed.mean(axis=1))
    np.testing.assert_allclose(none.get_xdata(), np.arange(1, 71))
    corners = axes.collections[-1].get_paths()[0].vertices
    assert corners[:, 1].min() == pytest.approx(by_seed.min())
    assert corners[:, 1].max() == pytest.approx(by_seed.max())
    assert {axes.get_ylim() for axes in drawn.values()} == {(0.0, 1.0)}


def test_intermediate_edges_are_tinted(dynamics: Dynamics) -> None:
    for edge, axes in panels(draw_probability(dynamics.condition("E1_dsnas_bi_digits"))).items():
        assert (axes.get_facecolor() != (1, 1, 1, 1)) == (int(edge[0]) > 1)


def test_cost_panels_share_their_scale_and_mark_zero(dynamics: Dynamics) -> None:
    figure = draw_cost(dynamics.condition("E1_dsnas_bi_digits"))
    axes = [axes for axes in figure.axes if axes.axison]
    assert len(axes) == 28
    for block in (axes[:14], axes[14:]):
        assert len({one.get_ylim() for one in block}) == 1
        low, high = block[0].get_ylim()
        assert low < 0 < high
        for one in block:
            assert any(np.all(np.asarray(line.get_ydata()) == 0) for line in one.lines)


def test_deleted_edges_are_named_not_drawn(dynamics: Dynamics) -> None:
    tables = dynamics.condition(f"{CONDITION}_cut")
    figure = draw_probability(tables)
    assert list(panels(figure)) == ["1 → 2", "2 → 3"]
    assert "0 → 3 deleted" in texts(figure)
    cells = draw_wiring(tables, (0.0, 1.0)).axes
    # One concatenation (node 3 alone is in the output) and two edges.
    assert [len(axes.patches) - 5 for axes in cells] == [3, 3]


def test_statistics_have_a_column_per_split(dynamics: Dynamics) -> None:
    assert len(draw_statistics(dynamics.condition(CONDITION)).axes) == 3 * 2
    assert len(draw_statistics(dynamics.condition("E1_dsnas_bi_digits")).axes) == 3 * 3


def test_wiring_widths_are_one_minus_p_none(dynamics: Dynamics) -> None:
    tables = dynamics.condition(CONDITION)
    axes = draw_wiring(tables, (1.0,)).axes[0]
    edges = [patch for patch in axes.patches if patch.get_edgecolor()[:3] != (0.4, 0.4, 0.4)]
    widths = [patch.get_linewidth() for patch in edges if patch.get_linewidth() != 1]
    last = tables.edges[tables.edges["step"] == tables.edges["step"].max()]
    expected = 7.0 * (1 - last.groupby("edge", sort=False)["p_none"].mean())
    np.testing.assert_allclose(widths, expected)
    assert "after epoch 70" in axes.get_title(loc="left")


@pytest.mark.parametrize("nodes", [2, 4, 6])
def test_edges_do_not_overlap(nodes: int) -> None:
    """No two curves run together: between their ends they meet at single points at most."""
    share = np.linspace(0, 1, 201)[:, None]
    curves = {}
    for target in range(2, nodes + 2):
        for source in range(target):
            a, b, c = map(np.asarray, _curve(source, target))
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
            place = np.asarray(_curve(node, nodes + 2)[0])
            assert np.linalg.norm(curve - place, axis=1).min() > 0.2


def test_condition_files(dynamics: Dynamics, tmp_path: Path) -> None:
    draw_condition(dynamics, CONDITION, tmp_path / "a", moments=(0.0, 1.0))
    draw_condition(dynamics, CONDITION, tmp_path / "b", moments=(0.0, 1.0))
    names = ["cost.svg", "probability.svg", "statistics.svg", "wiring.gif", "wiring.svg"]
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


def test_overview(dynamics: Dynamics, tmp_path: Path) -> None:
    draw_overview(dynamics, tmp_path / "overview.svg")
    assert re.search(r"<svg", (tmp_path / "overview.svg").read_text())
    figure = draw_all(dynamics)
    shown = dynamics.searches[dynamics.searches["alpha_learns"] & ~dynamics.searches["intervened"]]
    assert len(shown) == 6
    # A mark a search in each of the three upper panels; E2's rest, and the cut is left out.
    for axes in figure.axes[:3]:
        assert sum(len(dots.get_offsets()) for dots in axes.collections) == len(shown)
    for axes, kind in zip(figure.axes, ("input", "intermediate"), strict=False):
        marks = np.concatenate([dots.get_offsets() for dots in axes.collections])
        expected = shown[["positive_share", f"none_{kind}_final"]].to_numpy()
        np.testing.assert_allclose(np.sort(marks, axis=0), np.sort(expected, axis=0))
    assert len(figure.axes) == 3 + 2


def test_samples_are_lines_in_the_colour_of_their_outcome(dynamics: Dynamics) -> None:
    tables = dynamics.condition("E2_uniform_bi_digits")
    figure = draw_samples(tables)
    assert len(figure.axes) == 4 * 2
    (lines,) = figure.axes[0].collections
    assert len(lines.get_segments()) == 5 * (10 - 1)
    own = tables.samples[(tables.samples["seed"] == 0) & (tables.samples["split"] == "train")]
    first = own[own["sample"] == 0].sort_values("epoch")
    np.testing.assert_allclose(lines.get_segments()[0][:, 1], first["loss"][:2])
    assert "100% of correct and 100% of wrong" in texts(figure)


def test_phases_have_a_panel_an_edge(dynamics: Dynamics) -> None:
    tables = dynamics.condition("E2_uniform_bi_digits")
    figure = draw_phases(tables)
    assert len(figure.axes) == 2 * 5
    bars = [bar for bar in figure.axes[0].lines if bar.get_markersize() == 10]
    means = tables.phases[
        (tables.phases["phase"] == "initial") & (tables.phases["edge"] == "0-2")
    ].groupby("op", sort=False)["cost_mean"]
    drawn = [bar.get_ydata()[0] for bar in bars]
    np.testing.assert_allclose(drawn, means.mean().drop("none").to_numpy())


def test_interventions_show_every_search(dynamics: Dynamics) -> None:
    tables = dynamics.condition(f"{CONDITION}_cut")
    free = dynamics.condition(f"{CONDITION}_free")
    both = Dynamics(
        *(
            pd.concat([getattr(one, name) for one in (free, tables)], ignore_index=True)
            for name in TABLES
        )
    )
    figure = draw_interventions(both, "free")
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["free", "cut"]
    shown = [line.get_ydata() for line in figure.axes[0].lines if line.get_marker() == "o"]
    last = free.edges[free.edges["step"] == free.edges["step"].max()]
    np.testing.assert_allclose(shown[0], last[last["edge"] == "0-2"]["p_none"])
    assert {"deleted", "fixed"} <= set(texts(figure).split())


def test_an_experiments_files_are_those_its_config_says(dynamics: Dynamics, tmp_path: Path) -> None:
    searches = {
        CONDITION: config(),
        f"{CONDITION}_cut": config(variant="cut", space=CUT),
        "E2_uniform_bi_digits": config(**RESTING),
    }
    for condition, search in searches.items():
        draw_experiment(dynamics.condition(condition), tmp_path)
        names = {path.name for path in (tmp_path / condition).iterdir()}
        assert names == set(figures_of(search))
    assert not (tmp_path / "interventions.svg").exists(), "one variant is no intervention"
    draw_experiment(
        Dynamics(
            *(getattr(dynamics, n).query("condition != 'E2_uniform_bi_digits'") for n in TABLES)
        ),
        tmp_path,
    )
    assert (tmp_path / "interventions.svg").stat().st_size > 0


def test_frozen_searches_leave_an_empty_overview(tmp_path: Path) -> None:
    folder = write_search(tmp_path, config(alpha={"lr": 0.0}), stays)
    draw_overview(Dynamics.of([Trajectory.read(folder)]), tmp_path / "overview.svg")
    assert (tmp_path / "overview.svg").stat().st_size > 0


def test_shortest_search(tmp_path: Path) -> None:
    folder = write_search(tmp_path, config(train={"epochs": 2}), stays)
    dynamics = Dynamics.of([Trajectory.read(folder)])
    draw_condition(dynamics, CONDITION, tmp_path / "figures")
    with Image.open(tmp_path / "figures" / "wiring.gif") as image:
        assert image.n_frames == 2


def test_unknown_condition(dynamics: Dynamics, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown condition 'E9'"):
        draw_condition(dynamics, "E9", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_every_op_has_a_colour_of_its_own() -> None:
    assert tuple(OP_COLOUR) == OPS
    assert len(set(OP_COLOUR.values())) == len(OPS)
