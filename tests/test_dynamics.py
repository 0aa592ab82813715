from __future__ import annotations

import json
import shutil
import weakref
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
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
from tests.synthetic import altered, config, stays, write_search
from wiring.config import OPS, ReadingsConfig
from wiring.dynamics import (
    MEANINGS,
    TABLES,
    Dynamics,
    build,
    edge_table,
    op_table,
    phase_table,
    statistics_table,
    write_metrics,
    write_series,
)
from wiring.dynamics.readings import OUTCOMES, start_noise
from wiring.errors import InputError
from wiring.trajectory import Trajectory

TEXT = pa.large_string()


def read(root: Path, **changes: object) -> Trajectory:
    search = config(**changes)
    return Trajectory.read(write_search(root, search))


def test_tables_hold_what_the_trajectory_holds(tmp_path: Path) -> None:
    """Brute force: look every value up in the arrays, one by one."""
    trajectory = read(tmp_path, level="bi")
    edges = edge_table(trajectory).set_index(["step", "edge"])
    ops = op_table(trajectory).set_index(["step", "edge", "op"])
    shape = trajectory.shape
    probability = trajectory.array("probability", "validation")
    cost = trajectory.array("cost_mean", "validation").astype(float)
    direct = trajectory.array("credit_direct", "validation").astype(float)
    for window, step in enumerate(trajectory.column("step", "validation")):
        for e, edge in enumerate(shape.edges):
            row = edges.loc[(step, str(edge))]
            assert row["p_none"] == probability[window, e, 0]
            total = sum(direct[window, cell, e] for cell in range(shape.cells))
            assert row["credit_direct"] == pytest.approx(total)
            assert row["edge_class"] == ("intermediate" if edge == (2, 3) else "input")
            for o, op in enumerate(shape.ops):
                cell = ops.loc[(step, str(edge), op)]
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
    assert list(table["split"].unique()) == ["train", "validation", "test"]
    np.testing.assert_allclose(table["loss_minus_entropy"], table["loss"] - table["entropy"])
    learnt = table[table["split"] != "test"]
    # The synthetic credit obeys conservation.
    np.testing.assert_allclose(learnt["credit"], learnt["loss_minus_entropy"], atol=1e-6)
    test = table[table["split"] == "test"]
    assert list(test["step"]) == list(table[table["split"] == "train"]["step"])
    assert test[["credit", "own_correct", "residual_total"]].isna().all(axis=None)


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
    assert searches.names == list(MEANINGS) == TABLES["searches"].names
    assert searches.field("growth").metadata[b"meaning"].decode() == MEANINGS["growth"]
    write_metrics(read, tmp_path / "metrics")
    assert len(list((tmp_path / "metrics").iterdir())) == 2
    metrics = json.loads((tmp_path / "metrics/E1_dsnas_bi_digits.json").read_text())
    assert metrics["test_accuracy"] == pytest.approx(0.9)
    one = read.condition("E1_dsnas_bi_digits")
    assert set(one.edges["search"]) == {"E1_dsnas_bi_digits_s10", "E1_dsnas_bi_digits_s9"}


