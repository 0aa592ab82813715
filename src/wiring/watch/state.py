"""Where each search of a study stands, by the trajectories and logs that lie there."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from wiring.config import ScaleConfig, SearchConfig
from wiring.job.progress import Said, Standing
from wiring.provenance import search_digest

SILENT = 60.0
"""Seconds without a word after which a search counts as silent, if its epochs are short."""
SILENT_EPOCHS = 3.0
"""The same in epochs, where these are long."""
SILENT_AT_FIRST = 3600.0
"""The same before the end of the first epoch: nobody knows yet how long one takes."""
_WORD = re.compile(r"[\w.-]+")


class State(StrEnum):
    """What a search does."""

    RUNNING = "running"
    SILENT = "silent"
    FAILED = "failed"
    TO_COME = "to come"
    DONE = "done"


@dataclass
class Followed:
    """A search of the study, and what is known of it.

    Attributes:
        config: the search.
        state: what it does.
        standing: the last that it said of where it stands, if it has.
        at: when it last said something (Unix time).
        fault: why it failed; empty unless it has.
        seconds: that it took; None unless it is done.
    """

    config: SearchConfig
    state: State = State.TO_COME
    standing: Standing | None = None
    at: float = 0.0
    fault: str = ""
    seconds: float | None = None

    @property
    def patience(self) -> float:
        """Seconds for which it may say nothing."""
        if self.standing is None:
            return SILENT_AT_FIRST
        ahead = self.standing.epochs - self.standing.epoch
        return max(SILENT, SILENT_EPOCHS * self.standing.left / ahead if ahead > 0 else 0.0)


class Study:
    """All searches of a scale, followed from look to look.

    A search is done when its trajectory lies there, made by these settings and this code; what
    another version left is to come. The rest is what the searches say in their logs.

    Args:
        scale: the study.
        results: folder of all results.
        logs: folder of all logs.
        since: what was said earlier (Unix time) is of another run: only its numbers count.
    """

    def __init__(self, scale: ScaleConfig, results: Path, logs: Path, since: float = 0.0) -> None:
        self.name = scale.scale
        self.searches = {name: Followed(one) for name, one in scale.searches().items()}
        self.conditions: dict[str, list[Followed]] = {}
        for one in self.searches.values():
            self.conditions.setdefault(str(one.config.condition), []).append(one)
        self._results, self._logs = results / scale.scale, logs / scale.scale
        self._since = since
        self._heard: dict[Path, int] = {}
        self._others: dict[Path, int] = {}  # manifests of other searches, by their time

    @property
    def over(self) -> bool:
        """Whether nothing is left to wait for."""
        return all(one.state in (State.DONE, State.FAILED) for one in self.searches.values())

    def count(self, state: State) -> int:
        """How many searches are in a state."""
        return sum(one.state == state for one in self.searches.values())

    def look(self, now: float) -> list[Followed]:
        """Read what has come, and return the searches that were done or failed since the last look.

        Args:
            now: Unix time.
        """
        before = {name: one.state for name, one in self.searches.items()}
        for path in sorted(self._logs.glob("experiments/*/*.log")):
            condition = path.stem.rpartition("-")[0]  # the rest is the job's number
            if condition in self.conditions:
                for line in self._new_lines(path):
                    if (said := Said.read(line)) is not None:
                        self._hear(self.conditions[condition], said)
        for one in self.searches.values():
            if one.state != State.DONE and (seconds := self._finished(one.config)) is not None:
                one.state, one.seconds, one.fault = State.DONE, seconds, ""
            elif one.state in (State.RUNNING, State.SILENT):
                one.state = State.SILENT if now - one.at > one.patience else State.RUNNING
                # Its last word was its end, so what it left has been found stale or was removed.
                if one.state == State.SILENT and one.standing and not one.standing.left:
                    one.state = State.TO_COME
        ends = (State.DONE, State.FAILED)
        return [
            one
            for name, one in self.searches.items()
            if one.state in ends and one.state != before[name]
        ]

    def _new_lines(self, path: Path) -> list[str]:
        """The lines of a log that are whole and were not read yet."""
        start = self._heard.get(path, 0)
        try:
            size = path.stat().st_size
            if size == start:
                return []
            with path.open("rb") as file:
                file.seek(start if size > start else 0)  # shorter: somebody began it anew
                start = file.tell()
                whole, end, _ = file.read().rpartition(b"\n")
        except OSError:  # removed meanwhile
            return []
        self._heard[path] = start + len(whole) + len(end)
        return whole.decode(errors="replace").split("\n")

    def _hear(self, condition: list[Followed], said: Said) -> None:
        """Take in what the job of a condition said."""
        standing = Standing.read(said.message)
        words = set(_WORD.findall(said.message))
        named = [one for one in condition if one.config.id in words]
        current = said.at >= self._since
        if said.level in ("ERROR", "CRITICAL"):
            under_way = [one for one in condition if one.state in (State.RUNNING, State.SILENT)]
            stopped = ": stopped " in said.message
            # What names no search is the job's: if none was under way, of all that it had to do.
            left = [] if stopped else [one for one in condition if one.state != State.DONE]
            for one in (named or under_way or left) if current else ():
                one.state = State.TO_COME if stopped else State.FAILED
                one.fault = "" if stopped else one.fault or said.message
                one.at = said.at
        elif said.level == "INFO" and named and "finished before" not in said.message:
            (one, *_) = named
            one.at = said.at
            if standing is not None or "  begins" in said.message:
                one.standing = standing
            if current:
                one.state, one.fault, one.seconds = State.RUNNING, "", None

    def _finished(self, config: SearchConfig) -> float | None:
        """The seconds that a search took if its trajectory lies there, from these very settings."""
        for folder in (
            self._results / "experiments" / config.experiment / "trajectories",
            self._results / "checkpoints/finished",
        ):
            path = folder / config.id / "manifest.json"
            try:
                changed = path.stat().st_mtime_ns
                if self._others.get(path) == changed:
                    continue
                content = path.read_bytes()
            except OSError:
                continue
            if (seconds := _took(content, config)) is not None:
                return seconds
            self._others[path] = changed
        return None


def _took(manifest: bytes, config: SearchConfig) -> float | None:
    """The seconds that a manifest says; None if it is damaged, or another search's."""
    try:
        said = json.loads(manifest)
        if (said["config_sha256"], said["code_sha256"]) == (
            config.digest,
            search_digest(config.method),
        ):
            return float(said["seconds"])
    except (ValueError, LookupError, TypeError):
        pass
    return None
