"""One search from its config to its trajectory."""

from __future__ import annotations

import errno
import json
import logging
import math
import platform
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import torch

from wiring.config import SearchConfig
from wiring.data.dataset import Dataset, load
from wiring.files import clear_leftovers
from wiring.provenance import code_digest, method_digest
from wiring.search import checkpoint
from wiring.search.memory import keep_memory
from wiring.search.trainer import Trainer
from wiring.space.spatial import compile_kernels
from wiring.tracking import Tracker
from wiring.trajectory import TrajectoryWriter

SPOKEN_EVERY = 5.0
CHECKPOINT_EVERY = 30.0
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


def run(config: SearchConfig, scale: str, data: Path, out: Path, checkpoints: Path) -> None:
    """Run a search, or resume it from its last checkpoint, and write its trajectory.

    Args:
        config: the search.
        scale: name of the scale it belongs to, for MLflow.
        data: a prepared dataset.
        out: folder of the trajectory; replaced whole at the end.
        checkpoints: folder that survives a killed search; removed at the end.

    Raises:
        SearchError: no such device, other vector instructions than the config's, no memory or no
            space left, or the loss stopped being finite.
        StoppedError: SIGINT or SIGTERM came; the epoch was finished and a checkpoint written.
        ValueError: the dataset is damaged or does not fit.
    """
    device = _device(config)
    _check_vectors(config, device)
    # Results depend on how sums are split over threads: the config says how many.
    torch.set_num_threads(config.run.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    keep_memory()
    if config.run.compile:
        compile_kernels()
    clear_leftovers(out)
    with _sentences(config):
        search = _Search(config, scale, load(data), out, checkpoints, device)
        search.run()
    shutil.rmtree(checkpoints, ignore_errors=True)


class _Search:
    """A search under way: the trainer, its record and its view."""

    def __init__(
        self,
        config: SearchConfig,
        scale: str,
        dataset: Dataset,
        out: Path,
        checkpoints: Path,
        device: torch.device,
    ) -> None:
        self.config, self.scale, self.dataset = config, scale, dataset
        self.out, self.checkpoints, self.device = out, checkpoints, device
        self.trainer = Trainer(config, dataset, device)
        self.writer = TrajectoryWriter(out, self.trainer.shape)
        self.begun, self.seconds, self.resumed = time.monotonic(), 0.0, 0
        self.started = datetime.now(UTC).isoformat(timespec="seconds")
        # A search goes on only where all that decides on its results is the same.
        self.identity = {
            "config": config.digest,
            "dataset": json.dumps(dataset.manifest["files"], sort_keys=True),
            "code": code_digest("trajectories") + method_digest(config.method),
            "torch": str(torch.__version__),
        }
        state = checkpoint.load(checkpoints, self.identity, device)
        if state is not None:
            self.trainer.load_state_dict(state["trainer"])
            self.writer.load_state_dict(state["writer"])
            self.seconds, self.resumed = state["seconds"], state["resumed"] + 1
            self.started = state["started"]
            log.info("%s: resumed after epoch %d", config.id, self.trainer.epoch)
        self.tracker = Tracker(config, dataset.manifest, scale)

    def run(self) -> None:
        """All epochs that are left, then the trajectory."""
        self.tracker.start()
        try:
            with _signals() as asked:
                self._epochs(asked)
            self.writer.close(self._manifest())
        except BaseException as error:
            self.tracker.fail(f"{type(error).__name__}: {error}")
            raise
        self.tracker.finish(self.out)

    def _epochs(self, asked: list[int]) -> None:
        trainer, epochs = self.trainer, self.config.train.all_epochs
        first, saved, spoken = trainer.epoch, self.begun, self.begun
        while trainer.epoch < epochs:
            rows = self._epoch()
            now, last = time.monotonic(), trainer.epoch == epochs
            if now - spoken >= SPOKEN_EVERY or last:
                spoken = now
                left = (now - self.begun) / (trainer.epoch - first) * (epochs - trainer.epoch)
                log.info("%s", _progress(self.config, trainer, rows, left))
            if last:
                return
            if asked or now - saved >= CHECKPOINT_EVERY:
                saved = now
                self._checkpoint()
            if asked:
                raise StoppedError(
                    f"{self.config.id}: stopped by {_name(asked[0])} after epoch {trainer.epoch} "
                    f"of {epochs}: the same command goes on from there",
                    asked[0],
                )

    def _epoch(self) -> dict[str, dict[str, Any]]:
        """One epoch; returns its rows of `epochs` by split."""
        rows: dict[str, dict[str, Any]] = {}
        try:
            for table, row in self.trainer.run_epoch():
                self.writer.add(table, row)
                if not math.isfinite(row["loss"]):
                    self._give_up(f"the {row['split']} loss is {row['loss']}")
                if table == "steps":
                    self.tracker.log_window(row, self.trainer.shape)
                elif table == "epochs":
                    self.tracker.log_epoch({**row, "step": self.trainer.steps})
                    rows[row["split"]] = row
        except SearchError:
            raise
        except RuntimeError:
            # From such an alpha no gate can be drawn: the loss may not have been looked at yet.
            if self.trainer.alpha.isfinite().all():
                raise
            self._give_up("alpha is not finite")
        return rows

    def _give_up(self, fault: str) -> NoReturn:
        """Keep what was recorded, and say where the search went wrong."""
        kept = self.checkpoints / "stopped"
        self.writer.close(self._manifest(), kept)
        good = checkpoint.newest(self.checkpoints)
        trainer = self.trainer
        alpha = trainer.alpha.detach()
        for edge, values in zip(trainer.space.edges, alpha.tolist(), strict=True):
            log.info("alpha %s  %s", edge, "  ".join(f"{value:.4g}" for value in values))
        step = trainer.steps if trainer.lost is None else trainer.lost
        raise SearchError(
            f"{self.config.id}: {fault} in epoch {trainer.epoch} "
            f"(step {step}, largest |alpha| {alpha.abs().max().item():.3g}): lower weights.lr or "
            f"alpha.lr; what was recorded is in {kept}, the last good checkpoint is "
            f"{good or 'none yet'}"
        )

    def _checkpoint(self) -> None:
        state = {
            "trainer": self.trainer.state_dict(),
            "writer": self.writer.state_dict(),
            "seconds": self.seconds + time.monotonic() - self.begun,
            "resumed": self.resumed,
            "started": self.started,
        }
        checkpoint.save(self.checkpoints, self.trainer.epoch, self.identity, state)

    def _manifest(self) -> dict[str, Any]:
        device = self.device
        return {
            "search": self.config.id,
            "scale": self.scale,
            "config": self.config.model_dump(mode="json"),
            "config_sha256": self.config.digest,
            "dataset": self.dataset.manifest,
            **_git(),
            "versions": _versions(),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "threads": self.config.run.threads,
            "vectors": torch.backends.cpu.get_cpu_capability(),
            "seconds": round(self.seconds + time.monotonic() - self.begun, 3),
            "peak_memory_mb": _peak_memory_mb(),
            "mlflow_run_id": self.tracker.run_id,
            "started": self.started,
            "resumed": self.resumed,
        }


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in place of dying.

    A second SIGINT, from somebody who will not wait, has its usual effect. A further SIGTERM has
    none: one stop of a cluster's job arrives several times, from Slurm, srun and Snakemake.
    """
    asked: list[int] = []
    # Only the main thread may say what a signal does.
    own = threading.current_thread() is threading.main_thread()
    before: dict[int, Any] = {number: signal.getsignal(number) for number in _STOPS if own}

    def handle(number: int, _: Any) -> None:
        if not asked:
            log.info("%s: stopping after this epoch", _name(number))
        asked.append(number)
        if number == signal.SIGINT:
            signal.signal(number, before[number])

    for number in before:
        signal.signal(number, handle)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_STOPS = (signal.SIGINT, signal.SIGTERM)


def _name(number: int) -> str:
    return signal.Signals(number).name


@contextmanager
def _sentences(config: SearchConfig) -> Iterator[None]:
    """Say in one sentence what the machine lacks."""
    try:
        yield
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


def _device(config: SearchConfig) -> torch.device:
    wanted = config.run.device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise SearchError(
            f"{config.id}: run.device is cuda but no GPU is there: use auto or cpu, or another node"
        )
    return torch.device(wanted)


def _check_vectors(config: SearchConfig, device: torch.device) -> None:
    """Refuse what the command line sees to, and another caller may have missed."""
    found = torch.backends.cpu.get_cpu_capability()
    wanted = config.run.environment
    if device.type == "cpu" and wanted and found != "AVX2":
        settings = " ".join(f"{name}={value}" for name, value in wanted.items())
        raise SearchError(
            f"{config.id}: run.vectors is {config.run.vectors} but torch computes with {found}: "
            f"set {settings} before torch is imported, or run.vectors: native"
        )


def _progress(
    config: SearchConfig, trainer: Trainer, rows: dict[str, dict[str, Any]], left: float
) -> str:
    train, test = rows["train"], rows["test"]
    kept = sum(op != "none" for op in trainer.genotype().values())
    minutes, seconds = divmod(round(left), 60)
    return (
        f"{config.id}  epoch {trainer.epoch}/{config.train.all_epochs}  loss {train['loss']:.3f}  "
        f"accuracy {train['accuracy']:.3f}  test {test['accuracy']:.3f}  "
        f"edges kept {kept}/{len(trainer.space.edges)}  {minutes}:{seconds:02d} left"
    )


def _git() -> dict[str, Any]:
    """The commit that the code is at; None outside a checkout."""

    def ask(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *words],
                cwd=Path(__file__).parent,
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    status = ask("status", "--porcelain", "--", ".")
    return {
        "git_commit": ask("rev-parse", "HEAD"),
        "git_dirty": None if status is None else bool(status),
    }


def _versions() -> dict[str, str]:
    names = ("torch", "numpy", "pyarrow", "mlflow", "snakemake", "dvc")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def _peak_memory_mb() -> float:
    """Largest resident size of this process so far (ru_maxrss: bytes on macOS, else kilobytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