def test_series_are_windows_looked_up_one_by_one(tmp_path: Path) -> None:
    """Brute force: the first window by whose end a share was reached, in exact fractions."""
    level, lengths = {"level": "bi"}, (7, 20, 33)
    folders = [
        write_search(
            tmp_path, config(seed=seed, train={"epochs": epochs}, **level), stays, noise=0.01
        )
        for seed, epochs in enumerate(lengths)
    ]
    fixed = config(space={"nodes": 2, "fix_edges": {"2-3": "sep_conv_3x3"}})
    resting = config(variant="rests", alpha={"lr": 0.0})
    folders += [write_search(tmp_path, each) for each in (fixed, resting)]
    build(folders, tmp_path / "tables")
    tables = Dynamics.read(tmp_path / "tables", tables=("edges", "statistics"))
    write_series(tables, tmp_path / "series")
    found = {path.parent.name + "/" + path.stem: path for path in tmp_path.glob("series/*/*.csv")}
    names = ("E1_dsnas_bi_digits", "E1_dsnas_single_digits", "E1_dsnas_single_digits_rests")
    assert sorted(found) == sorted([f"gap/{n}" for n in names] + [f"none/{n}" for n in names[:2]])
    none, gap = (pd.read_csv(found[f"{part}/{names[0]}"]) for part in ("none", "gap"))
    assert none["share"].tolist() == gap["share"].tolist() == [k / 20 for k in range(1, 21)]
    searches = [Trajectory.read(folder) for folder in folders[: len(lengths)]]
    for k in range(20):
        wanted = {"input": 0.0, "intermediate": 0.0, "gap": 0.0}
        for one in searches:
            steps = one.column("step", "validation")
            done = [Fraction(int(step), int(steps[-1])) for step in steps]
            window = next(w for w, share in enumerate(done) if share >= Fraction(k + 1, 20))
            p = one.array("probability", "validation")[window, :, 0]
            for kind in ("input", "intermediate"):
                own = [p[e] for e, edge in enumerate(one.shape.edges) if edge.kind == kind]
                wanted[kind] += sum(own) / len(own) / len(searches)
            loss, entropy = (one.column(n, "validation")[window] for n in ("loss", "entropy"))
            wanted["gap"] += (loss - entropy) / len(searches)
        shown = {**none.loc[k, ["input", "intermediate"]], "gap": gap.loc[k, "gap"]}
        assert shown == pytest.approx(wanted, rel=1e-5)
    unfree = pd.read_csv(found[f"none/{names[1]}"])
    assert unfree["intermediate"].isna().all()
    assert unfree["input"].notna().all()


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
            row = table.loc[(phase, str(trajectory.shape.edges[e]), trajectory.shape.ops[o])]
            assert row["count"] == together.shape[1]
            assert row["cost_mean"] == pytest.approx(together.mean(1).mean(), abs=1e-5)
            assert row["cost_std"] == pytest.approx(together.std(1).mean(), abs=1e-5)


def test_nothing_recorded_leaves_empty_tables(tmp_path: Path) -> None:
    dynamics = Dynamics.of([read(tmp_path)])
    assert len(dynamics.samples) == len(dynamics.phases) == 0
    build([tmp_path / "E1_dsnas_single_digits_s0"], tmp_path / "out")
    again = Dynamics.read(tmp_path / "out")
    assert list(again.phases.columns) == list(dynamics.phases.columns)


