from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.foreign import Live, complaint
from tests.synthetic import config, fails, grows, stays, write_search
from wiring.config import SpaceConfig
from wiring.dynamics import (
    MEANINGS,
    TABLES,
    CellShape,
    Dynamics,
    build,
    cell_shape,
    edge_table,
    op_table,
    phase_table,
    sample_table,
    statistics_table,
    uniform_shape,
    write_metrics,
)
from wiring.trajectory import Trajectory

TEXT = pa.large_string()


def read(root: Path, **changes: object) -> Trajectory:
    search = config(**changes)
    return Trajectory.read(write_search(root, search))


def summary(folder: Path) -> pd.Series:
    return Dynamics.of([Trajectory.read(folder)]).searches.iloc[0]


def altered(trajectory: Trajectory, **arrays: np.ndarray) -> Trajectory:
    """The same trajectory with some fields of its steps replaced (shape (rows, ...))."""
    import dataclasses

    steps = trajectory.steps
    for name, values in arrays.items():
        place = steps.schema.get_field_index(name)
        field = steps.schema.field(name)
        if pa.types.is_fixed_size_list(field.type):
            flat = pa.array(values.astype(np.float32).ravel())
            column = pa.FixedSizeListArray.from_arrays(flat, field.type.list_size)
        else:
            column = pa.array(values, field.type)
        steps = steps.set_column(place, field, column)
    return dataclasses.replace(trajectory, steps=steps)


def test_tables_hold_what_the_trajectory_holds(tmp_path: Path) -> None:
    """Brute force: look every value up in the arrays, one by one."""
    trajectory = read(tmp_path, level="bi")
    edges = edge_table(trajectory).set_index(["step", "edge"])
    ops = op_table(trajectory).set_index(["step", "edge", "op"])
    shape = trajectory.shape
    probability = trajectory.array("probability", "search")
    cost = trajectory.array("cost_mean", "search").astype(float)
    direct = trajectory.array("credit_direct", "search").astype(float)
    for window, step in enumerate(trajectory.column("step", "search")):
        for e, edge in enumerate(shape.edges):
            row = edges.loc[(step, edge)]
            assert row["p_none"] == probability[window, e, 0]
            total = sum(direct[window, cell, e] for cell in range(shape.cells))
            assert row["credit_direct"] == pytest.approx(total)
            assert row["edge_class"] == ("intermediate" if edge == "2-3" else "input")
            for o, op in enumerate(shape.ops):
                cell = ops.loc[(step, edge, op)]
                assert cell["probability"] == probability[window, e, o]
                assert cell["cost_mean"] == pytest.approx(cost[window, :, e, o].mean())
                assert cell["cost_sum"] == pytest.approx(cost[window, :, e, o].sum())
    assert len(edges) == 20 * 5
    assert len(ops) == 20 * 5 * 8


def test_costs_ignore_cells_without_a_sample_and_stay_nan_without_any(tmp_path: Path) -> None:
    trajectory = read(tmp_path)
    cost = trajectory.array("cost_mean").copy()
    cost[0, 0, 1, 3] = np.nan
    cost[0, :, 2, 4] = np.nan
    ops = op_table(altered(trajectory, cost_mean=cost)).set_index(["step", "edge", "op"])
    one = ops.loc[(10, "1-2", "avg_pool_3x3")]
    assert one["cost_mean"] == one["cost_sum"] == pytest.approx(float(cost[0, 1, 1, 3]))
    none = ops.loc[(10, "0-3", "sep_conv_3x3")]
    assert np.isnan(none["cost_mean"])
    assert np.isnan(none["cost_sum"])


def test_statistics_add_up(tmp_path: Path) -> None:
    trajectory = read(tmp_path, level="bi")
    table = statistics_table(trajectory)
    assert list(table["split"].unique()) == ["train", "search", "test"]
    np.testing.assert_allclose(table["loss_minus_entropy"], table["loss"] - table["entropy"])
    learnt = table[table["split"] != "test"]
    # The synthetic credit obeys conservation.
    np.testing.assert_allclose(learnt["credit"], learnt["loss_minus_entropy"], atol=1e-6)
    test = table[table["split"] == "test"]
    assert list(test["step"]) == list(table[table["split"] == "train"]["step"])
    assert test[["credit", "own_correct", "residual_total"]].isna().all(axis=None)


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
    none = {edge: np.full(20, 0.05) for edge in edges}
    none["1-3"][3:12] = 0.9
    none["0-2"][5:9] = 0.9
    none["2-3"][1:] = 0.9

    def course(edge: str, time: float) -> float:
        return float(none[edge][round(time * 19)])

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


def test_positive_share_is_of_the_learning_split(tmp_path: Path) -> None:
    """The synthetic search split's loss - entropy is 0.3 above the training split's."""

    def positive(level: str) -> float:
        folder = write_search(
            tmp_path, config(level=level), loss=lambda t: 2.0 - 0.3 * t, entropy=lambda _: 1.9
        )
        return summary(folder)["positive_share"]

    times = np.arange(20) / 19
    assert positive("single") == pytest.approx(np.mean(0.1 - 0.3 * times > 0))
    assert positive("bi") == pytest.approx(np.mean(0.4 - 0.3 * times > 0)) == 1.0


