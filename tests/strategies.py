"""Random small search spaces, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from wiring.config import OPS, SpaceConfig


@st.composite
def spaces(draw: st.DrawFn, *, partial: bool = False) -> SpaceConfig:
    """Cells, nodes, op subsets, deletions, fixed and forbidden ops; partial channels if asked."""
    nodes = draw(st.integers(1, 3))
    ops = tuple(sorted(draw(st.sets(st.sampled_from(OPS), min_size=1)), key=OPS.index))
    edges = SpaceConfig(nodes=nodes).all_edges
    fate = st.sampled_from(["free", "free", "free", "delete", "fix", "forbid"])
    fates = {edge: draw(fate) for edge in edges}
    deleted = tuple(edge for edge in edges if fates[edge] == "delete")
    if len(deleted) == len(edges):
        deleted = deleted[1:]
    forbidden = {
        edge: tuple(draw(st.sets(st.sampled_from(ops), max_size=len(ops) - 1)))
        for edge in edges
        if fates[edge] == "forbid"
    }
    outputs = draw(st.sets(st.integers(2, nodes + 1), min_size=1))
    groups = draw(st.integers(2, 3)) if partial else 1
    return SpaceConfig(
        cells=draw(st.integers(1, 3)),
        nodes=nodes,
        channels=groups * draw(st.integers(1, 2 if partial else 3)),
        partial=groups,
        ops=ops,
        delete_edges=deleted,
        fix_edges={edge: draw(st.sampled_from(ops)) for edge in edges if fates[edge] == "fix"},
        forbid_ops=forbidden,
        output_nodes=draw(st.sampled_from([None, tuple(sorted(outputs))])),
    )
