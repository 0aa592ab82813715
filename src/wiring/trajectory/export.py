"""A trajectory in forms that other programs read: CSV, NPZ, and the cell that was found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch

from wiring.config import INPUTS, Edge
from wiring.errors import InputError
from wiring.files import atomic_dir, atomic_file
from wiring.methods.selection import kept
from wiring.space import Candidates
from wiring.trajectory.reader import TableName, Trajectory
from wiring.trajectory.schema import SCHEMAS, SPLITS

Rule = Literal["own", "strongest", "two_inputs"]
"""Which edges are kept: as the method says, each by its strongest op, or two a node as in DARTS."""


def selected(trajectory: Trajectory) -> dict[Edge, str]:
    """Every edge's op after the last epoch by the method's own rule; `none`: it keeps no edge.

    Raises:
        InputError: no epoch was finished.
    """
    genotypes = trajectory.column("genotype", "test", "epochs")
    if not len(genotypes):
        raise InputError(f"{trajectory.path}: no epoch was finished, expected a genotype")
    found = json.loads(genotypes[-1])
    return {edge: found[str(edge)] for edge in trajectory.shape.edges}


def cell(trajectory: Trajectory, rule: Rule = "own") -> dict[Edge, str]:
    """The cell after the last window: its edges that are not `none`, and their ops.

    Args:
        trajectory: of a search.
        rule: which edges are kept; `own` is what the search recorded as its genotype.

    Raises:
        InputError: the search recorded no genotype.
    """
    space, shape = trajectory.config.space, trajectory.shape
    if rule == "own":
        found = selected(trajectory)
    else:
        last, weight = (
            trajectory.array(name, trajectory.config.learning_split)[-1].astype(np.float64)
            for name in ("probability", "edge_weight")
        )
        # Of one edge's ops the strongest is so at any weight, 0 too.
        strength = weight[:, None] * last if rule == "two_inputs" else last
        candidates = Candidates.of(space, torch.device("cpu"))
        columns = kept(rule, torch.from_numpy(strength), candidates)
        found = {
            edge: "none" if column is None else shape.ops[column]
            for edge, column in zip(shape.edges, columns, strict=True)
        }
    return {edge: op for edge, op in found.items() if op != "none"}


def genotype(trajectory: Trajectory, rule: Rule = "own") -> str:
    """The cell as DARTS writes it: `Genotype(normal=[(op, source), ...], ...)`.

    `normal` has two entries a node, node after node; this space has no reduction cell.

    Raises:
        InputError: a node does not have two edges, which this form cannot say.
    """
    found = cell(trajectory, rule)
    space = trajectory.config.space
    count = Counter(edge.target for edge in found)
    for node in range(INPUTS, space.nodes + INPUTS):
        if count[node] != 2:
            raise InputError(
                f"{trajectory.path}: node {node} keeps {count[node]} edges and DARTS's form has "
                "two a node: use --keep two_inputs, or --to json"
            )
    ordered = sorted(found.items(), key=lambda item: (item[0].target, item[0].source))
    normal = [(op, edge.source) for edge, op in ordered]
    return (
        f"Genotype(normal={normal}, normal_concat={list(space.outputs)}, "
        "reduce=[], reduce_concat=[])"
    )


def as_json(trajectory: Trajectory) -> str:
    """The cell by its method's own rule and by the strongest op of each edge, as JSON."""
    space = trajectory.config.space
    content = {
        "search": trajectory.config.id,
        "method": trajectory.config.method,
        "nodes": space.nodes,
        "output_nodes": list(space.outputs),
        **{
            rule: [
                {"source": edge.source, "target": edge.target, "op": op}
                for edge, op in cell(trajectory, rule).items()
            ]
            for rule in ("own", "strongest")
        },
    }
    return json.dumps(content, indent=2)


