"""E8: the cells of finished searches, and what they are compared with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.synthetic import config, write_search
from wiring.claims.contrasts import contrast
from wiring.cli import app
from wiring.config import ClaimsConfig, ScaleConfig, SpaceConfig
from wiring.dynamics import Dynamics
from wiring.errors import InputError
from wiring.patterns.shape import cell_shape
from wiring.retrain import cells_of, study, write
from wiring.study import read_study
from wiring.trajectory import Trajectory

SCALE = {
    "scale": "mine",
    "datasets": {"digits": {"source": "digits", "test_fraction": 0.2}},
    "experiments": {
        "E1": {
            "title": "t",
            "methods": ["dsnas"],
            "levels": ["bi"],
            "datasets": ["digits"],
            "seeds": [0, 1],
        }
    },
}
CELL = ["none", "sep_conv_3x3", "skip_connect", "none", "max_pool_3x3"]


def finished(root: Path, cell: list[str], **changes: Any) -> Trajectory:
    """A finished search that selects this cell, edge by edge."""
    search = config(**{"level": "bi", "train": {"epochs": 2}, **changes})
    trajectory = Trajectory.read(write_search(root, search))
    genotype = json.dumps(dict(zip(map(str, search.space.edges), cell, strict=True)))
    epochs = trajectory.epochs
    place = epochs.schema.get_field_index("genotype")
    texts = pa.array([genotype] * len(epochs))
    return replace(trajectory, epochs=epochs.set_column(place, epochs.schema.field(place), texts))


def kept(wiring: dict[Any, str]) -> int:
    return sum(op != "none" for op in wiring.values())


def test_a_cell_is_compared_with_itself_restored_and_with_random_ones(tmp_path: Path) -> None:
    trajectory = finished(tmp_path, CELL)
    cells = cells_of(trajectory, 20)
    assert list(cells)[:3] == ["selected", "restored", "random-1"]
    assert len(cells) == 22
    edges = trajectory.config.space.edges
    assert [cells["selected"][edge] for edge in edges] == CELL
    last = trajectory.array("probability", "validation")[-1]
    for row, edge in enumerate(edges):
        restored = cells["restored"][edge]
        if CELL[row] == "none":
            best = 1 + int(np.argmax(last[row, 1:]))
            assert restored == trajectory.config.space.ops[best]
        else:
            assert restored == CELL[row]
    randoms = [cells[f"random-{number}"] for number in range(1, 21)]
    for wiring in randoms:
        assert kept(wiring) == kept(cells["selected"]) == 3
        assert cell_shape([edge for edge in edges if wiring[edge] != "none"], (2, 3)).depth > 0
    assert len({tuple(wiring.values()) for wiring in randoms}) > 15
    assert cells_of(trajectory, 20) == cells  # no chance but the search's own
    assert cells_of(finished(tmp_path, CELL, seed=1), 20)["random-1"] != cells["random-1"]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 99), st.lists(st.booleans(), min_size=5, max_size=5))
def test_random_cells_are_uniform_networks_within_the_space(
    tmp_path_factory: pytest.TempPathFactory, seed: int, there: list[bool]
) -> None:
    """What was fixed, forbidden or never free stays so."""
    space = {
        "cells": 1,
        "channels": 4,
        "fix_edges": {"0-3": "sep_conv_5x5"},
        "forbid_ops": {"0-2": ["none", "max_pool_3x3"], "2-3": ["skip_connect"]},
    }
    cell = ["avg_pool_3x3" if on else "none" for on in there]
    cell[0], cell[2] = "dil_conv_3x3", "sep_conv_5x5"
    trajectory = finished(tmp_path_factory.mktemp("t"), cell, space=space, seed=seed)
    known = trajectory.config.space
    for name, wiring in cells_of(trajectory, 3).items():
        for edge, op in wiring.items():
            assert op in known.choices(edge)
        assert str(wiring[known.edges[0]]) == "dil_conv_3x3"
        assert wiring[known.edges[2]] == "sep_conv_5x5"
        if name != "restored":
            assert kept(wiring) == kept(dict(enumerate(cell)))


@pytest.mark.parametrize("cell", [["none"] * 5, ["none"] * 4 + ["skip_connect"]])
def test_a_cell_that_is_no_network_is_left_out_and_said(tmp_path: Path, cell: list[str]) -> None:
    empty, whole = finished(tmp_path, cell), finished(tmp_path, CELL, seed=1)
    assert cells_of(empty, 3) is None
    scale = ScaleConfig.model_validate(SCALE)
    content, left_out = study(scale, [empty, whole], "cells")
    assert left_out == [
        f"{empty.config.id}: keeps no edge that leads to the output: nothing to train"
    ]
    (experiment,) = content["experiments"].values()
    assert experiment["seeds"] == [1]
    with pytest.raises(InputError, match="nothing to train"):
        study(scale, [empty], "cells")


def test_a_variant_that_repeats_another_is_left_out_and_said(tmp_path: Path) -> None:
    """Where every search kept every edge there is nothing to restore."""
    whole = ["sep_conv_3x3"] * 5
    scale = ScaleConfig.model_validate(SCALE)
    content, left_out = study(scale, [finished(tmp_path, whole)], "mine", randoms=2)
    (experiment,) = content["experiments"].values()
    assert list(experiment["variants"]) == ["selected", "random-1", "random-2"]
    assert {one.get("variant") for one in experiment["overrides"]} == {
        None,
        *experiment["variants"],
    }
    assert left_out == ["E1-dsnas-bi-digits: restored: its cells are those of selected"]
    write(content, tmp_path / "mine.yaml")
    both = [finished(tmp_path / "a", whole), finished(tmp_path / "b", CELL, seed=1)]
    content, left_out = study(scale, both, "mine", randoms=2)
    (experiment,) = content["experiments"].values()
    assert list(experiment["variants"]) == ["selected", "restored", "random-1", "random-2"]
    assert left_out == []


def test_a_search_without_a_free_edge_is_refused(tmp_path: Path) -> None:
    space = {"cells": 1, "ops": ["skip_connect", "sep_conv_3x3"]}
    with pytest.raises(InputError, match="no edge was searched, expected one that may take none"):
        cells_of(finished(tmp_path, ["skip_connect"] * 5, space=space), 1)


def test_the_study_is_a_scale_file_of_networks_with_the_searches_budget(tmp_path: Path) -> None:
    until = {"displacement": 0.1, "change": 0.01, "bound": 9}
    train = {"epochs": 7, "batch_size": 32, "followed_samples": 5}
    train |= {"until": until, "curvature_every": 7}
    weights = {"lr": 0.05, "unsampled": "decay"}
    both = [finished(tmp_path, CELL, seed=s, train=train, weights=weights) for s in (0, 1)]
    # Of a bi-level search; alone no cell is trained by halves.
    halved = {
        name: {**data, "validation_fraction": 0.3} for name, data in SCALE["datasets"].items()
    }
    scale = ScaleConfig.model_validate({**SCALE, "datasets": halved})
    content, left_out = study(scale, both, "cells", randoms=2)
    assert not left_out
    write(content, tmp_path / "cells.yaml")
    searches = read_study(tmp_path / "cells.yaml").searches()
    assert len(searches) == 2 * (2 + 2)
    for search in searches.values():
        own = cells_of(both[search.seed], 2)[search.variant]
        assert search.space.fix_edges == own
        assert all(len(search.space.choices(edge)) == 1 for edge in search.space.edges)
        assert (search.method, search.level) == ("uniform", "single")
        assert (search.space.cells, search.space.channels) == (2, 4)
        assert (search.train.epochs, search.train.batch_size) == (7, 32)
        assert (search.train.followed_samples, search.weights.lr) == (0, 0.05)
        assert (search.train.until, search.train.curvature_every) == (None, 0)
    unnamed = tmp_path / "no name.yaml"
    with pytest.raises(InputError) as refused:
        write({**content, "scale": "no name"}, unnamed)
    assert str(refused.value).startswith(f"{unnamed}: scale: ")
    assert not unnamed.exists()
    shorter, _ = study(ScaleConfig.model_validate(SCALE), both, "cells", epochs=3)
    write(shorter, tmp_path / "cells.yaml")
    assert {s.train.epochs for s in read_study(tmp_path / "cells.yaml").searches().values()} == {3}


def test_accuracy_is_compared_by_search_where_no_alpha_learns(tmp_path: Path) -> None:
    folders = []
    for seed in range(5):
        for variant in ("selected", "restored"):
            search = config(method="uniform", alpha={"lr": 0.0}, seed=seed, variant=variant)
            folders.append(write_search(tmp_path, search))
    dynamics = Dynamics.of([Trajectory.read(folder) for folder in folders])
    dynamics.searches["test_accuracy"] += (
        0.01 * dynamics.searches["seed"] * (dynamics.searches["variant"] == "restored")
    )
    (found,) = contrast(ClaimsConfig(baseline="selected"), dynamics)
    assert (found.variant, found.statistic) == ("restored", "test_accuracy")
    assert found.values == pytest.approx([0, 0.01, 0.02, 0.03, 0.04])
    assert found.effect == pytest.approx(0.02)
    assert found.low < 0.02 < found.high


def test_the_command_writes_it_from_finished_searches(tmp_path: Path) -> None:
    scale = yaml.safe_load(yaml.safe_dump(SCALE))
    scale["experiments"]["E1"]["variants"] = {"free": {"space": {"channels": 4}}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(scale))
    home = tmp_path / "results/mine/experiments/E1/trajectories"
    out = tmp_path / "cells.yaml"
    command = ["retrain", f"{tmp_path}/mine.yaml", "E1", "--results", f"{tmp_path}/results"]
    asked = [*command, "--out", str(out)]
    missing = CliRunner().invoke(app, asked)
    assert missing.exit_code == 2
    assert "E1_dsnas_bi_digits_free_s0" in missing.output
    assert not out.exists()
    for search in ScaleConfig.model_validate(scale).searches().values():
        write_search(home, search)
    empty = CliRunner().invoke(app, asked)  # by formula all select none
    assert empty.exit_code == 2
    assert empty.output.count("nothing to train") == 2
    assert SpaceConfig().nodes == 2
