"""The trajectory: what goes in comes out, bit for bit, and nothing else is taken for one."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import synthetic
from tests.foreign import Live, complaint
from wiring.config import OPS, SearchConfig, SpaceConfig
from wiring.errors import InputError
from wiring.files import read_parquet
from wiring.trajectory import (
    EPOCH_FIELDS,
    SAMPLE_FIELDS,
    VERSION,
    WINDOW_FIELDS,
    Shape,
    Trajectory,
    TrajectoryWriter,
    settling,
)
from wiring.trajectory.document import document

FILES = ("windows.parquet", "epochs.parquet", "samples.parquet")
SHAPE = Shape(2, ("0-2", "1-2", "0-3", "1-3", "2-3"), OPS)


def config_for(cells: int = 2, nodes: int = 2, ops: tuple[str, ...] = OPS) -> SearchConfig:
    space = SpaceConfig(cells=cells, nodes=nodes, ops=ops)
    return SearchConfig(
        experiment="E1", dataset="digits", method="dsnas", level="bi", seed=0, space=space
    )


def manifest_for(config: SearchConfig) -> dict[str, Any]:
    return {
        "search": config.id,
        "config": config.model_dump(mode="json"),
        "config_sha256": config.digest,
        "dataset": {"name": "digits"},
    }


def values(
    spec: dict[str, tuple[str, str]], shape: Shape, rng: np.random.Generator
) -> dict[str, Any]:
    """Random values, with the ones that must survive too: -inf, NaN, denormals, -0."""
    special = np.array([-np.inf, np.nan, 1e-45, -0.0], np.float32)
    row: dict[str, Any] = {}
    for name, (axes, _) in spec.items():
        array = rng.normal(size=shape.lengths(axes)).astype(np.float32)
        array = np.where(rng.random(array.shape) < 0.2, rng.choice(special), array)
        row[name] = array if axes else float(rng.normal())
    return row


def step_row(step: int, split: str, shape: Shape = SHAPE, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng([seed, step, split == "train"])
    keys = {"step": step, "epoch": step // 2, "split": split, "steps": 5, "samples": 5 * 96}
    return {**keys, **values(WINDOW_FIELDS, shape, rng)}


def epoch_row(epoch: int, split: str, shape: Shape = SHAPE, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng([seed, epoch, 7])
    keys = {
        "epoch": epoch,
        "split": split,
        "samples": 96,
        "lr": 0.1,
        "curvature": 0.5,
        "genotype": '{"0-2":"none"}',
    }
    return {**keys, **values(EPOCH_FIELDS, shape, rng)}


def sample_row(epoch: int, shape: Shape = SHAPE, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng([seed, epoch, 8])
    keys = {"epoch": epoch, "split": "train", "sample": 7, "label": 3, "correct": epoch % 2 == 0}
    return {**keys, **values(SAMPLE_FIELDS, shape, rng)}


def fill(writer: TrajectoryWriter, windows: range, shape: Shape = SHAPE, seed: int = 0) -> None:
    for step in windows:
        for split in ("train", "validation"):
            writer.add("windows", step_row(step, split, shape, seed))
    for epoch in {step // 2 for step in windows}:
        writer.add("epochs", epoch_row(epoch, "test", shape, seed))
        writer.add("samples", sample_row(epoch, shape, seed))


def written(path: Path, windows: int = 4, seed: int = 0) -> Path:
    writer = TrajectoryWriter(path, SHAPE)
    fill(writer, range(windows), seed=seed)
    writer.close(manifest_for(config_for()))
    return path


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cells=st.integers(1, 4),
    nodes=st.integers(1, 3),
    ops=st.sets(st.sampled_from(OPS), min_size=1),
    windows=st.integers(0, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_goes_in_comes_out(
    tmp_path: Path, cells: int, nodes: int, ops: set[str], windows: int, seed: int
) -> None:
    config = config_for(cells, nodes, tuple(sorted(ops, key=OPS.index)))
    shape = Shape(cells, config.space.edges, config.space.ops)
    writer = TrajectoryWriter(tmp_path / "t", shape)
    fill(writer, range(windows), shape, seed)
    writer.close(manifest_for(config))
    read = Trajectory.read(tmp_path / "t")
    assert (read.config, read.shape) == (config, shape)
    for split in ("train", "validation"):
        rows = [step_row(step, split, shape, seed) for step in range(windows)]
        for name, (axes, _) in WINDOW_FIELDS.items():
            kind = np.float32 if axes else np.float64
            expected = np.array([row[name] for row in rows], kind)
            expected = expected.reshape(windows, *shape.lengths(axes))
            found = read.array(name, split)
            assert found.dtype == kind
            assert found.shape == expected.shape
            assert found.tobytes() == expected.tobytes()
        assert read.column("step", split).tolist() == list(range(windows))
    assert read.column("step", "test").size == 0
    losses = [epoch_row(epoch, "test", shape, seed)["loss"] for epoch in range((windows + 1) // 2)]
    assert read.array("loss", "test", "epochs").tolist() == losses
    samples = [sample_row(epoch, shape, seed) for epoch in range((windows + 1) // 2)]
    assert read.column("correct", "train", "samples").tolist() == [s["correct"] for s in samples]
    credits = np.array([s["credit"] for s in samples], np.float32).reshape(-1, len(shape.edges))
    assert read.array("credit", "train", "samples").tobytes() == credits.tobytes()
    assert set(read.column("genotype", "test", "epochs")) <= {'{"0-2":"none"}'}


def test_flat_arrays_are_row_major(tmp_path: Path) -> None:
    for name, change in (("a", lambda array: array), ("b", lambda array: array.ravel())):
        writer = TrajectoryWriter(tmp_path / name, SHAPE)
        row = step_row(0, "train")
        writer.add(
            "windows",
            {key: change(v) if isinstance(v, np.ndarray) else v for key, v in row.items()},
        )
        writer.close(manifest_for(config_for()))
    a, b = (tmp_path / name / "windows.parquet" for name in ("a", "b"))
    assert a.read_bytes() == b.read_bytes()


def test_rows_are_copied(tmp_path: Path) -> None:
    writer, row = TrajectoryWriter(tmp_path / "t", SHAPE), step_row(0, "train")
    writer.add("windows", row)
    row["alpha"][:] = 99
    writer.close(manifest_for(config_for()))
    assert 99 not in Trajectory.read(tmp_path / "t").array("alpha")


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    one, two, other = (
        written(tmp_path / "1"),
        written(tmp_path / "2"),
        written(tmp_path / "3", seed=1),
    )
    for name in FILES:
        assert (one / name).read_bytes() == (two / name).read_bytes()
        assert (one / name).read_bytes() != (other / name).read_bytes()


@pytest.mark.parametrize("at", [0, 1, 3])
def test_a_resumed_writer_writes_the_same_file(tmp_path: Path, at: int) -> None:
    whole = written(tmp_path / "whole")
    first = TrajectoryWriter(tmp_path / "killed", SHAPE)
    for step in range(at):
        for split in ("train", "validation"):
            first.add("windows", step_row(step, split))
    torch.save(first.state_dict(), tmp_path / "checkpoint.pt")
    second = TrajectoryWriter(tmp_path / "resumed", SHAPE)
    second.add("windows", step_row(9, "train"))  # must not survive the load
    second.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True))
    for step in range(at, 4):
        for split in ("train", "validation"):
            second.add("windows", step_row(step, split))
    for epoch in range(2):
        second.add("epochs", epoch_row(epoch, "test"))
        second.add("samples", sample_row(epoch))
    assert not (tmp_path / "resumed").exists()
    second.close(manifest_for(config_for()))
    for name in FILES:
        assert (whole / name).read_bytes() == (tmp_path / "resumed" / name).read_bytes()


def test_the_state_of_another_shape_is_refused(tmp_path: Path) -> None:
    writer = TrajectoryWriter(tmp_path / "t", SHAPE)
    writer.add("windows", step_row(0, "train"))
    other = TrajectoryWriter(tmp_path / "t", Shape(3, SHAPE.edges, SHAPE.ops))
    with pytest.raises(ValueError, match="cost_mean has 80 values a row, expected 120"):
        other.load_state_dict(writer.state_dict())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": ...}, "windows row: missing loss"),
        ({"lost": 1.0}, "windows row: unknown lost"),
        ({"loss": None}, "windows row: loss: None, expected a number"),
        ({"step": 1.5}, "windows row: step: 1.5, expected an integer"),
        ({"step": float("nan")}, "windows row: step: nan, expected an integer"),
        ({"split": 3}, "windows row: split: 3, expected a string"),
        ({"split": "valid"}, "windows row: split: 'valid', expected train or validation"),
        ({"alpha": np.zeros((8, 5))}, r"windows row: alpha: shape \(8, 5\), expected \(5, 8\)"),
        ({"alpha": 0.0}, r"windows row: alpha: shape \(\), expected \(5, 8\)"),
    ],
)
def test_a_faulty_row_is_named_and_leaves_nothing(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    writer = TrajectoryWriter(tmp_path / "t", SHAPE)
    row = {key: v for key, v in (step_row(1, "train") | change).items() if v is not ...}
    with pytest.raises(ValueError, match=message):
        writer.add("windows", row)
    writer.add("windows", step_row(0, "train"))
    writer.close(manifest_for(config_for()))
    assert read_parquet(tmp_path / "t/windows.parquet").num_rows == 1


def test_the_manifest_is_completed_and_must_serve_a_reader(tmp_path: Path) -> None:
    writer = TrajectoryWriter(tmp_path / "t", SHAPE)
    with pytest.raises(ValueError, match="manifest: missing config, config_sha256, dataset"):
        writer.close({"search": "x"})
    assert not list(tmp_path.iterdir())
    manifest = Trajectory.read(written(tmp_path / "t")).manifest
    assert set(manifest["files"]) == set(FILES)
    assert manifest["schema_version"] == VERSION


def edit_manifest(path: Path, **changes: Any) -> None:
    file = path / "manifest.json"
    whole = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: v for key, v in whole.items() if v is not ...}))


def test_what_is_not_a_trajectory_is_refused_with_a_sentence(tmp_path: Path) -> None:
    def refused(message: str, change: Any) -> None:
        path = written(tmp_path / "t")
        change(path)
        with pytest.raises(ValueError, match=message) as caught:
            Trajectory.read(path)
        assert str(tmp_path) in str(caught.value)
        assert "\n" not in str(caught.value)

    config = config_for().model_dump(mode="json")
    steps = "windows.parquet"
    refused("windows.parquet: missing", lambda p: (p / steps).unlink())
    refused("manifest.json: cannot be read: No such", lambda p: (p / "manifest.json").unlink())
    refused("not valid JSON", lambda p: (p / "manifest.json").write_text("{"))
    refused("not valid JSON", lambda p: (p / "manifest.json").write_text("[" * 100_000))
    refused("schema_version is 1, expected 5", lambda p: edit_manifest(p, schema_version=1))
    refused("dataset is missing", lambda p: edit_manifest(p, dataset=...))
    refused(
        "config.level: .*got 'tri'", lambda p: edit_manifest(p, config={**config, "level": "tri"})
    )
    refused("config_sha256 is", lambda p: edit_manifest(p, config={**config, "seed": 1}))
    refused("search is x, expected E1_dsnas_bi", lambda p: edit_manifest(p, search="x"))
    for name in ("seconds", "versions", "threads", "device", "vectors", "mlflow_run_id"):
        refused(rf"manifest.json: {name}", lambda p, name=name: edit_manifest(p, **{name: [1]}))
    refused("seconds: .*got 'abc'", lambda p: edit_manifest(p, seconds="abc"))
    three = config_for(cells=3)
    refused("axes are", lambda p: edit_manifest(p, **manifest_for(three)))

    def flip_a_byte(path: Path) -> None:
        data = bytearray((path / steps).read_bytes())
        data[len(data) // 2] ^= 1
        (path / steps).write_bytes(data)

    refused("windows.parquet: SHA-256 is [0-9a-f]{64}, expected", flip_a_byte)


def exchanged(path: Path, name: str, content: bytes) -> None:
    """A file from elsewhere, with a manifest that vouches for it."""
    (path / name).write_bytes(content)
    files = json.loads((path / "manifest.json").read_text())["files"]
    edit_manifest(path, files={**files, name: hashlib.sha256(content).hexdigest()})


def parquet(table: pa.Table) -> bytes:
    content = pa.BufferOutputStream()
    pq.write_table(table, content)
    return content.getvalue().to_pybytes()


def put(column: str, row: int, value: Any) -> Any:
    """A change of one value of a table."""

    def change(table: pa.Table) -> pa.Table:
        field = table.schema.field(column)
        values = table[column].to_pylist()
        values[row] = value
        place = table.schema.get_field_index(column)
        return table.set_column(place, field, pa.array(values, field.type))

    return change


def nothing(column: str) -> Any:
    """A change of one value in an array to null."""

    def change(table: pa.Table) -> pa.Table:
        field = table.schema.field(column)
        values = table[column].to_pylist()
        values[1] = [None, *values[1][1:]]
        place = table.schema.get_field_index(column)
        return table.set_column(place, field, pa.array(values, field.type))

    return change


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("windows", put("split", 0, "test"), "split is 'test', expected one of train, validation"),
        ("windows", put("step", 2, 0), "windows stand out of order"),
        ("windows", put("steps", 1, 0), "steps is 0, expected 1 or more"),
        ("epochs", put("samples", 0, -3), "samples is -3, expected 1 or more"),
        ("windows", nothing("alpha"), "alpha has a null in it, expected numbers"),
        ("windows", put("epoch", 0, 7), "windows stand out of order"),
        ("windows", put("step", -1, 9), "the windows of validation are others than those of train"),
        ("windows", lambda t: t.take([0, 1, 2, 4, 6]), "the windows of validation are others"),
        ("epochs", lambda t: t.slice(0, 0), "has 0 epochs of test, but windows.parquet has 2"),
        ("epochs", lambda t: t.slice(1, 1), "has 1 epochs of test, but windows.parquet has 2"),
        ("epochs", put("epoch", 0, 1), "an epoch stands twice for test"),
        ("epochs", put("genotype", 0, "{"), "genotype is '{', expected JSON"),
        ("epochs", put("genotype", 0, '{"9-9": "none"}'), "genotype is .*, expected JSON"),
        ("samples", put("epoch", 0, 5), "has epochs of train that windows.parquet has not"),
        ("windows", lambda t: t.drop_columns(["loss"]), "columns differ"),
        ("samples", lambda t: t.drop_columns(["loss"]), "columns differ"),
    ],
)
def test_tables_that_disagree_end_in_a_sentence(
    tmp_path: Path, name: str, change: Any, message: str
) -> None:
    path = written(tmp_path / "t")
    table = pq.read_table(path / f"{name}.parquet")
    exchanged(path, f"{name}.parquet", parquet(change(table)))
    with pytest.raises(InputError, match=message) as caught:
        Trajectory.read(path)
    assert str(path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_live_pickles_in_a_trajectory_do_nothing(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "t")
    table = pq.read_table(path / name)
    before = {file.name for file in path.iterdir()}
    for change in Live(tmp_path / "marker").in_parquet("split"):
        exchanged(path, name, parquet(change(table)))
        with suppress(ValueError):
            assert Trajectory.read(path).column("split").tolist() == ["train"] * 4
        assert {file.name for file in path.iterdir()} == before
        assert [file.name for file in tmp_path.iterdir()] == ["t"]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), name=st.sampled_from(FILES))
def test_a_damaged_file_that_its_manifest_vouches_for_ends_in_a_sentence(
    data: st.DataObject, name: str
) -> None:
    with TemporaryDirectory() as folder:
        path = written(Path(folder, "t"), windows=2)
        content = (path / name).read_bytes()
        start = data.draw(st.integers(0, len(content)))
        put = data.draw(st.binary(max_size=8))
        cut = data.draw(st.integers(0, 16))
        exchanged(path, name, content[:start] + put + content[start + cut :])
        said = complaint(Trajectory.read, path)
        # Nothing is said where only values are others: nothing tells.
        assert not said or str(path) in said


def test_a_kill_before_close_leaves_nothing(tmp_path: Path) -> None:
    code = f"""
