"""Trajectories in other programs' forms say what the trajectory says."""

from __future__ import annotations

import json
from collections import namedtuple
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests import synthetic
from wiring.cli import BAD_INPUT, app
from wiring.config import Edge
from wiring.errors import InputError
from wiring.trajectory import Trajectory
from wiring.trajectory.export import as_json, cell, genotype, to_csv, to_npz

PRIMITIVES = (
    *("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect"),
    *("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"),
)
"""As DARTS's `genotypes.py` names them."""
SPLITS = {"windows": ["train", "validation"], "epochs": ["train", "validation", "test"]}


@pytest.fixture(scope="module")
def trajectory(tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    search = synthetic.config(level="bi", train={"epochs": 4, "followed_samples": 3})
    return Trajectory.read(synthetic.write_search(tmp_path_factory.mktemp("t"), search))


def test_npz_holds_every_array(trajectory: Trajectory, tmp_path: Path) -> None:
    to_npz(trajectory, tmp_path / "t.npz")
    with np.load(tmp_path / "t.npz") as found:  # no pickle in it
        assert list(found["edges"]) == [str(edge) for edge in trajectory.shape.edges]
        assert tuple(found["ops"]) == trajectory.shape.ops
        assert json.loads(str(found["config"])) == json.loads(trajectory.config.canonical)
        for table, splits in SPLITS.items():
            for split in splits:
                for name in set(getattr(trajectory, table).schema.names) - {"split", "genotype"}:
                    wanted = trajectory.array(name, split, table)
                    np.testing.assert_array_equal(found[f"{table}/{split}/{name}"], wanted)
        assert found["samples/train/credit"].shape == (12, 5)
        assert str(found["epochs/test/genotype"][0]).startswith("{")


def test_csv_read_back_is_the_trajectory(trajectory: Trajectory, tmp_path: Path) -> None:
    to_csv(trajectory, tmp_path / "t")
    assert {path.stem for path in (tmp_path / "t").iterdir()} == {
        *("windows", "windows_E", "windows_E_O", "windows_L_E", "windows_L_E_O"),
        *("epochs", "samples", "samples_E"),
    }
    single = pd.read_csv(tmp_path / "t/windows.csv")
    for split in SPLITS["windows"]:
        own = single[single["split"] == split]
        np.testing.assert_array_equal(own["loss"], trajectory.column("loss", split))
    long = pd.read_csv(tmp_path / "t/windows_L_E_O.csv")
    own = long[long["split"] == "validation"]
    shape = (4, 2, 5, 8)
    np.testing.assert_array_equal(
        own["cost_mean"].to_numpy(np.float32).reshape(shape),
        trajectory.array("cost_mean", "validation"),
    )
    assert own["cell"].to_numpy().reshape(shape)[0, 1, 0, 0] == 1
    assert own["edge"].to_numpy().reshape(shape)[0, 0, 3, 0] == "1-3"
    assert own["op"].to_numpy().reshape(shape)[0, 0, 0, 1] == "skip_connect"


def test_a_folder_of_other_things_is_not_replaced(
    trajectory: Trajectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "thesis.tex").write_text("all of it")
    for out in (str(tmp_path), "."):
        monkeypatch.chdir(tmp_path)
        words = ["export", str(trajectory.path), "--to", "csv", "--out", out]
        refused = CliRunner().invoke(app, words)
        assert refused.exit_code == BAD_INPUT
        assert "is there and holds thesis.tex, expected a new folder" in refused.output
    words[-1] = str(tmp_path / "thesis.tex")
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == BAD_INPUT
    assert refused.output == f"{words[-1]}: is a file, expected a folder or nothing\n"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    to_csv(trajectory, tmp_path / "t")
    before = (tmp_path / "t/epochs.csv").read_bytes()
    (tmp_path / "t/epochs.csv").write_text("")
    to_csv(trajectory, tmp_path / "t")
    assert (tmp_path / "t/epochs.csv").read_bytes() == before


def strong(path: Path, ops: dict[str, str]) -> Trajectory:
    """A search whose last window has these ops strongest, `none` on all other edges."""
    search = synthetic.config(train={"epochs": 3})
    found = Trajectory.read(synthetic.write_search(path, search))
    probability = np.array(found.array("probability"))
    probability[:] = 0.01
    for row, edge in enumerate(found.shape.edges):
        probability[:, row, found.shape.ops.index(ops.get(str(edge), "none"))] = 0.9
    return synthetic.altered(found, probability=probability.reshape(len(probability), -1))


def test_a_cell_by_each_rule(tmp_path: Path) -> None:
    ops = {"0-2": "sep_conv_3x3", "1-3": "skip_connect", "2-3": "max_pool_3x3"}
    found = strong(tmp_path, ops)
    wanted = {Edge.parse(edge): op for edge, op in ops.items()}
    assert cell(found, "strongest") == wanted
    assert cell(found, "own") == {}  # the synthetic genotype is `none` on each edge
    said = json.loads(as_json(found))
    assert said["own"] == []
    assert said["strongest"][1] == {"source": 1, "target": 3, "op": "skip_connect"}
    two = cell(found, "two_inputs")
    assert [str(edge) for edge in two] == ["0-2", "1-2", "1-3", "2-3"]
    assert two[Edge.parse("1-2")] != "none"


def test_a_nodes_inputs_are_compared_by_weight_times_probability(tmp_path: Path) -> None:
    """Within an edge its weight changes nothing, be it 0."""
    found = strong(tmp_path, {"0-3": "sep_conv_3x3", "1-3": "skip_connect"})
    assert [str(edge) for edge in cell(found, "two_inputs")][2:] == ["0-3", "1-3"]
    weight = np.tile([1.0, 1.0, 0.0, 0.001, 0.5], (3, 1))
    other = synthetic.altered(found, edge_weight=weight)
    assert [str(edge) for edge in cell(other, "two_inputs")][2:] == ["1-3", "2-3"]
    assert cell(other, "strongest") == cell(found, "strongest")


def test_darts_reads_its_own_form(tmp_path: Path) -> None:
    """As `genotypes.py` of DARTS has it: evaluated to its named tuple, two entries a node.

    Its `model.py` takes ops and inputs apart and gives each node the next two of them; the
    states are the two cells before, then the nodes.
    """
    fields = "normal normal_concat reduce reduce_concat"
    found = strong(tmp_path, {"0-2": "sep_conv_3x3", "1-3": "skip_connect", "2-3": "max_pool_3x3"})
    read = eval(genotype(found, "two_inputs"), {"Genotype": namedtuple("Genotype", fields)})
    assert [source for _, source in read.normal] == [0, 1, 1, 2]
    assert [op for op, _ in read.normal][2:] == ["skip_connect", "max_pool_3x3"]
    assert read.normal_concat == [2, 3]
    ops, indices = zip(*read.normal, strict=True)
    nodes = len(ops) // 2
    assert nodes == found.config.space.nodes
    for node in range(nodes):
        first, second = indices[2 * node : 2 * node + 2]
        assert 0 <= first < second < 2 + node
    assert set(ops) <= set(PRIMITIVES)
    assert set(read.normal_concat) <= set(range(2, 2 + nodes))
    assert read.reduce == read.reduce_concat == []  # this space has no such cell
    with pytest.raises(InputError, match="node 2 keeps 1 edges"):
        genotype(found, "strongest")


def test_the_command_writes_or_says_what_it_lacks(trajectory: Trajectory, tmp_path: Path) -> None:
    def export(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["export", str(trajectory.path), *words])
        return result.exit_code, result.output

    assert json.loads(export("--to", "json")[1])["search"] == trajectory.config.id
    assert export("--to", "csv")[0] == BAD_INPUT
    assert "node 2 keeps 0 edges" in export("--to", "darts")[1]
    assert export("--to", "json", "--keep", "strongest")[0] == BAD_INPUT
    out = tmp_path / "genotype.txt"
    assert export("--to", "darts", "--keep", "two_inputs", "--out", str(out))[0] == 0
    assert out.read_text().startswith("Genotype(normal=[(")