def to_npz(trajectory: Trajectory, out: Path) -> None:
    """Write all arrays into one NPZ file.

    An array is called `table/split/field`, rows first; `edges` and `ops` name the axes; `config` is
    the search's configuration as JSON.

    Args:
        trajectory: of a search.
        out: the file; replaced whole.
    """
    arrays: dict[str, np.ndarray] = {
        "edges": np.array([str(edge) for edge in trajectory.shape.edges]),
        "ops": np.array(trajectory.shape.ops),
        "config": np.array(trajectory.config.canonical),
    }
    for table, split, name in _fields(trajectory):
        values = trajectory.array(name, split, table)
        arrays[f"{table}/{split}/{name}"] = values.astype(str) if values.dtype == object else values
    with atomic_file(out) as path, path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def to_csv(trajectory: Trajectory, out: Path) -> None:
    """Write a folder of CSV files.

    A file a table and kind of value: `windows.csv` has its single numbers, `windows_E_O.csv` those
    by edge and op in the columns `edge` and `op`, `windows_L_E_O.csv` those by `cell` too. Every
    row begins with the table's keys. An undefined value is empty.

    Args:
        trajectory: of a search.
        out: the folder; replaced whole.

    Raises:
        InputError: the folder is there and holds something else, which would be lost.
    """
    out = out.absolute()  # `.` has no name
    for held in sorted(out.iterdir()) if out.is_dir() else ():
        if not held.name.startswith(tuple(SCHEMAS)) or held.suffix != ".csv":
            raise InputError(
                f"{out}: is there and holds {held.name}, expected a new folder or one of an export "
                "before"
            )
    with atomic_dir(out) as folder:
        for table in SCHEMAS:
            schema = getattr(trajectory, table).schema
            axes = {
                field.name: (field.metadata or {}).get(b"axes", b"").decode() for field in schema
            }
            keys = [name for name in schema.names if not axes[name]]
            for group in dict.fromkeys(["", *axes.values()]):
                own = [name for name, its in axes.items() if its == group]
                frame = getattr(trajectory, table).select(keys).to_pandas()
                if group:
                    frame = _long(trajectory, frame[_keys(table)], table, group, own)
                name = "_".join([table, *group])
                # 9 digits say a float32 wholly, 17 a float64.
                frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.17g")


def _keys(table: str) -> list[str]:
    return {
        "windows": ["step", "epoch", "split"],
        "epochs": ["epoch", "split"],
        "samples": ["epoch", "split", "sample"],
    }[table]


def _long(
    trajectory: Trajectory, keys: pd.DataFrame, table: str, axes: str, names: list[str]
) -> pd.DataFrame:
    """A row a row and place on the axes."""
    shape = trajectory.shape
    labels: dict[str, tuple[str, list[str] | list[int]]] = {
        "L": ("cell", list(range(shape.cells))),
        "E": ("edge", [str(edge) for edge in shape.edges]),
        "O": ("op", list(shape.ops)),
    }
    places = pd.MultiIndex.from_product(
        [labels[axis][1] for axis in axes], names=[labels[axis][0] for axis in axes]
    ).to_frame(index=False)
    assert isinstance(places, pd.DataFrame)
    long = keys.loc[keys.index.repeat(len(places))].reset_index(drop=True)
    for name in places:
        long[name] = np.tile(places[name].to_numpy(), len(keys))
    for name in names:
        column = getattr(trajectory, table)[name].combine_chunks()
        long[name] = column.flatten().to_numpy(zero_copy_only=False)
    return long


def _fields(trajectory: Trajectory) -> Iterator[tuple[TableName, str, str]]:
    """Table, split and field of everything that was recorded."""
    tables: tuple[TableName, ...] = ("windows", "epochs", "samples")
    for table in tables:
        recorded = getattr(trajectory, table)
        there = set(recorded["split"].unique().to_pylist())
        for split in SPLITS[table]:
            if split in there:
                yield from (
                    (table, split, name) for name in recorded.schema.names if name != "split"
                )
