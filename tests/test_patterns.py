"""Each pattern: what it measures, by hand and by brute force; and that a file is all it takes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wiring
from tests.synthetic import altered, config, fails, grows, stays, write_search
from wiring.config import Edge, SpaceConfig
from wiring.dynamics import MEANINGS, Dynamics, edge_table, sample_table
from wiring.patterns import CLAIMS, PATTERNS, STATISTICS, THRESHOLDS, Pattern
from wiring.patterns.shape import CellShape, cell_shape, uniform_shape
from wiring.trajectory import Trajectory


def read(root: Path, **changes: object) -> Trajectory:
    search = config(**changes)
    return Trajectory.read(write_search(root, search))


def summary(folder: Path) -> pd.Series:
    return Dynamics.of([Trajectory.read(folder)]).searches.iloc[0]


def test_growth_by_hand(tmp_path: Path) -> None:
    """`grows` peaks at 0.825; input edges end at 0.03, the intermediate edge at 0.825."""
    row = summary(write_search(tmp_path, config(train={"epochs": 41}), grows))
    assert row["none_input_peak"] == pytest.approx(0.825, abs=1e-6)
    assert row["none_input_final"] == pytest.approx(0.03, abs=1e-6)
    assert row["none_intermediate_final"] == pytest.approx(0.825, abs=1e-6)
    assert row["none_rise"] == pytest.approx(0.7, abs=1e-6)
    assert row["none_return"] == pytest.approx(0.795 * 4 / 5, abs=1e-6)
    assert row["growth"] == pytest.approx(0.7 * 4 / 5, abs=1e-6)
    assert (row["edges_free"], row["edges_selected"]) == (5, 4)
    assert (row["edges_dropped"], row["edges_returned"]) == (5, 4)
    assert row["dropped_share"] == pytest.approx(0.2)
    assert row["return_order"] == "0-2,1-2,0-3,1-3"
    assert row["width_gap"] > 0.2


def test_orders_follow_time(tmp_path: Path) -> None:
    edges = config().space.edges
    none = {str(edge): np.full(20, 0.05) for edge in edges}
    none["1-3"][3:12] = 0.9
    none["0-2"][5:9] = 0.9
    none["2-3"][1:] = 0.9

    def course(edge: Edge, time: float) -> float:
        return float(none[str(edge)][round(time * 19)])

    row = summary(write_search(tmp_path, config(), course))
    assert row["drop_order"] == "2-3,1-3,0-2"
    assert row["return_order"] == "0-2,1-3"


@given(st.lists(st.floats(0.01, 0.98), min_size=20, max_size=20))
@settings(max_examples=20, deadline=None)
def test_growth_measures_twin(
    tmp_path_factory: pytest.TempPathFactory, course: list[float]
) -> None:
    folder = tmp_path_factory.mktemp("growth")
    row = summary(write_search(folder, config(), lambda _, time: course[round(time * 19)]))
    peak = max(course)
    assert row["none_rise"] == pytest.approx(peak - 1 / 8, abs=1e-6)
    assert row["none_return"] == pytest.approx(peak - course[-1], abs=1e-6)
    expected = max(0.0, min(peak - 1 / 8, peak - course[-1]))
    assert row["growth"] == pytest.approx(expected, abs=1e-6)
    assert row["width_gap"] == pytest.approx(0, abs=1e-6)


def courses(**none: str) -> Callable[[Edge, float], float]:
    """P(none) of edges over twenty windows: high where the text has an x; 0.05 on the others."""
    high = {name[1:].replace("_", "-"): text.ljust(20, ".") for name, text in none.items()}

    def course(edge: Edge, time: float) -> float:
        return 0.9 if high.get(str(edge), "." * 20)[round(time * 19)] == "x" else 0.05

    return course


@pytest.mark.parametrize(
    ("course", "dropped_most", "regrown", "returned", "order"),
    [
        # Growth: all are dropped at one time, and the input edges come back one after another.
        (
            courses(
                e0_2=".xxxxx", e1_2=".xxxxxxx", e0_3=".xxxx", e1_3=".xxxxxx", e2_3="." + 19 * "x"
            ),
            *(1.0, 0.8, 0.8, 1.0),
        ),
        # Pruning: edges are dropped one after another, and none comes back.
        (
            courses(e0_2=5 * "." + 15 * "x", e2_3=9 * "." + 11 * "x"),
            *(0.4, 0.0, 0.0, float("nan")),
        ),
        # Each is dropped once, never two at one time: nothing grows by more than an edge.
        (courses(e0_2=".xx", e1_2="...xx", e0_3=".....xx"), 0.2, 0.2, 1.0, float("nan")),
        # The reverse order, and a tie.
        (courses(e0_2=".xxxxx", e2_3=".xx"), 0.4, 0.4, 1.0, 0.0),
        (courses(e0_2=".xxx", e2_3=".xxx"), 0.4, 0.4, 1.0, 0.5),
        # Nothing is dropped.
        (courses(), 0.0, 0.0, float("nan"), float("nan")),
    ],
)
def test_growth_needs_edges_that_drop_and_come_back(
    tmp_path: Path,
    course: Callable[[Edge, float], float],
    dropped_most: float,
    regrown: float,
    returned: float,
    order: float,
) -> None:
    row = summary(write_search(tmp_path, config(), course))
    found = [row[n] for n in ("dropped_most", "regrown", "returned_share", "inputs_first")]
    assert found == pytest.approx([dropped_most, regrown, returned, order], nan_ok=True)


def test_the_noise_of_the_first_steps_drops_no_edge(tmp_path: Path) -> None:
    """None is likeliest by a hair on every edge: above 1/8, and above the others."""
    row = summary(write_search(tmp_path, config(), lambda _, time: 0.19 if time < 0.1 else 0.05))
    assert row["dropped_most"] == 1.0  # 1/8 + 0.05 and more
    row = summary(write_search(tmp_path, config(), lambda _, time: 0.17 if time < 0.1 else 0.05))
    assert row["dropped_most"] == row["regrown"] == 0.0


@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=5, max_size=5))
@settings(max_examples=10, deadline=None)
def test_growth_by_brute_force(
    tmp_path_factory: pytest.TempPathFactory, high: list[list[bool]]
) -> None:
    """Edge by edge and window by window, in plain words."""
    search = config(train={"epochs": 6})
    names = list(map(str, search.space.edges))

    def course(edge: Edge, time: float) -> float:
        return 0.9 if high[names.index(str(edge))][round(time * 5)] else 0.05

    row = summary(write_search(tmp_path_factory.mktemp("growth"), search, course))
    back = {n: not own[-1] for n, own in zip(names, high, strict=True) if any(own)}
    together = [[n for n, own in zip(names, high, strict=True) if own[w]] for w in range(6)]
    assert row["dropped_most"] == pytest.approx(max(map(len, together)) / 5)
    assert row["regrown"] == pytest.approx(max(sum(back[n] for n in t) for t in together) / 5)
    assert (row["edges_dropped"], row["edges_returned"]) == (len(back), sum(back.values()))
    since = {
        n: max(w for w in range(6) if high[names.index(n)][w]) if back[n] else 99 for n in back
    }
    pairs = [(since[n], since["2-3"]) for n in back if n != "2-3"] if "2-3" in back else []
    pairs = [pair for pair in pairs if pair != (99, 99)]
    expected = np.mean([(a < b) + (a == b) / 2 for a, b in pairs]) if pairs else float("nan")
    assert row["inputs_first"] == pytest.approx(expected, nan_ok=True)
    last = max((w for w in range(6) if len(together[w]) < 5), default=-1) + 1
    expected = last if last < 6 else float("nan")
    assert row["emptied_epoch"] == pytest.approx(expected, nan_ok=True)


def test_when_the_last_edge_was_dropped(tmp_path: Path) -> None:
    """Of edges that go, one comes back for a while: only the last time counts."""
    gone = {f"e{e.replace('-', '_')}": "." + 19 * "x" for e in ("0-2", "1-2", "0-3", "2-3")}
    course = courses(**gone, e1_3="..xxx..xxxxxxxxxxxxx")
    row = summary(write_search(tmp_path, config(level="bi"), course, displacement=40.0))
    assert (row["emptied_epoch"], row["emptied_step"]) == (7, 80)
    assert row["emptied_displacement"] == pytest.approx(16.0)
    kept = summary(write_search(tmp_path, config(level="bi"), courses(**gone)))
    assert np.isnan(kept["emptied_epoch"])


def test_positive_share_is_of_the_learning_split(tmp_path: Path) -> None:
    """The synthetic validation split's loss - entropy is 0.3 above the training split's."""

    def positive(level: str) -> float:
        folder = write_search(
            tmp_path, config(level=level), loss=lambda t: 2.0 - 0.3 * t, entropy=lambda _: 1.9
        )
        return summary(folder)["positive_share"]

    times = np.arange(20) / 19
    assert positive("single") == pytest.approx(np.mean(0.1 - 0.3 * times > 0))
    assert positive("bi") == pytest.approx(np.mean(0.4 - 0.3 * times > 0)) == 1.0


def test_laws_are_read_in_every_window(tmp_path: Path) -> None:
    """With skip on intermediate edges and without."""
    folder = write_search(tmp_path, config(), residual=0.25, skip=lambda t: float(t < 0.5))
    row = summary(folder)
    assert row["residual_direct"] == row["residual_total"] == row["residual_inner"] == 0.25
    assert row["residual_path"] == 0.0
    assert row["skipless_share"] == 0.5
    never = summary(write_search(tmp_path, config(seed=1), residual=0.25, skip=lambda _: 1.0))
    assert never["residual_total"] == never["residual_direct"] == 0.25
    assert never["skipless_share"] == 0.0


def test_path_residual_sums_over_the_edges_into_a_node(tmp_path: Path) -> None:
    trajectory = read(tmp_path)
    path = np.zeros((20, 2, 5))
    path[7, 0, :2] = 0.5, -0.4  # edges 0-2 and 1-2 into node 2
    row = Dynamics.of([altered(trajectory, credit_path=path)]).searches.iloc[0]
    assert row["residual_path"] == pytest.approx(0.1, abs=1e-6)
    # What skip_connect on 2-3 hands on is no deviation; on another window it would be.
    skip = np.zeros_like(path)
    skip[7, 0, 4] = 0.1
    both = altered(trajectory, credit_path=path, credit_skip=skip)
    assert Dynamics.of([both]).searches.iloc[0]["residual_path"] == pytest.approx(0, abs=1e-6)
    late = altered(trajectory, credit_path=path, credit_skip=np.roll(skip, 1, axis=0))
    assert Dynamics.of([late]).searches.iloc[0]["residual_path"] == pytest.approx(0.1, abs=1e-6)


def test_only_free_edges_count(tmp_path: Path) -> None:
    space = {
        "cells": 2,
        "nodes": 2,
        "fix_edges": {"0-2": "sep_conv_3x3"},
        "forbid_ops": {"1-2": ["none"]},
        "delete_edges": ["2-3"],
    }
    row = summary(write_search(tmp_path, config(space=space), fails))
    assert row["edges_free"] == 2
    assert row["dropped_share"] == 1.0
    assert np.isnan(row["none_intermediate_final"])
    assert np.isnan(row["width_gap"])
    assert row["intervened"]


def test_cost_follows_accuracy_is_minus_one_when_it_rises(tmp_path: Path) -> None:
    falls = summary(write_search(tmp_path, config()))
    rises = summary(write_search(tmp_path, config(seed=1), entropy=lambda t: 2.2 - 3 * t))
    flat = summary(
        write_search(tmp_path, config(seed=2), loss=lambda _: 1.0, entropy=lambda _: 1.0)
    )
    assert falls["cost_follows_accuracy"] == pytest.approx(1)
    assert rises["cost_follows_accuracy"] == pytest.approx(-1)
    assert np.isnan(flat["cost_follows_accuracy"])


@pytest.mark.parametrize(
    ("edges", "outputs", "shape"),
    [
        # The examples of Shu et al. (2020): the widest cell, a chain, and what lies between.
        (["0-2", "1-2", "0-3", "1-3", "0-4", "1-4", "0-5", "1-5"], (2, 3, 4, 5), (2, 4)),
        (["0-2", "1-2", "0-3", "2-3", "0-4", "3-4", "0-5", "4-5"], (2, 3, 4, 5), (5, 2.5)),
        (["0-2", "1-2", "0-3", "1-3"], (2, 3), (2, 2)),
        (["0-2", "1-2", "2-3"], (2, 3), (3, 1)),
        (["2-3"], (2, 3), (0, 0)),  # no input reaches it
        (["0-2", "1-2", "0-3"], (3,), (2, 1)),  # node 2 does not reach the output
        (["0-2", "2-3"], (3,), (3, 1)),
        ([], (2, 3), (0, 0)),
    ],
)
def test_depth_and_width_by_hand(
    edges: list[str], outputs: tuple[int, ...], shape: tuple[float, float]
) -> None:
    assert cell_shape(map(Edge.parse, edges), outputs) == shape


@given(st.integers(1, 3), st.data())
@settings(max_examples=50, deadline=None)
def test_depth_is_the_longest_path_by_brute_force(nodes: int, data: st.DataObject) -> None:
    edges = [edge for edge in SpaceConfig(nodes=nodes).all_edges if data.draw(st.booleans())]

    def longest(node: int) -> int:
        """Connections from an input to the node; -99 where there is no path."""
        if node < 2:
            return 0
        return max([1 + longest(i) for i, j in edges if j == node], default=-99)

    found = cell_shape(edges, range(2, nodes + 2))
    expected = 1 + max(longest(node) for node in range(2, nodes + 2))
    assert found.depth == max(expected, 0)
    assert found.width <= nodes


def test_shape_of_uniform_cells_by_sampling() -> None:
    space = SpaceConfig(
        nodes=3, ops=("none", "skip_connect", "sep_conv_3x3"), fix_edges={"0-2": "skip_connect"}
    )
    random = np.random.default_rng(0)
    found: dict[int | None, list[CellShape]] = {None: []}
    for _ in range(20_000):
        there = [e for e in space.edges if e == Edge(0, 2) or random.integers(3) > 0]
        shape = cell_shape(there, (2, 3, 4))
        if shape.depth:
            found[None].append(shape)
            found.setdefault(len(there) - 1, []).append(shape)
    for count, shapes in found.items():
        if len(shapes) > 200:
            error = 5 * np.std(shapes, axis=0) / len(shapes) ** 0.5 + 1e-9
            difference = np.abs(np.mean(shapes, axis=0) - uniform_shape(space, count))
            assert (difference <= error).all(), count


def test_the_final_cell_is_held_against_as_many_edges(tmp_path: Path) -> None:
    row = summary(write_search(tmp_path, config(), grows))
    assert (row["depth"], row["width"]) == (2, 2)
    # Of the five cells with four edges, the one without 2-3 has depth 2, the others 3.
    alike = uniform_shape(config().space, 4)
    assert (row["depth_null"], row["width_null"]) == alike
    assert alike.depth == pytest.approx((2 + 4 * 3) / 5)
    assert row["wider"] == pytest.approx((2 - alike.width) - (2 - alike.depth))


def test_wiring_is_undefined_where_alpha_rests(tmp_path: Path) -> None:
    row = summary(write_search(tmp_path, config(alpha={"lr": 0.0}), stays))
    for name in ("edges_selected", "none_input_final", "width_gap", "growth", "depth", "wider"):
        assert np.isnan(row[name]), name
    assert row["edges_free"] == 5
    assert row["positive_share"] >= 0


def test_followed_samples_by_hand(tmp_path: Path) -> None:
    train = {"epochs": 20, "followed_samples": 10}
    trajectory = read(tmp_path, level="bi", train=train)
    table = sample_table(trajectory)
    assert len(table) == 2 * 20 * 10
    # Five edges of +-1 / 5: one nat a sample, with the sign of the outcome.
    np.testing.assert_allclose(table["credit"], np.where(table["correct"], -1, 1), atol=1e-6)
    search = table[(table["split"] == "validation") & (table["epoch"] == 3)]
    assert search["sample"].tolist() == list(range(10))
    row = Dynamics.of([trajectory]).searches.iloc[0]
    assert (row["sample_correct"], row["sample_wrong"]) == (1, 1)


def test_cost_gap_by_hand(tmp_path: Path) -> None:
    row = summary(write_search(tmp_path, config(), inner=0.25))
    assert row["cost_gap"] == pytest.approx(0.25, abs=1e-6)


def test_every_name_is_one_patterns_own() -> None:
    """Statistics and claims belong to one pattern each, and what a section shows exists."""
    assert [pattern.id for pattern in PATTERNS] == [
        *("regime", "growth", "width", "failure", "mechanism", "charge", "dose", "facts")
    ]
    assert sum(len(pattern.statistics) for pattern in PATTERNS) == len(STATISTICS)
    assert sum(len(pattern.claims) for pattern in PATTERNS) == len(CLAIMS)
    assert len({claim.threshold for claim in CLAIMS.values()}) == len(THRESHOLDS)
    causes = {claim.id: claim.cause for claim in CLAIMS.values() if claim.cause}
    assert causes == {"P1": "E0-growth", "P3": "E0-failure"}
    assert all(CLAIMS[cause].of_setting for cause in causes.values())
    for pattern in PATTERNS:
        assert set(pattern.columns) <= set(MEANINGS)
    for threshold in THRESHOLDS.values():
        assert threshold.allows(threshold.default)


def test_a_pattern_claims_and_measures_what_it_declares(tmp_path: Path) -> None:
    claim = CLAIMS["P1"]
    parts = {"id": "x", "order": 0, "title": "", "text": (), "columns": ()}
    with pytest.raises(ValueError, match="x: P1 is of regrown, not its own"):
        Pattern(**parts, statistics=(), measure=lambda _: {}, claims=(claim,))
    unlike = Pattern(**parts, statistics=(), measure=lambda _: {"more": 1.0}, claims=())
    with pytest.raises(ValueError, match="x: measured more"):
        unlike.row(read(tmp_path))


WIDE = {
    "cells": 1,
    "nodes": 12,
    # Enough are fixed that chance can be enumerated; of both classes some are free.
    "fix_edges": {
        f"{i}-{j}": "skip_connect" for j in range(2, 14) for i in range(j) if (i + j) % 7
    },
}


def test_nodes_of_two_digits_are_numbers(tmp_path: Path) -> None:
    """Edge 10-11 leaves an intermediate node, and node 10 comes after node 9."""

    def course(edge: Edge, time: float) -> float:
        return 0.125 + 0.5 * time if edge.source >= 2 else 0.1

    trajectory = Trajectory.read(write_search(tmp_path, config(space=WIDE), course, inner=0.5))
    edges = edge_table(trajectory)
    last = edges[edges["step"] == 200].set_index("edge")
    assert len(last) == 90
    kinds = last["edge_class"]
    assert kinds["10-11"] == kinds["10-13"] == kinds["12-13"] == "intermediate"
    assert (kinds == "input").sum() == 24
    assert list(last.index[-13:]) == [f"{source}-13" for source in range(13)]
    row = Dynamics.of([trajectory]).searches.iloc[0]
    assert row["nodes"] == 12
    assert row["none_input_final"] == pytest.approx(0.1)
    assert row["none_intermediate_final"] == pytest.approx(0.625)
    free = [edge for edge in trajectory.shape.edges if trajectory.config.space.free(edge)]
    assert Edge(10, 11) in free
    inner = [str(edge) for edge in free if edge.source >= 2]
    assert row["drop_order"].split(",") == inner
    assert row["edges_selected"] == len(free) - len(inner)
    assert row["cost_gap"] == pytest.approx(0.5, abs=1e-6)


def test_every_claim_takes_its_scope_from_the_table() -> None:
    """A mask has a value a search, whatever searches there are."""
    searches = pd.DataFrame(
        {
            "search": ["a", "b", "c", "d"],
            "method": ["dsnas", "darts", "uniform", "uniform"],
            "level": ["single", "bi", "single", "single"],
            "alpha_learns": [True, True, False, False],
            "intervened": [False, False, False, True],
            "nodes": [12, 12, 12, 12],
            "edges_free": [90, 90, 90, 89],
        }
    )
    applies = {
        claim.id: searches["search"][claim.applies(searches)].str.cat() for claim in CLAIMS.values()
    }
    assert applies["P1"] == applies["P2"] == "a"
    assert applies["P3"] == applies["P3-cause"] == "b"
    assert applies["P2-cause"] == applies["E0-growth"] == "c"
    assert applies["E0-failure"] == ""
    assert applies["F1"] == applies["M-follows"] == "abcd"


NOVEL = """
from wiring.patterns.pattern import Claim, Pattern, Statistic, Threshold
from wiring.patterns.readings import field
from wiring.patterns.scopes import everywhere

