"""One search from its config to its trajectory, composed: search, writer, tracker, progress."""

from __future__ import annotations

import errno
import json
import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import torch
from pydantic import ValidationError

from wiring.config import SearchConfig
from wiring.data.dataset import Dataset, load
from wiring.files import atomic_file, clear_leftovers
from wiring.job import checkpoint, machine
from wiring.job.progress import Progress
from wiring.job.stops import Stops
from wiring.provenance import search_digest
from wiring.search import Search
from wiring.tracking import Tracker
from wiring.trajectory import TrajectoryWriter

CHECKPOINT_EVERY = 30.0
"""Seconds between two checkpoints of a search; one is always written at its end."""
LOST = "lost.json"
"""Beside the checkpoints: that this very search cannot be finished, and why."""
log = logging.getLogger("wiring")


class SearchError(RuntimeError):
    """A search cannot go on: one sentence says why."""


class StoppedError(SearchError):
    """A search was asked to stop, and can be taken up again.

    Attributes:
        signal: the signal that asked.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = signal


def run(
    config: SearchConfig,
    scale: str,
    data: Path,
    out: Path,
    checkpoints: Path,
    stops: Stops | None = None,
) -> None:
    """Run a search, or resume it from its last checkpoint, and write its trajectory.

    The last checkpoint stays: from there the trajectory can be had again, at once. Who asked for
    the search removes it when the trajectory is safe.

    Args:
        config: the search.
        scale: name of the scale it belongs to, for MLflow.
        data: a prepared dataset.
        out: folder of the trajectory; replaced whole at the end.
        checkpoints: folder that survives a killed search.
        stops: hears when the search is asked to stop; nobody can ask when absent.

    Raises:
        SearchError: no such device, other vector instructions than the config's, no memory or no
            space left, or the loss stopped being finite.
        StoppedError: a stop was asked for; the epoch was finished and a checkpoint written.
        InputError: the dataset is damaged or does not fit.
    """
    with _sentences(config):
        device = machine.prepare(config)
        clear_leftovers(out)
        _Job(
            config, scale, load(data), out, checkpoints, device, stops or Stops(patient=True)
        ).run()


def identity(config: SearchConfig, dataset: Mapping[str, Any]) -> dict[str, str]:
    """All that a trajectory must have been made with to count as this search's.

    The device is not of it: what `auto` found is good enough for a search that is done. Only one
    that goes on has to go on where it began.

    Args:
        config: the search.
        dataset: the dataset's manifest.
    """
    return {
        "config": config.digest,
        "dataset": json.dumps(dataset["files"], sort_keys=True),
        "code": search_digest(config.method),
        "torch": str(torch.__version__),
    }


class _Job:
    """A search under way, its record, its view and its voice."""

    def __init__(
        self,
        config: SearchConfig,
        scale: str,
        dataset: Dataset,
        out: Path,
        checkpoints: Path,
        device: torch.device,
        stops: Stops,
    ) -> None:
        self.config, self.scale, self.dataset = config, scale, dataset
        self.out, self.checkpoints, self.device, self.stops = out, checkpoints, device, stops
        self.identity = {**identity(config, dataset.manifest), "device": device.type}
        self._refuse_a_lost_search()
        self.search = Search(config, dataset, device)
        self.writer = TrajectoryWriter(out, self.search.shape)
        self.begun, self.seconds, self.resumed = time.monotonic(), 0.0, 0
        self.started = datetime.now(UTC).isoformat(timespec="seconds")
        self.grown_from: list[int] = []
        state = checkpoint.load(checkpoints, self._own, self._alike)
        if state is not None:
            if state["epochs"] != config.train.longest:
                self.grown_from = [*state["grown_from"], state["epochs"]]
                log.info(
                    "%s: made longer: %d epochs in place of %d",
                    config.id,
                    config.train.longest,
                    state["epochs"],
                )
            else:
                self.grown_from = state["grown_from"]
            self.search.load_state_dict(state["search"])
            self.writer.load_state_dict(state["writer"])
            self.seconds, self.resumed = state["seconds"], state["resumed"] + 1
            self.started = state["started"]
            log.info("%s: resumed after epoch %d", config.id, self.search.epoch)
        self.tracker = Tracker(config, dataset.manifest, scale)

    @property
    def _own(self) -> dict[str, str]:
        """The identity that a checkpoint carries: with the whole config, for one that is grown."""
        return {**self.identity, "config": self.config.canonical}

    def _alike(self, name: str, value: str) -> bool:
        """Whether a checkpoint of that value will do: of the same search, planned shorter."""
        if name != "config":
            return False
        try:
            other = SearchConfig.model_validate_json(value)
        except ValidationError:  # of another version
            return False
        return self.config.grown_from(other)

    def run(self) -> None:
        """All epochs that are left, then the trajectory."""
        self.tracker.start()
        try:
            self._epochs()
            self.writer.close(self._manifest())
        except BaseException as error:
            self.tracker.fail(f"{type(error).__name__}: {error}")
            raise
        self.tracker.finish(self.out)

    def _epochs(self) -> None:
        search, progress, saved = self.search, Progress(self.search), self.begun
        while not search.finished:
            self._epoch(progress)
            progress.epoch_done(search)
            now = time.monotonic()
            # Asked once: a signal between two looks would stop the search without a checkpoint.
            asked = self.stops.asked
            if asked or search.finished or now - saved >= CHECKPOINT_EVERY:
                saved = now
                self._checkpoint()
            if asked and not search.finished:
                most = "at most " if self.config.train.until else ""
                raise StoppedError(
                    f"{self.config.id}: stopped by {self.stops.name} after epoch {search.epoch} "
                    f"of {most}{self.config.train.all_epochs}: the same command goes on from there",
                    asked,
                )

    def _epoch(self, progress: Progress) -> None:
        search = self.search
        try:
            for row in search.run_epoch():
                self.writer.add(row.table, row.values)
                if not math.isfinite(row.values["loss"]):
                    self._give_up(f"the {row.values['split']} loss is {row.values['loss']}")
                self.tracker.row(row.table, row.values, search.steps, search.shape)
                progress.row(row)
        except SearchError:
            raise
        except RuntimeError:
            # From such an alpha no gate can be drawn: the loss may not have been looked at yet.
            if search.alpha.isfinite().all():
                raise
            self._give_up("alpha is not finite")

    def _give_up(self, fault: str) -> NoReturn:
        """Keep what was recorded, and say where the search went wrong."""
        kept = self.checkpoints / "stopped"
        self.writer.close(self._manifest(), kept)
        good = checkpoint.newest(self.checkpoints)
        search = self.search
        alpha = search.alpha.detach()
        for edge, values in zip(search.space.edges, alpha.tolist(), strict=True):
            log.info("alpha %s  %s", edge, "  ".join(f"{value:.4g}" for value in values))
        step = search.steps if search.lost is None else search.lost
        sentence = (
            f"{self.config.id}: {fault} in epoch {search.epoch} "
            f"(step {step}, largest |alpha| {alpha.abs().max().item():.3g}): lower weights.lr or "
            f"alpha.lr; what was recorded is in {kept}, the last good checkpoint is "
            f"{good or 'none yet'}"
        )
        with atomic_file(self.checkpoints / LOST) as path:
            path.write_text(json.dumps({"identity": self.identity, "sentence": sentence}))
        raise SearchError(sentence)

    def _refuse_a_lost_search(self) -> None:
        """Say at once what the same search said before: a scheduler may try it again and again."""
        path = self.checkpoints / LOST
        if path.exists():
            said = json.loads(path.read_text())
            if said["identity"] == self.identity:
                raise SearchError(said["sentence"])
            path.unlink()

    def _checkpoint(self) -> None:
        state = {
            "search": self.search.state_dict(),
            "writer": self.writer.state_dict(),
            "seconds": self.seconds + time.monotonic() - self.begun,
            "resumed": self.resumed,
            "started": self.started,
            "epochs": self.config.train.longest,
            "grown_from": self.grown_from,
        }
        checkpoint.save(self.checkpoints, self.search.epoch, self._own, state)

    def _manifest(self) -> dict[str, Any]:
        return {
            "search": self.config.id,
            "scale": self.scale,
            "config": self.config.model_dump(mode="json"),
            "config_sha256": self.config.digest,
            "code_sha256": self.identity["code"],
            "dataset": self.dataset.manifest,
            **machine.described(self.config, self.device),
            "seconds": round(self.seconds + time.monotonic() - self.begun, 3),
            "mlflow_run_id": self.tracker.run_id,
            "started": self.started,
            "resumed": self.resumed,
            "grown_from": self.grown_from,
        }


@contextmanager
def _sentences(config: SearchConfig) -> Iterator[None]:
    """Say in one sentence what the machine lacks."""
    try:
        yield
    except machine.MachineError as error:
        raise SearchError(str(error)) from None
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        lacking = isinstance(error, MemoryError | torch.OutOfMemoryError) or (
            "can't allocate memory" in str(error)
        )
        if not lacking:
            raise
        raise SearchError(
            f"{config.id}: out of memory: train.batch_size is {config.train.batch_size}, "
            f"space.channels {config.space.channels}, space.cells {config.space.cells}: lower one"
        ) from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise SearchError(
            f"{config.id}: no space left on the device ({error.filename or error}): free some and "
            "start again: it goes on from its last checkpoint"
        ) from error
