"""The tables of one or several experiments as frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa

from wiring.config import ReadingsConfig
from wiring.dynamics.schema import TABLES, read_table
from wiring.dynamics.stream import check_ids, tables_of
from wiring.errors import InputError
from wiring.trajectory import Trajectory


@dataclass(frozen=True)
class Dynamics:
    """The tables of many searches.

    A table that was not read has no columns, so that whoever asks for one of them is told.

    Attributes:
        searches: one row a search; columns as :data:`wiring.dynamics.MEANINGS` defines them.
        edges: see :func:`wiring.dynamics.edge_table`.
        ops: see :func:`wiring.dynamics.op_table`.
        statistics: see :func:`wiring.dynamics.statistics_table`.
        samples: see :func:`wiring.dynamics.sample_table`.
        readings: two rows a search whose alpha learns; see :mod:`wiring.dynamics.readings`.
        phases: see :func:`wiring.dynamics.phase_table`.
    """

    searches: pd.DataFrame
    edges: pd.DataFrame = field(default_factory=pd.DataFrame)
    ops: pd.DataFrame = field(default_factory=pd.DataFrame)
    statistics: pd.DataFrame = field(default_factory=pd.DataFrame)
    samples: pd.DataFrame = field(default_factory=pd.DataFrame)
    readings: pd.DataFrame = field(default_factory=pd.DataFrame)
    phases: pd.DataFrame = field(default_factory=pd.DataFrame)

    @classmethod
    def of(
        cls, trajectories: Sequence[Trajectory], config: ReadingsConfig | None = None
    ) -> Dynamics:
        """Compute the tables, searches in the order of their ids.

        Args:
            trajectories: the searches.
            config: when the outcomes are read; the published displacements when absent.

        Raises:
            InputError: no trajectory is given, or two are of the same search.
        """
        ordered = sorted(trajectories, key=lambda trajectory: trajectory.config.id)
        check_ids([trajectory.config.id for trajectory in ordered])
        parts: dict[str, list[pa.Table]] = {name: [] for name in TABLES}
        for trajectory in ordered:
            for name, table in tables_of(trajectory, config or ReadingsConfig()):
                parts[name].append(table)
        return cls(**{name: _frame(tables) for name, tables in parts.items()})

    @classmethod
    def read(cls, *folders: Path, tables: Iterable[str] = TABLES) -> Dynamics:
        """Read what :func:`wiring.dynamics.build` wrote.

        Args:
            folders: one a set of searches, such as an experiment.
            tables: those that are wanted; `searches` is always read.

        Raises:
            InputError: a table is missing, or not what :func:`wiring.dynamics.build` writes; or
                two folders have the same search.
        """
        wanted = [name for name in TABLES if name == "searches" or name in set(tables)]
        read = {name: _frame([read_table(folder, name) for folder in folders]) for name in wanted}
        check_ids(read["searches"]["search"].tolist())
        return cls(**read)

    def condition(self, condition: str) -> Dynamics:
        """The tables of one condition, that is of its seeds.

        Raises:
            InputError: no search belongs to it.
        """
        known = self.searches["condition"].unique()
        if condition not in known:
            raise InputError(
                f"unknown condition {condition!r}, expected one of {', '.join(sorted(known))}"
            )
        return Dynamics(
            **{
                name: table[table["condition"] == condition].reset_index(drop=True)
                for name, table in ((name, getattr(self, name)) for name in TABLES)
                if len(table.columns)
            }
        )

    def last_edges(self) -> pd.DataFrame:
        """The rows of `edges` at each search's last window."""
        last = self.edges.groupby("search")["step"].transform("max")
        return self.edges[self.edges["step"] == last]


def _frame(tables: list[pa.Table]) -> pd.DataFrame:
    frame: pd.DataFrame = pa.concat_tables(tables).replace_schema_metadata(None).to_pandas()
    return frame