PATTERN = Pattern(
    id="novel",
    order=25,
    title="Novel: is there anything new?",
    text=("A paragraph of the novel pattern.",),
    statistics=(Statistic("novel_loss", "loss of the last window", headline=True),),
    measure=lambda trajectory: {"novel_loss": float(field(trajectory, "loss")[-1])},
    claims=(
        Claim(
            id="N1",
            title="The loss ends low.",
            statistic="novel_loss",
            threshold=Threshold("novel", 0.5, "N1: loss at the end", 0, 9),
            side="below",
            scope="every search",
            applies=everywhere,
        ),
    ),
    columns=("novel_loss", "test_accuracy"),
)
"""
USED = """
import sys
from pathlib import Path

from wiring.claims.judgement import write as judge
from wiring.claims.thresholds import check_thresholds, thresholds_table
from wiring.config import ClaimsConfig, ScaleConfig
from wiring.dynamics import Dynamics, build, write_metrics
from wiring.figures.catalogue import paths_of
from wiring.report import write

trajectory, results = map(Path, sys.argv[1:])
home = results / "experiments/E1"
scale = ScaleConfig.model_validate({
    "scale": "tiny",
    "datasets": {"digits": {"source": "digits", "test_fraction": 0.2}},
    "experiments": {"E1": {"title": "E1", "methods": ["dsnas"], "levels": ["single"],
                           "datasets": ["digits"], "seeds": [0]}},
    "claims": {"thresholds": {"novel": 0.25}},
})
check_thresholds(scale.claims)
assert "| `novel` | 0.5 | 0 to 9 | N1: loss at the end |" in thresholds_table()
build([trajectory], home / "tables")
dynamics = Dynamics.read(home / "tables")
write_metrics(dynamics, results / "metrics")
judge(scale.claims, dynamics, home / "claims.json")
for path in (results / "overview.svg", results / "dose.svg", *(
    home / "figures" / name for name in paths_of(scale, "E1")
)):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"GIF89a" if path.suffix == ".gif" else b"<svg/>")
write(scale, results, results / "index.html")
"""


def test_a_new_pattern_is_a_new_file(tmp_path: Path) -> None:
    """Table, metrics, claims, documented thresholds and report have it; no other file is touched.

    A process of its own, for the patterns are collected once.
    """
    package = tmp_path / "src/wiring"
    shutil.copytree(Path(wiring.__file__).parent, package)
    (package / "patterns/novel.py").write_text(NOVEL)
    trajectory = write_search(tmp_path, config())
    done = subprocess.run(
        [sys.executable, "-c", USED, trajectory, tmp_path / "results"],
        env={**os.environ, "PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    home = tmp_path / "results/experiments/E1"
    searches = pq.read_table(home / "tables/searches.parquet")
    assert searches["novel_loss"].to_pylist() == [pytest.approx(0.2)]
    assert searches.field("novel_loss").metadata == {b"meaning": b"loss of the last window"}
    metrics = json.loads((tmp_path / "results/metrics/E1_dsnas_single_digits.json").read_text())
    assert metrics["novel_loss"] == pytest.approx(0.2)
    claims = json.loads((home / "claims.json").read_text())
    assert claims["claims"]["N1"]["definition"] == "loss of the last window"
    (verdict,) = (row for row in claims["verdicts"] if row["claim"] == "N1")
    assert (verdict["threshold"], verdict["effect"]) == (0.25, pytest.approx(0.2))
    page = (tmp_path / "results/index.html").read_text()
    section = page.split('<section id="novel">')[1].split("</section>")[0]
    assert "A paragraph of the novel pattern." in section
    assert "N1: The loss ends low." in section
    assert page.index('id="width"') < page.index('id="novel"') < page.index('id="failure"')
