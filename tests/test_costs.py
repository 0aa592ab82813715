"""What `make bench` measures beside the steps: that it runs, and sees what grows."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks import costs
from tests.synthetic import write_search
from wiring.config import load_scale
from wiring.trajectory import Trajectory


def test_a_study_has_as_many_searches_as_it_is_asked_for(tmp_path: Path) -> None:
    for count in (20, 200):
        path = tmp_path / f"{count}.yaml"
        path.write_text(costs.yaml.safe_dump(costs.study(count)))
        assert len(load_scale(path).searches()) == count


def test_a_linked_trajectory_is_one_of_another_seed(tmp_path: Path) -> None:
    first = write_search(tmp_path, costs.one_search(train={"epochs": 3}))
    other = costs.one_search(7, train={"epochs": 3})
    costs.with_seed(first, other, tmp_path / "linked")
    read = Trajectory.read(tmp_path / "linked" / other.id)
    assert read.config == other
    assert read.windows == Trajectory.read(first).windows


def test_tables_are_made_and_their_peak_is_seen(tmp_path: Path) -> None:
    name, said = costs.tables(tmp_path, searches=2, windows=8)
    assert name == "tables of 2 searches of 8 full cells and 8 windows"
    found = re.fullmatch(r"(\d+|nan) MB, (\d+\.\d) s", said)
    assert found
    assert found[1] == "nan" or 50 < float(found[1]) < 2000
    assert (tmp_path / "tables" / "edges.parquet").is_file()
