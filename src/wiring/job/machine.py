"""The machine that a search computes on: what it must be, and what it is told."""

from __future__ import annotations

import ctypes
import platform
import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from wiring.config import SearchConfig
from wiring.space.spatial import compile_kernels

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h of glibc


class MachineError(RuntimeError):
    """The machine is not what the config asks for: one sentence says what it lacks."""


def prepare(config: SearchConfig) -> torch.device:
    """Have torch compute as the config says, and return the device.

    Raises:
        MachineError: no such device, or other vector instructions than the config's.
    """
    device = _device(config)
    _check_vectors(config, device)
    # Results depend on how sums are split over threads: the config says how many.
    torch.set_num_threads(config.run.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # By it torch also fills with NaN whatever memory is still to be written: 5 to 7% of a step of
    # DARTS on large maps. What was not written is never read, so the bits are the same without.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    keep_memory()
    if config.run.compile:
        compile_kernels()
    return device


def described(config: SearchConfig, device: torch.device) -> dict[str, Any]:
    """The machine's part of a manifest."""
    return {
        **_git(),
        "versions": _versions(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": config.run.threads,
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "peak_memory_mb": _peak_memory_mb(),
    }


def _device(config: SearchConfig) -> torch.device:
    wanted = config.run.device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise MachineError(
            f"{config.id}: run.device is cuda but no GPU is there: use auto or cpu, or another node"
        )
    return torch.device(wanted)


def _check_vectors(config: SearchConfig, device: torch.device) -> None:
    """Refuse what the command line sees to, and another caller may have missed."""
    found = torch.backends.cpu.get_cpu_capability()
    wanted = config.run.environment
    if device.type == "cpu" and wanted and found != "AVX2":
        settings = " ".join(f"{name}={value}" for name, value in wanted.items())
        raise MachineError(
            f"{config.id}: run.vectors is {config.run.vectors} but torch computes with {found}: "
            f"set {settings} before torch is imported, or run.vectors: native"
        )


def keep_memory() -> None:
    """Let glibc's malloc give nothing back to the kernel; elsewhere, do nothing.

    By default it returns large blocks as soon as they are freed and faults them in again, 4 KB at a
    time, when the next op asks: a quarter of a step on large maps (benchmarks/README.md).
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_MAX, 0)
            mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _git() -> dict[str, Any]:
    """The commit that the code is at; None outside a checkout."""

    def ask(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *words],
                cwd=Path(__file__).parents[1],
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
    names = ("torch", "numpy", "numba", "pyarrow", "mlflow", "snakemake", "dvc")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def _peak_memory_mb() -> float:
    """Largest resident size of this process so far (ru_maxrss: bytes on macOS, else kilobytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