import os, signal, sys
sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
from pathlib import Path
from test_trajectory import SHAPE, fill
from wiring.trajectory import TrajectoryWriter
writer = TrajectoryWriter(Path({str(tmp_path / "t")!r}), SHAPE)
fill(writer, range(4))
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not list(tmp_path.iterdir())


def test_the_document_is_in_step_with_the_schema() -> None:
    import wiring.trajectory

    stored = Path(wiring.trajectory.__file__).with_name("README.md").read_text()
    assert stored == document(), "run: python -m wiring.trajectory.document > README.md"
    for name in (*WINDOW_FIELDS, *EPOCH_FIELDS, *SAMPLE_FIELDS):
        assert f"`{name}`" in stored


@given(st.lists(st.tuples(st.integers(1, 4), st.floats(0, 1)), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_what_changes_over_the_last_fifth_by_brute_force(windows: list[tuple[int, float]]) -> None:
    steps = np.cumsum([length for length, _ in windows])
    strength = np.array([value for _, value in windows])
    probability = np.stack([strength, np.zeros_like(strength)], axis=-1)[:, None]
    ones = np.ones((len(steps), 1))
    found = settling.change(steps, probability, ones)
    # An edge's weight counts by itself, and so does an op on an edge of little weight.
    rests = np.full_like(probability, 0.5)
    assert settling.change(steps, rests, strength[:, None]) == found
    assert settling.change(steps, probability, 0.01 * ones) == found
    # Window by window backwards, until one ends at or before the last fifth's beginning.
    seen: list[float] = []
    for step, value in zip(steps[::-1], strength[::-1], strict=True):
        seen.append(value)
        if step / steps[-1] <= 0.8 + 1e-12:
            assert found == pytest.approx(max(seen) - min(seen))
            return
    assert found == float("inf")


def test_nothing_recorded_has_not_settled() -> None:
    assert settling.change(np.zeros(0, np.int64), np.zeros((0, 5, 8)), np.zeros((0, 5))) == float(
        "inf"
    )


def test_a_trajectory_up_to_a_window_is_that_of_a_shorter_search(tmp_path: Path) -> None:
    train = {"epochs": 6, "followed_samples": 2}
    search = synthetic.config(level="bi", train=train)
    whole = Trajectory.read(synthetic.write_search(tmp_path, search))
    part = whole.up_to(40)
    for split in ("train", "validation"):
        assert part.column("step", split).tolist() == [10, 20, 30, 40]
        assert part.column("epoch", split, "samples").tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
        np.testing.assert_array_equal(
            part.array("probability", split), whole.array("probability", split)[:4]
        )
    assert part.column("epoch", "test", "epochs").tolist() == [0, 1, 2, 3]
    assert whole.up_to(60) is whole
