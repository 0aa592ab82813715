"""Read a scale file."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import ValidationError

from wiring.config.scale import ScaleConfig
from wiring.errors import InputError

BYTES, VALUES, LEVELS = 1_000_000, 20_000, 32
"""What a file may hold: bytes, values (each alias written out), and levels of nesting."""


class _Loader(yaml.SafeLoader):
    """YAML of plain values, bounded, and without duplicate keys.

    Of equal keys PyYAML would keep the last and say nothing. An alias costs it nothing: a billion
    values in nine lines are met only by whoever walks through them.

    Plain words mean what YAML 1.2, JSON and editors take them for. PyYAML's YAML 1.1 reads a text
    in `1e-3`, 8 in `010`, 90 in `1:30`, and a truth in `no`.
    """

    # Of the class, which PyYAML's stubs do not say.
    yaml_implicit_resolvers: ClassVar[  # type: ignore[misc]
        dict[str, list[tuple[str, re.Pattern[str]]]]
    ] = {}

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self._level = 0
        self._sizes: dict[yaml.Node, tuple[float, float]] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        alias = self.check_event(yaml.AliasEvent)
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # by its stubs
        self._level += 1
        # Before, since composing takes time and recurses; after, since an alias takes neither.
        self._bound(len(self._sizes), self._level, mark)
        node = super().compose_node(parent, index)
        self._level -= 1
        if node is not None:
            if not alias:
                self._sizes[node] = self._size(node)
            # A node that holds an alias of itself has no end.
            values, levels = self._sizes.get(node, (math.inf, math.inf))
            self._bound(values, self._level + levels, mark)
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        # YAML has no such character in a file, but takes it escaped; no page or picture does.
        if self.NON_PRINTABLE.search(node.value):
            raise yaml.MarkedYAMLError(
                problem=f"the text {node.value!r} cannot be printed", problem_mark=node.start_mark
            )
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        # Here, where a merged mapping still is the one key `<<`: its keys may be overridden.
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):  # constructing refuses others
                merges = key.tag == "tag:yaml.org,2002:merge"
                name = key.value if merges else self.construct_object(key)
                if not str(name).isprintable():  # a message about it would take several lines
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {name!r} cannot be printed", problem_mark=key.start_mark
                    )
                if name in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {name!r} stands twice", problem_mark=key.start_mark
                    )
                seen.add(name)
        return node

    def _size(self, node: yaml.Node) -> tuple[float, float]:
        """Values and levels of a node whose parts are known."""
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in parts for part in pair]
        sizes = [self._sizes[part] for part in parts]
        return 1 + sum(size[0] for size in sizes), 1 + max((size[1] for size in sizes), default=0)

    def _bound(self, values: float, levels: float, mark: yaml.Mark) -> None:
        if values > VALUES or levels > LEVELS:
            raise yaml.MarkedYAMLError(
                problem=f"expected at most {VALUES} values, each alias written out, in at most "
                f"{LEVELS} levels",
                problem_mark=mark,
            )


class _Dumper(yaml.SafeDumper):
    """Quotes every text that YAML 1.1 or 1.2 would take for another value."""


for _tag, _first, _plain in (
    ("bool", "tTfF", "true|True|TRUE|false|False|FALSE"),
    ("int", "-+0123456789", r"[-+]?(0|[1-9][0-9]*)"),
    (
        "float",
        "-+.0123456789",
        r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    ),
    ("null", ["~", "n", "N", ""], "~|null|Null|NULL|"),
    ("merge", "<", "<<"),
):
    for _form in (_Loader, _Dumper):
        _form.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_plain})\Z"), list(_first)
        )


def scale_text(content: dict[str, Any], width: int = 80) -> str:
    """A scale file's text, which :func:`load_scale` reads as it was.

    Args:
        content: plain values.
        width: characters of a line.
    """
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=width)


def load_scale(path: Path) -> ScaleConfig:
    """Read and validate a scale file, its searches included (see also :mod:`wiring.study`).

    Args:
        path: a YAML file as `config/README.md` describes it.

    Raises:
        InputError: one sentence a fault, naming the file and the field.
    """
    try:
        with path.open("rb") as file:
            text = file.read(BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if len(text) > BYTES:
        raise InputError(f"{path}: too large for a scale file, expected at most {BYTES} bytes")
    try:
        # _Loader is a SafeLoader: it builds plain values only.
        raw = yaml.load(text, _Loader)
    except Exception as error:  # `!!int ''` and its like raise whatever int() does
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    try:
        scale = ScaleConfig.model_validate(raw)
    except ValidationError as error:
        raise InputError.from_validation(str(path), error) from None
    scale.searches(str(path))
    return scale
