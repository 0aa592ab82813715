from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.synthetic import config, fails, grows, stays, write_search
from wiring.dynamics import MEANINGS, Dynamics, build, edge_table, op_table, statistics_table
from wiring.trajectory import Trajectory

TABLES = ("searches", "edges", "ops", "statistics")


def read(root: Path, **changes: object) -> Trajectory:
    search = config(**changes)
    return Trajectory.read(write_search(root, search))


def summary(folder: Path) -> pd.Series:
    return Dynamics.of([Trajectory.read(folder)]).searches.iloc[0]


def altered(trajectory: Trajectory, **arrays: np.ndarray) -> Trajectory:
    """The same trajectory with some fields of its steps replaced (shape (rows, ...))."""
    import dataclasses

    import pyarrow as pa

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
    for name in (*(f"{table}.parquet" for table in TABLES), "metrics/E1_dsnas_bi_digits.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    read = Dynamics.read(tmp_path / "a")
    made = Dynamics.of([Trajectory.read(folder) for folder in folders])
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(read, table), getattr(made, table))
    searches = pq.read_schema(tmp_path / "a" / "searches.parquet")
    assert searches.names == list(MEANINGS)
    assert searches.field("growth").metadata[b"meaning"].decode() == MEANINGS["growth"]
    metrics = json.loads((tmp_path / "a" / "metrics/E1_dsnas_bi_digits.json").read_text())
    assert metrics["test_accuracy"] == pytest.approx(0.9)
    one = read.condition("E1_dsnas_bi_digits")
    assert set(one.edges["search"]) == {"E1_dsnas_bi_digits_s10", "E1_dsnas_bi_digits_s9"}


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
