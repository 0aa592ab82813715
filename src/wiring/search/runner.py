"""One search from its config to its trajectory."""

from __future__ import annotations

import logging
import math
import platform
import resource
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from wiring import __version__
from wiring.config import SearchConfig
from wiring.data import load
from wiring.search import checkpoint
from wiring.search.memory import keep_memory
from wiring.search.trainer import Trainer
from wiring.space.spatial import compile_kernels
from wiring.tracking import Tracker
from wiring.trajectory import VERSION, TrajectoryWriter

SPOKEN_EVERY = 5.0
CHECKPOINT_EVERY = 30.0
log = logging.getLogger("wiring")


class SearchError(RuntimeError):
    """A search cannot go on: one sentence says why."""


def run(config: SearchConfig, scale: str, data: Path, out: Path, checkpoints: Path) -> None:
    """Run a search, or resume it from its last checkpoint, and write its trajectory.

    Args:
        config: the search.
        scale: name of the scale it belongs to, for MLflow.
        data: a prepared dataset.
        out: folder of the trajectory; replaced whole at the end.
        checkpoints: folder that survives a killed search; removed at the end.

    Raises:
        SearchError: no such device, or the loss stopped being finite.
        ValueError: the dataset is damaged or does not fit.
    """
    device = _device(config)
    # Results depend on how sums are split over threads: the config says how many.
    torch.set_num_threads(config.run.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    keep_memory()
    if config.run.compile:
        compile_kernels()
    dataset = load(data)
    trainer = Trainer(config, dataset, device)
    writer = TrajectoryWriter(out, trainer.shape)
    started, seconds, resumed = time.monotonic(), 0.0, 0
    state = checkpoint.load(checkpoints, config.digest, device)
    if state is not None:
        trainer.load_state_dict(state["trainer"])
        writer.load_state_dict(state["writer"])
        seconds, resumed = state["seconds"], state["resumed"] + 1
        log.info("%s: resumed after epoch %d", config.id, trainer.epoch)
    first = datetime.now(UTC).isoformat(timespec="seconds")
    tracker = Tracker(config, dataset.manifest, scale)
    tracker.start()
    try:
        saved = spoken = started
        begun = trainer.epoch
        epochs = config.train.all_epochs
        while trainer.epoch < epochs:
            rows: dict[str, dict[str, Any]] = {}
            for table, row in trainer.run_epoch():
                if not math.isfinite(row["loss"]):
                    raise SearchError(
                        f"{config.id}: the {row['split']} loss is {row['loss']} in epoch "
                        f"{row['epoch']} (step {trainer.steps}): lower weights.lr or alpha.lr"
                    )
                writer.add(table, row)
                if table == "steps":
                    tracker.log_window(row, trainer.shape)
                elif table == "epochs":
                    tracker.log_epoch({**row, "step": trainer.steps})
                    rows[row["split"]] = row
            now = time.monotonic()
            last = trainer.epoch == epochs
            if now - spoken >= SPOKEN_EVERY or last:
                spoken = now
                left = (now - started) / (trainer.epoch - begun) * (epochs - trainer.epoch)
                log.info("%s", _progress(config, trainer, rows, left))
            if now - saved >= CHECKPOINT_EVERY and not last:
                saved = now
                checkpoint.save(
                    checkpoints,
                    trainer.epoch,
                    {
                        "digest": config.digest,
                        "trainer": trainer.state_dict(),
                        "writer": writer.state_dict(),
                        "seconds": seconds + now - started,
                        "resumed": resumed,
                    },
                )
    except BaseException as error:
        tracker.fail(f"{type(error).__name__}: {error}")
        raise
    writer.close(
        {
            "wiring_version": __version__,
            "schema_version": VERSION,
            "search": config.id,
            "scale": scale,
            "config": config.model_dump(mode="json"),
            "config_sha256": config.digest,
            "dataset": dataset.manifest,
            **_git(),
            "versions": _versions(),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "threads": config.run.threads,
            "seconds": round(seconds + time.monotonic() - started, 3),
            "peak_memory_mb": _peak_memory_mb(),
            "mlflow_run_id": tracker.run_id,
            "started": first,
            "resumed": resumed,
        }
    )
    tracker.finish(out)
    shutil.rmtree(checkpoints, ignore_errors=True)


def _device(config: SearchConfig) -> torch.device:
    wanted = config.run.device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise SearchError(
            f"{config.id}: run.device is cuda but no GPU is there: use auto or cpu, or another node"
        )
    return torch.device(wanted)


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
