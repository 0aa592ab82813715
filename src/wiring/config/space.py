"""The cell's vocabulary (edges and ops), and the model of a search space."""

from __future__ import annotations

import re
from typing import Annotated, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from wiring.config.model import Model

INPUTS = 2
"""Nodes 0 and 1 are the cell's inputs; the later ones are intermediate."""
EdgeClass = Literal["input", "intermediate"]
OPS: tuple[str, ...] = (
    "none",
    "skip_connect",
    "max_pool_3x3",
    "avg_pool_3x3",
    "sep_conv_3x3",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "sep_conv_5x5",
)
"""The eight operations of the search space, in the paper's order."""
CANDIDATES = 50_000
"""The most operations of a supernet; the published one has 8 x 14 x 8 = 896."""


class Edge(NamedTuple):
    """A connection of the cell from node `source` to node `target`; as text, `source-target`."""

    source: int
    target: int

    @classmethod
    def parse(cls, text: str) -> Edge:
        """Read `i-j`.

        Raises:
            ValueError: the text is not an edge.
        """
        found = re.fullmatch(r"(0|[1-9]\d{0,3})-([1-9]\d{0,3})", text)
        if found is None:
            raise ValueError("expected an edge, two nodes like 0-2")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.source}-{self.target}"

    @property
    def kind(self) -> EdgeClass:
        """`input` if it leaves an input of the cell, else `intermediate`."""
        return "input" if self.source < INPUTS else "intermediate"


def edges_of(nodes: int) -> tuple[Edge, ...]:
    """Every edge of a cell with so many intermediate nodes, by target, then source."""
    return tuple(Edge(i, j) for j in range(INPUTS, nodes + INPUTS) for i in range(j))


def _read_edge(value: object) -> Edge:
    return value if isinstance(value, Edge) else Edge.parse(value if isinstance(value, str) else "")


def _known_op(op: str) -> str:
    if op not in OPS:
        raise ValueError(f"unknown op, expected one of {', '.join(OPS)}")
    return op


EdgeField = Annotated[
    Edge,
    PlainValidator(_read_edge),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+-\d+$"}),
]
"""An edge in a model: an :class:`Edge` in Python, text in a file."""
Op = Annotated[str, AfterValidator(_known_op), WithJsonSchema({"enum": list(OPS)})]


class SpaceConfig(Model):
    """The search space of one supernet, interventions included.

    Attributes:
        cells: number of normal cells L.
        nodes: number of intermediate nodes N of a cell (2: minimal cell, 4: full cell).
        channels: width C of a node; the stem has 3 C channels.
        partial: one of so many channels of a node goes through the ops of an edge; the others pass
            it by, `none` or not, and all are shuffled (PC-DARTS); 1: all channels go through.
        ops: the candidate operations of every edge, in the order of :data:`OPS`.
        delete_edges: edges that do not exist.
        fix_edges: edges whose op is given and never searched.
        forbid_ops: ops that an edge may not take.
        output_nodes: nodes concatenated to the cell's output; all intermediate ones when absent.
    """

    cells: Annotated[int, Field(ge=1, le=1000)] = 8
    nodes: Annotated[int, Field(ge=1, le=32)] = 2
    channels: Annotated[int, Field(ge=1, le=4096)] = 16
    partial: Annotated[int, Field(ge=1, le=4096)] = 1
    ops: tuple[Op, ...] = Field(OPS, min_length=1, strict=False)
    delete_edges: tuple[EdgeField, ...] = Field((), strict=False)
    fix_edges: dict[EdgeField, Op] = Field(default_factory=dict)
    forbid_ops: dict[EdgeField, Annotated[tuple[Op, ...], Field(strict=False)]] = Field(
        default_factory=dict
    )
    output_nodes: tuple[int, ...] | None = Field(None, strict=False)

    @property
    def all_edges(self) -> tuple[Edge, ...]:
        """Every edge of the cell, deleted ones included, by target, then source."""
        return edges_of(self.nodes)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges that exist, in the order of the rows of alpha."""
        return tuple(edge for edge in self.all_edges if edge not in self.delete_edges)

    @property
    def outputs(self) -> tuple[int, ...]:
        """The nodes that are concatenated to the cell's output."""
        return self.output_nodes or tuple(range(INPUTS, self.nodes + INPUTS))

    def choices(self, edge: Edge) -> tuple[str, ...]:
        """The ops that an edge may take: one if it is fixed."""
        if edge in self.fix_edges:
            return (self.fix_edges[edge],)
        return tuple(op for op in self.ops if op not in self.forbid_ops.get(edge, ()))

    def free(self, edge: Edge) -> bool:
        """Whether the search decides if the edge exists: `none` is one of several choices."""
        choices = self.choices(edge)
        return "none" in choices and len(choices) > 1

    @property
    def constant(self) -> bool:
        """Whether no edge that may take another op than `none` leads on to an output.

        Then every choice is the same network, and it does not see its input. (Where channels pass
        an edge by, it leads on whatever its op is.)
        """
        reached = set(range(INPUTS))
        for edge in self.edges:  # by target: what leads to a source comes first
            if edge.source in reached and (self.partial > 1 or self.choices(edge) != ("none",)):
                reached.add(edge.target)
        return not reached & set(self.outputs)

    @model_validator(mode="after")
    def _consistent(self) -> SpaceConfig:
        if self.channels % self.partial:
            raise ValueError(
                f"partial: {self.partial} does not divide the {self.channels} channels"
            )
        if list(self.ops) != sorted(set(self.ops), key=OPS.index):
            raise ValueError(f"ops must be distinct and in the order {', '.join(OPS)}")
        for field in ("delete_edges", "fix_edges", "forbid_ops"):
            for edge in getattr(self, field):
                if edge not in self.all_edges:
                    known = ", ".join(map(str, self.all_edges))
                    raise ValueError(f"{field}: unknown edge {edge}, expected one of {known}")
                if field != "delete_edges" and edge in self.delete_edges:
                    raise ValueError(f"{field}: edge {edge} is deleted by delete_edges")
        if len(set(self.delete_edges)) < len(self.delete_edges):
            raise ValueError("delete_edges: an edge stands twice, expected distinct edges")
        for edge, ops in self.forbid_ops.items():
            if len(set(ops)) < len(ops):
                raise ValueError(f"forbid_ops: an op stands twice for {edge}")
            for op in ops:
                if op not in self.ops:
                    raise ValueError(f"forbid_ops: {op} on edge {edge} is not among ops")
        for edge, op in self.fix_edges.items():
            if op not in self.ops:
                raise ValueError(f"fix_edges: {op} on edge {edge} is not among ops")
            if edge in self.forbid_ops:
                raise ValueError(f"edge {edge} stands in both fix_edges and forbid_ops")
        for edge in self.edges:
            if not self.choices(edge):
                raise ValueError(f"forbid_ops: edge {edge} has no op left")
        if not self.edges:
            raise ValueError("delete_edges: no edge is left")
        size = self.cells * len(self.edges) * len(self.ops)
        if size > CANDIDATES:
            raise ValueError(
                f"cells: {size} operations in all cells, edges and ops, expected at most "
                f"{CANDIDATES}"
            )
        intermediate = range(INPUTS, self.nodes + INPUTS)
        if self.output_nodes is not None and (
            not self.output_nodes
            or list(self.output_nodes) != sorted(set(self.output_nodes))
            or any(node not in intermediate for node in self.output_nodes)
        ):
            raise ValueError(
                f"output_nodes must be distinct, ascending and among {list(intermediate)}"
            )
        return self