def test_laws_are_read_where_skip_is_absent(tmp_path: Path) -> None:
    folder = write_search(tmp_path, config(), residual=0.25, skip=lambda t: float(t < 0.5))
    row = summary(folder)
    assert row["residual_direct"] == row["residual_total"] == row["residual_inner"] == 0.25
    assert row["residual_path"] == 0.0
    assert row["lawful_share"] == 0.5
    never = summary(write_search(tmp_path, config(seed=1), residual=0.25, skip=lambda _: 1.0))
    assert np.isnan(never["residual_total"])
    assert never["residual_direct"] == 0.25


def test_path_residual_sums_over_the_edges_into_a_node(tmp_path: Path) -> None:
    trajectory = read(tmp_path)
    path = np.zeros((20, 2, 5))
    path[7, 0, :2] = 0.5, -0.4  # edges 0-2 and 1-2 into node 2
    row = Dynamics.of([altered(trajectory, credit_path=path)]).searches.iloc[0]
    assert row["residual_path"] == pytest.approx(0.1, abs=1e-6)


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


def test_build_is_deterministic_and_reads_back(tmp_path: Path) -> None:
    folders = [
        write_search(tmp_path / "t", config(seed=seed, level=level), stays)
        for seed in (10, 9)
        for level in ("single", "bi")
    ]
    build(folders, tmp_path / "a")
    build(folders[::-1], tmp_path / "b")
    for name in (f"{table}.parquet" for table in TABLES):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    read = Dynamics.read(tmp_path / "a")
    made = Dynamics.of([Trajectory.read(folder) for folder in folders])
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(read, table), getattr(made, table))
    searches = pq.read_schema(tmp_path / "a" / "searches.parquet")
    assert searches.names == list(MEANINGS)
    assert searches.field("growth").metadata[b"meaning"].decode() == MEANINGS["growth"]
    write_metrics(read, tmp_path / "metrics")
    assert len(list((tmp_path / "metrics").iterdir())) == 2
    metrics = json.loads((tmp_path / "metrics/E1_dsnas_bi_digits.json").read_text())
    assert metrics["test_accuracy"] == pytest.approx(0.9)
    one = read.condition("E1_dsnas_bi_digits")
    assert set(one.edges["search"]) == {"E1_dsnas_bi_digits_s10", "E1_dsnas_bi_digits_s9"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tables")
    train = {"epochs": 4, "followed_samples": 2, "frozen_epochs": 1}
    build([write_search(root, config(variant="free", train=train))], root / "dynamics")
    return root / "dynamics"


def rewritten(tables: Path, out: Path, name: str, change: Callable[[pa.Table], pa.Table]) -> Path:
    """A copy of the folder in which one table is another."""
    shutil.copytree(tables, out)
    file = out / f"{name}.parquet"
    pq.write_table(change(pq.read_table(file)), file)
    return file


def filled(name: str, value: Any, kind: pa.DataType = TEXT) -> Callable[[pa.Table], pa.Table]:
    """A column of this one value in place of the one there is."""

    def change(table: pa.Table) -> pa.Table:
        values = pa.array([value] * len(table), pa.large_binary() if value == b"\xff" else kind)
        place = table.schema.get_field_index(name)
        return table.set_column(place, name, values.view(kind))

    return change


UP = (
    "../../x",
    "/tmp/x",
    "a/b",
    "a\\b",
    "",
    ".hidden",
    "javascript:x",
    "<b>",
    "two\nlines",
    "x" * 256,
)


@pytest.mark.parametrize(
    ("table", "change", "says"),
    [
        *(
            ("searches", filled(name, up), f"{name} is '")
            for name in ("search", "condition", "experiment", "method", "dataset")
            for up in UP
        ),
        ("edges", filled("condition", "../x"), "condition is '../x', expected"),
        ("edges", filled("edge", "x"), "edge is 'x', expected"),
        ("ops", filled("op", "conv"), "op is 'conv', expected none"),
        ("searches", filled("level", "tri"), "level is 'tri', expected single"),
        ("searches", filled("search", None), "search is .* expected text"),
        ("searches", filled("machine", 1, pa.int64()), "machine is int64, expected text"),
        ("searches", filled("growth", "much"), "growth is large_string, expected numbers"),
        ("searches", filled("seed", None, pa.int64()), "seed is int64, expected numbers"),
        ("samples", filled("correct", 1, pa.int64()), "correct is int64, expected truth values"),
        ("searches", filled("machine", b"\xff"), "not a Parquet file as expected: .*UTF8"),
        ("phases", lambda table: table.drop_columns("count"), "columns differ, expected search, "),
        ("phases", lambda table: table.append_column("x", table["count"]), "columns differ"),
    ],
)
def test_foreign_tables_end_in_a_sentence(
    tables: Path, tmp_path: Path, table: str, change: Callable[[pa.Table], pa.Table], says: str
) -> None:
    file = rewritten(tables, tmp_path / "foreign", table, change)
    with pytest.raises(ValueError, match=says) as caught:
        Dynamics.read(tmp_path / "foreign")
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_tables_end_in_a_sentence(tables: Path, data: st.DataObject) -> None:
    content = (tables / "phases.parquet").read_bytes()
    start = data.draw(st.integers(0, len(content)))
    put = data.draw(st.binary(max_size=8))
    cut = data.draw(st.integers(0, 16))
    with TemporaryDirectory() as folder:
        shutil.copytree(tables, folder, dirs_exist_ok=True)
        Path(folder, "phases.parquet").write_bytes(content[:start] + put + content[start + cut :])
        said = complaint(Dynamics.read, Path(folder))
        # Nothing is said where only values are others: nothing tells.
        assert not said or folder in said
        assert "\n" not in said


def test_live_pickles_in_tables_do_nothing(tables: Path, tmp_path: Path) -> None:
    for change in Live(tmp_path / "marker").in_parquet("search"):
        rewritten(tables, tmp_path / "foreign", "searches", change)
        with suppress(ValueError):
            assert len(Dynamics.read(tmp_path / "foreign").searches) == 1
        shutil.rmtree(tmp_path / "foreign")
        assert not list(tmp_path.iterdir())


def test_faults_are_named(tmp_path: Path) -> None:
    folder = write_search(tmp_path, config())
    with pytest.raises(ValueError, match="no trajectory was given"):
        build([], tmp_path / "out")
    with pytest.raises(ValueError, match="E1_dsnas_single_digits_s0 is given twice"):
        build([folder, folder], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match=r"searches\.parquet is missing"):
        Dynamics.read(tmp_path)
    with pytest.raises(ValueError, match="unknown condition 'x', expected one of E1_dsnas"):
        Dynamics.of([Trajectory.read(folder)]).condition("x")


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
    assert cell_shape(edges, outputs) == shape


@given(st.integers(1, 3), st.data())
@settings(max_examples=50, deadline=None)
def test_depth_is_the_longest_path_by_brute_force(nodes: int, data: st.DataObject) -> None:
    names = SpaceConfig(nodes=nodes).all_edges
    edges = [name for name in names if data.draw(st.booleans())]
    pairs = [tuple(map(int, name.split("-"))) for name in edges]

    def longest(node: int) -> int:
        """Connections from an input to the node; -99 where there is no path."""
        if node < 2:
            return 0
        return max([1 + longest(i) for i, j in pairs if j == node], default=-99)

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
        there = [e for e in space.edges if e == "0-2" or random.integers(3) > 0]
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
    search = table[(table["split"] == "search") & (table["epoch"] == 3)]
    assert search["sample"].tolist() == list(range(10))
    row = Dynamics.of([trajectory]).searches.iloc[0]
    assert (row["sample_correct"], row["sample_wrong"]) == (1, 1)


def test_phases_pool_their_windows(tmp_path: Path) -> None:
    train = {"epochs": 3, "frozen_epochs": 2}
    trajectory = read(tmp_path, alpha={"lr": 0.0}, train=train)
    rows, cells, edges, ops = trajectory.array("cost_mean").shape
    assert rows == 7
    random = np.random.default_rng(0)
    # Single steps, from which windows of unequal counts are made.
    count = random.integers(1, 6, (rows, edges, ops))
    steps = random.normal(size=(rows, cells, edges, ops, 5))
    mean, variance = np.zeros((2, rows, cells, edges, ops))
    pooled: dict[tuple[str, int, int], list[list[float]]] = {}
    for w, e, o in np.ndindex(rows, edges, ops):
        own = steps[w, :, e, o, : count[w, e, o]]
        mean[w, :, e, o], variance[w, :, e, o] = own.mean(-1), own.var(-1)
        phase = "initial" if w < 2 else "converged" if w >= 5 else "training"
        pooled.setdefault((phase, e, o), []).append(own)
    changed = altered(trajectory, cost_mean=mean, cost_var=variance, count=count)
    table = phase_table(changed).set_index(["phase", "edge", "op"])
    assert set(table.index.get_level_values("phase")) == {"initial", "converged"}
    for (phase, e, o), windows in pooled.items():
        if phase != "training":
            together = np.concatenate(windows, axis=1)
            row = table.loc[(phase, trajectory.shape.edges[e], trajectory.shape.ops[o])]
            assert row["count"] == together.shape[1]
            assert row["cost_mean"] == pytest.approx(together.mean(1).mean(), abs=1e-5)
            assert row["cost_std"] == pytest.approx(together.std(1).mean(), abs=1e-5)


def test_cost_gap_by_hand(tmp_path: Path) -> None:
    row = summary(write_search(tmp_path, config(), inner=0.25))
    assert row["cost_gap"] == pytest.approx(0.25, abs=1e-6)


def test_nothing_recorded_leaves_empty_tables(tmp_path: Path) -> None:
    dynamics = Dynamics.of([read(tmp_path)])
    assert len(dynamics.samples) == len(dynamics.phases) == 0
    build([tmp_path / "E1_dsnas_single_digits_s0"], tmp_path / "out")
    again = Dynamics.read(tmp_path / "out")
    assert list(again.phases.columns) == list(dynamics.phases.columns)
