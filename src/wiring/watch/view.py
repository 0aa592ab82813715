"""A study in the terminal: a frame that fits it, or a line for each end of a search."""

from __future__ import annotations

from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from wiring.job.progress import clock
from wiring.watch.state import Followed, State, Study

NARROW = 80
"""Columns below which the table is tight, and leaves out a search's own time left."""
FAULTS = 3
"""Faults that are told in a frame, the last ones."""
ORDER = (State.RUNNING, State.SILENT, State.FAILED, State.DONE, State.TO_COME)
"""Of conditions in a frame, by what their busiest search does."""
STYLES = {State.SILENT: "yellow", State.FAILED: "red", State.DONE: "dim", State.TO_COME: "dim"}
HEAD = ("condition", "done", "now", "kept", "gap", "left")


class Size(NamedTuple):
    """Of a terminal, in characters."""

    columns: int
    rows: int


def headline(study: Study, left: float | None) -> str:
    """The study in one line.

    Args:
        study: what is known.
        left: seconds until its last search ends; None if nothing tells.
    """
    parts = [f"{study.name}: {study.count(State.DONE)} of {len(study.searches)} searches"]
    if failed := study.count(State.FAILED):
        parts.append(f"{failed} failed")
    if not study.over:
        parts.append("time left not known yet" if left is None else f"about {clock(left)} left")
    return ", ".join(parts)


def ended(study: Study, one: Followed, left: float | None) -> str:
    """A line about a search that was done or failed, for where there is no terminal."""
    if one.state == State.FAILED:
        said = one.fault if one.config.id in one.fault else f"{one.config.id}: {one.fault}"
        return f"failed: {said}; {headline(study, left)}"
    kept, gap = _last(one)
    last = f" edges kept {kept}  gap {gap} " if kept else ""
    return f"{one.config.id}  done {last} {headline(study, left)}"


def frame(study: Study, left: float | None, now: float, size: Size, note: str) -> RenderableType:
    """All of the study that fits, what is under way first; the rest is summed up in a line.

    Args:
        study: what is known.
        left: seconds until its last search ends; None if nothing tells.
        now: Unix time.
        size: of the terminal; a row of it stays free.
        note: last line.
    """
    faults = [one for one in study.searches.values() if one.state == State.FAILED]
    faults = sorted(faults, key=lambda one: one.at)[-FAULTS:]
    ranked = sorted(study.conditions, key=lambda name: _rank(study.conditions[name]))
    # Beside the rows: the headline, the bar, the table's head, the rest, the faults, the note.
    room = size.rows - 1 - (4 + len(faults) + bool(note))
    rows = [_row(name, study.conditions[name], now) for name in ranked[: max(room, 0)]]
    shown, blank = (len(HEAD), 2) if size.columns >= NARROW else (len(HEAD) - 1, 1)
    widths = [max(len(HEAD[n]), *(len(row.cells[n]) for row in rows), 0) for n in range(1, shown)]
    name_width = max(size.columns - sum(widths) - blank * len(widths), len(HEAD[0]))
    name_width = min(name_width, max((len(row.cells[0]) for row in rows), default=len(HEAD[0])))
    table = Table(box=None, padding=(0, blank, 0, 0), pad_edge=False, header_style="bold")
    for number, (head, width) in enumerate(zip(HEAD, (name_width, *widths), strict=False)):
        table.add_column(head, width=max(width, len(head)), justify="right" if number else "left")
    taken = 0
    for count, row in enumerate(rows):
        name = _folded(row.cells[0], max(name_width, len(HEAD[0])))
        if (taken := taken + len(name)) > room:
            rows = rows[:count]
            break
        table.add_row("\n".join(name), *row.cells[1:shown], style=row.style)
    lines: list[RenderableType] = [
        _line(headline(study, left), "bold"),
        # Padding ends its line, which a bar does not.
        Padding(ProgressBar(len(study.searches), study.count(State.DONE), size.columns), 0),
        table,
    ]
    if rest := ranked[len(rows) :]:
        states = [_state(study.conditions[name]) for name in rest]
        counts = ", ".join(f"{states.count(s)} {s}" for s in ORDER if s in states)
        lines.append(_line(f"and {len(rest)} more conditions: {counts}", "dim"))
    lines += [_line(f"failed: {one.config.id}: {_own(one)}", "red") for one in faults]
    if note:
        lines.append(_line(note, "dim"))
    return Group(*lines)


class _Row(NamedTuple):
    cells: tuple[str, ...]
    style: str


def _row(name: str, condition: list[Followed], now: float) -> _Row:
    """A condition's line: what its busiest search does, and the last that was said of edges."""
    state = _state(condition)
    done = sum(one.state == State.DONE for one in condition)
    active = [one for one in condition if one.state == state]
    one = max(active, key=lambda each: each.at)
    kept, gap = _last(max(condition, key=lambda each: (each.standing is not None, each.at)))
    doing, left = str(state), ""
    said = one.standing
    if state in (State.RUNNING, State.SILENT):
        doing = f"s{one.config.seed} " + (f"{said.epoch}/{said.epochs}" if said else "begins")
        kept, gap = _last(one) if said else (kept, gap)
        if state == State.SILENT:
            left = f"silent {clock(now - one.at)}"
        elif said:
            left = clock(max(said.left - max(now - one.at, 0.0), 0.0))
    elif state == State.FAILED:
        doing = f"{len(active)} failed"
    return _Row((name, f"{done}/{len(condition)}", doing, kept, gap, left), STYLES.get(state, ""))


def _state(condition: list[Followed]) -> State:
    """The condition's: the first of :data:`ORDER` that a search of it has; done only if all are."""
    found = {one.state for one in condition}
    if found == {State.DONE, State.TO_COME}:
        return State.TO_COME
    return next(state for state in ORDER if state in found)


def _rank(condition: list[Followed]) -> tuple[int, float]:
    """What is under way first; of what is done, the last one first."""
    state = _state(condition)
    last = max(one.at for one in condition)
    return ORDER.index(state), -last if state == State.DONE else 0.0


def _last(one: Followed) -> tuple[str, str]:
    """Kept edges, where alpha learns, and gap, as a search said them last."""
    said = one.standing
    if said is None:
        return "", ""
    kept = f"{said.kept}/{said.edges}" if one.config.alpha.lr else "-"
    return kept, f"{said.gap:+.3f}"


def _own(one: Followed) -> str:
    """A fault without the name that stands before it."""
    return one.fault.removeprefix(f"{one.config.id}: ")


def _folded(name: str, width: int) -> list[str]:
    return [name[start : start + width] for start in range(0, len(name), width)]


def _line(text: str, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis", end="\n")
