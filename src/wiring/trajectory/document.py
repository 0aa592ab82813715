"""Write the schema out for people: `python -m wiring.trajectory.document > README.md`."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator

import pyarrow as pa

from wiring.config import Edge
from wiring.trajectory import schema

# Any shape will do: the document names the axes, not their lengths.
_SHAPE = schema.Shape(1, (Edge(0, 2),), ("none",))


def document() -> str:
    """The schema as Markdown, from the code that defines it."""
    lines = [
        f"# Trajectory, schema version {schema.VERSION}",
        "",
        "<!-- Generated: python -m wiring.trajectory.document -->",
        "",
        *inspect.cleandoc(schema.__doc__ or "").splitlines()[2:],
    ]
    for name, make in schema.SCHEMAS.items():
        lines += ["", f"## `{name}.parquet`", "", *(inspect.getdoc(make) or "").splitlines(), ""]
        lines += _table(("field", "type", "axes", "meaning"), map(_row, make(_SHAPE)))
    lines += ["", "The files' own metadata:", ""]
    lines += [f"- `{key.decode()}`" for key in schema.windows_schema(_SHAPE).metadata]
    lines += ["", "## `manifest.json`", ""]
    lines += _table(("field", "meaning"), schema.MANIFEST_FIELDS.items())
    return "\n".join(lines) + "\n"


def _row(field: pa.Field) -> tuple[str, ...]:
    axes = field.metadata.get(b"axes", b"").decode()
    kind = field.type.value_type if axes else field.type
    # Arrow says float and double, which mean other things elsewhere.
    name = {"float": "float32", "double": "float64"}.get(str(kind), str(kind))
    return field.name, name, " x ".join(axes), field.metadata[b"meaning"].decode()


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for name, *rest in rows:
        cells = [f"`{name}`", *(text.replace("|", "\\|") for text in rest)]
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(document(), end="")
