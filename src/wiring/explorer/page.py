"""Write searches as one page: its charts, its script and its data in one file of bounded size."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from wiring import __version__
from wiring.errors import InputError
from wiring.explorer.record import BY_EDGE, BY_OP, LEVELS, NOTHING, NUMBERS, POINTS, Record
from wiring.figures.palette import OP_COLOUR, OP_DASH, OP_NAME, ink
from wiring.files import atomic_file
from wiring.templates import templates
from wiring.trajectory import Trajectory

LIMIT = 2_000_000
"""The most bytes of a page."""
_FEWER = (*(round(POINTS * share) for share in (1, 0.7, 0.5, 0.35, 0.25, 0.15)), 40, 20, 10)
"""Points in time of a search that are tried, from the most; below the sixth, seeds go first."""
_FULL = 6


def write(trajectories: Iterable[Path], out: Path) -> None:
    """Write the explorer of some searches.

    Args:
        trajectories: folders of finished searches; read one after the other.
        out: the HTML file to write; at most :data:`LIMIT` bytes. What does not fit is left out, by
            thinning in time, then by seed, then by condition, and the page says so.

    Raises:
        InputError: none is given, one is given twice, or one cannot be read.
    """
    records: dict[str, Record] = {}
    for path in trajectories:
        record = Record.of(Trajectory.read(path))
        name = record.about["search"]
        if name in records:
            raise InputError(f"explorer: search {name} is given twice, expected once")
        records[name] = record
    if not records:
        raise InputError("explorer: no search was given, expected at least one")
    text = page(list(records.values()))
    with atomic_file(out) as file:
        file.write_text(text, encoding="utf-8")


def page(records: Sequence[Record]) -> str:
    """The page of some searches, in as many points as fit."""
    ordered = sorted(records, key=_key)
    names = dict.fromkeys(str(record.about["experiment"]) for record in ordered)
    title = f"Wiring explorer: {', '.join(names)}"
    room = LIMIT - len(_fill(title, [], []).encode()) - 1000
    for chosen, points in _selections(ordered):
        thinned, packed, size = [], [], 0
        for record in chosen:
            thinned.append(record.at_most(points))
            packed.append(thinned[-1].packed())
            size += len(json.dumps(packed[-1]))
            if size > room:  # no need to pack the others
                break
        else:
            break
    return _fill(title, packed, list(_notes(ordered, thinned)))


def _key(record: Record) -> tuple[str, str, int]:
    about = record.about
    return str(about["experiment"]), str(about["condition"]), int(about["seed"])


def _selections(records: Sequence[Record]) -> Iterator[tuple[list[Record], int]]:
    """What may be shown, from all to little: fewer points, then seeds, then conditions."""
    for points in _FEWER[:_FULL]:
        yield list(records), points
    seeds = sorted({int(record.about["seed"]) for record in records})
    for count in range(len(seeds) - 1, 0, -1):
        yield [r for r in records if r.about["seed"] in seeds[:count]], _FEWER[_FULL - 1]
    single = [r for r in records if r.about["seed"] == seeds[0]] or list(records)
    for points in _FEWER[_FULL:]:
        yield single, points
    while len(single) > 1:
        single = single[: len(single) // 2]
        yield single, _FEWER[-1]


def _notes(all_: Sequence[Record], shown: Sequence[Record]) -> Iterator[str]:
    """What the page does not show, in words."""
    if any(len(record.step) < record.windows for record in shown):
        most = max(-(-record.windows // max(len(record.step), 1)) for record in shown)
        yield (
            f"Thinned to {max(len(record.step) for record in shown)} points a search, up to {most} "
            "windows each: probabilities are those of the last of them, all else is their mean."
        )
    if len(shown) < len(all_):
        yield (
            f"{len(shown)} of {len(all_)} searches are here, as many as a page of "
            f"{LIMIT // 1_000_000} MB holds; `wiring show` makes a page of those that you name."
        )


def _fill(title: str, searches: list[dict[str, Any]], notes: list[str]) -> str:
    environment = templates("wiring.explorer")
    data = {
        "ops": {
            op: {"name": OP_NAME[op], "colour": colour, "ink": ink(colour), "dash": op in OP_DASH}
            for op, colour in OP_COLOUR.items()
        },
        "layout": {"op": BY_OP, "edge": BY_EDGE, "number": NUMBERS},
        "nothing": NOTHING,
        "levels": LEVELS,
        "searches": searches,
    }

    def shipped(name: str) -> Markup:
        assert environment.loader is not None
        return Markup(environment.loader.get_source(environment, name)[0])

    # A script's element ends at the first `</`, whatever it holds.
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return environment.get_template("explorer.html.j2").render(
        version=__version__,
        title=title,
        notes=notes,
        style=shipped("explorer.css"),
        scripts=[
            shipped("vendor/d3.min.js"),
            shipped("vendor/plot.umd.min.js"),
            shipped("explorer.js"),
        ],
        data=Markup(text),  # `<` is escaped above
    )