def test_rows_are_written_in_groups_as_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same tables, whatever the groups; no group waits for more than it must."""
    folders = [write_search(tmp_path / "t", config(seed=seed)) for seed in range(4)]
    build(folders, tmp_path / "one")
    monkeypatch.setattr("wiring.dynamics.stream.GROUP", 150)  # 100 edges a search
    build(folders, tmp_path / "many")
    assert pq.ParquetFile(tmp_path / "one/edges.parquet").num_row_groups == 1
    grouped = pq.ParquetFile(tmp_path / "many/edges.parquet")
    assert [grouped.read_row_group(n).num_rows for n in range(2)] == [200, 200]
    one, many = Dynamics.read(tmp_path / "one"), Dynamics.read(tmp_path / "many")
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(one, table), getattr(many, table))


def test_one_trajectory_is_held_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[Trajectory]] = []
    read = Trajectory.read

    def noted(path: Path) -> Trajectory:
        assert not [one for one in held if one() is not None]
        trajectory = read(path)
        held.append(weakref.ref(trajectory))
        return trajectory

    monkeypatch.setattr(Trajectory, "read", noted)
    build([write_search(tmp_path / "t", config(seed=seed)) for seed in range(3)], tmp_path / "out")
    assert len(held) == 3


def test_tables_have_the_same_types_whatever_is_in_them(tmp_path: Path) -> None:
    """Of several experiments they are one table: a count is a number also where it is undefined."""
    build([write_search(tmp_path, config())], tmp_path / "a")
    build([write_search(tmp_path, config(experiment="E2", alpha={"lr": 0.0}))], tmp_path / "b")
    for table, schema in TABLES.items():
        for folder in ("a", "b"):
            assert pq.read_schema(tmp_path / folder / f"{table}.parquet").equals(schema)


def test_a_study_is_read_from_its_experiments(tmp_path: Path) -> None:
    folders = {
        name: [write_search(tmp_path / name, config(experiment=name, seed=s)) for s in range(2)]
        for name in ("E5", "E1")
    }
    for name, paths in folders.items():
        build(paths, tmp_path / "tables" / name)
    homes = [tmp_path / "tables" / name for name in folders]
    study = Dynamics.read(*homes, tables=("edges",))
    whole = Dynamics.of([Trajectory.read(path) for path in folders["E5"]])
    assert study.searches["experiment"].tolist() == ["E5", "E5", "E1", "E1"]
    pd.testing.assert_frame_equal(study.edges[:200], whole.edges)
    assert len(study.condition("E1_dsnas_single_digits").edges) == 200
    with pytest.raises(KeyError, match="cost_mean"):
        study.ops["cost_mean"]
    with pytest.raises(InputError, match="E5_dsnas_single_digits_s0 is given twice"):
        Dynamics.read(homes[0], homes[0])


def test_a_reading_is_that_of_a_search_that_ended_there(tmp_path: Path) -> None:
    """Brute force: the first window that has got so far, and all patterns of what is up to it."""
    trajectory = Trajectory.read(write_search(tmp_path, config(), displacement=40.0))
    found = Dynamics.of([trajectory]).readings.set_index("reading")
    assert list(found.index) == ["published", "settled"]
    far = trajectory.column("displacement")
    window = next(w for w in range(20) if far[w] >= 23.4)
    assert found.loc["published", "epoch"] == window == 11
    assert found.loc["published", "displacement"] == pytest.approx(24.0)
    ended = Dynamics.of([trajectory.up_to(120)]).searches.iloc[0]
    whole = Dynamics.of([trajectory]).searches.iloc[0]
    for name in OUTCOMES:
        assert found.loc["published", name] == ended[name] or np.isnan(ended[name])
        assert found.loc["settled", name] == whole[name] or np.isnan(whole[name])
    assert ended["none_input_final"] != whole["none_input_final"]


def test_readings_follow_the_scale(tmp_path: Path) -> None:
    folder = write_search(tmp_path, config(level="bi"), displacement=10.0)
    for displacement, epoch, unfinished in ((3.9, 7, False), (5.0, 9, False), (11.0, 19, True)):
        build([folder], tmp_path / "tables", ReadingsConfig(bi=displacement))
        rows = Dynamics.read(tmp_path / "tables").readings
        row = rows[rows["reading"] == "published"].iloc[0]
        assert row["epoch"] == epoch
        assert bool(row["unfinished"]) == unfinished
        if unfinished:
            assert row["unfinished"] == "alpha's displacement is 10 of 11"


def test_a_wiring_whose_edges_weights_change_has_not_settled(tmp_path: Path) -> None:
    trajectory = Trajectory.read(write_search(tmp_path, config(), tail=6))
    weight = trajectory.array("edge_weight").copy()
    for last, said in (
        (1.0, ""),
        (0.75, "P or an edge's weight changed by 0.25 over the last fifth of the steps, expected "),
    ):
        weight[-1, 3] = last
        found = Dynamics.of([altered(trajectory, edge_weight=weight)]).readings
        settled = found[found["reading"] == "settled"].iloc[0]
        assert settled["change"] == 1 - last
        assert settled["unfinished"].startswith(said)
        assert bool(settled["unfinished"]) == bool(said)


def test_what_rests_has_no_reading(tmp_path: Path) -> None:
    trajectory = Trajectory.read(write_search(tmp_path, config(alpha={"lr": 0.0})))
    dynamics = Dynamics.of([trajectory])
    assert len(dynamics.readings) == 0
    assert dynamics.searches.iloc[0]["displacement"] == 0


def test_the_noise_of_the_start_by_sampling() -> None:
    random = np.random.default_rng(0)
    for ops, std in ((8, 1e-3), (2, 0.01)):
        alpha = random.normal(0, std, (200_000, ops))
        none = np.exp(alpha[:, 0]) / np.exp(alpha).sum(axis=1)
        space = {"ops": OPS[:ops]}
        found = start_noise(config(space=space, alpha={"init_std": std}))
        assert found == pytest.approx(none.std(), rel=0.01)
