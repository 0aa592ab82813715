"""What a study costs beside the steps of its searches: planning, starting, tables and figures.

python -m benchmarks.costs
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.synthetic import write_search
from wiring.config import DatasetConfig, RunConfig, SearchConfig, load_scale
from wiring.data.prepare import prepare
from wiring.dynamics import Dynamics, build
from wiring.figures.draw import draw_condition

ROOT = Path(__file__).parent.parent
WIRING = """
import sys
from wiring.cli import app
try:
    app()
finally:
    lines = open("/proc/self/status").read().splitlines() if sys.platform == "linux" else []
    peak = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    print("peak", *peak, file=sys.stderr)
"""
"""The command line, which says at its end how many KB it was large."""


class Spent(NamedTuple):
    """What a process took: seconds of CPU, and MB at its peak (NaN where Linux is not)."""

    seconds: float
    peak: float


def spent(place: Path, *words: str) -> Spent:
    """Run a command in a folder; its time is that of its processes together."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    python = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    own = {
        "PATH": path,
        "PYTHONPATH": python,
        "OMP_NUM_THREADS": "1",
        "MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlflow.db'}",
    }
    before = os.times()
    done = subprocess.run(
        words,
        cwd=place,
        env={**os.environ, **RunConfig().environment, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    after = os.times()
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)[:200]}: {done.stderr[-2000:]}")
    peaks = [line.split()[1:] for line in done.stderr.splitlines() if line.startswith("peak")]
    peak = float(peaks[-1][0]) / 1024 if peaks and peaks[-1] else float("nan")
    used = after.children_user + after.children_system
    return Spent(used - before.children_user - before.children_system, peak)


def wiring(place: Path, *words: str) -> Spent:
    """A command of ours."""
    return spent(place, sys.executable, "-c", WIRING, *words)


def study(searches: int) -> dict[str, Any]:
    """A scale of four methods and as many variants as it takes, five seeds each."""
    variants = {f"v{n}": {"weights": {"lr": 0.01 + 1e-5 * n}} for n in range(searches // 20)}
    return {
        "scale": f"of-{searches}",
        "datasets": {"digits": {"source": "digits", "test_fraction": 0.2}},
        "defaults": {
            "space": {"cells": 2, "nodes": 2, "channels": 4},
            "alpha": {"lr": 0.01},
            "train": {"epochs": 36, "batch_size": 48},
        },
        "experiments": {
            "E1": {
                "title": "Planned, never run",
                "methods": ["dsnas", "snas", "darts", "proxylessnas"],
                "levels": ["single"],
                "datasets": ["digits"],
                "seeds": [0, 1, 2, 3, 4],
                "variants": variants,
            }
        },
    }


def dry_run(folder: Path, searches: int) -> float:
    """Seconds of CPU that `snakemake -n` takes for a study of so many searches."""
    place = folder / f"dry-{searches}"
    place.mkdir()
    (place / "study.yaml").write_text(yaml.safe_dump(study(searches), sort_keys=False))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    return spent(place, *command, "-n", "--quiet", "--config", "scale=study.yaml").seconds


def planning(folder: Path, few: int = 200, many: int = 1000) -> tuple[str, str]:
    """Milliseconds of CPU a search, between two studies."""
    small, large = dry_run(folder, few), dry_run(folder, many)
    said = f"{1e3 * (large - small) / (many - few):.1f} ms ({small:.1f} s and {large:.1f} s)"
    return f"dry run, a search more, {few} to {many} searches", said


def one_search(seed: int = 0, **changes: Any) -> SearchConfig:
    """A search of no particular study."""
    base = {
        "experiment": "E1",
        "dataset": "digits",
        "method": "dsnas",
        "level": "single",
        "seed": seed,
    }
    return SearchConfig.model_validate({**base, **changes})


def with_seed(folder: Path, config: SearchConfig, out: Path) -> None:
    """The same trajectory under another seed's name: its tables are linked."""
    place = out / config.id
    place.mkdir(parents=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {
        "search": config.id,
        "config": json.loads(config.canonical),
        "config_sha256": config.digest,
    }
    (place / "manifest.json").write_text(json.dumps(manifest))
    for file in folder.glob("*.parquet"):
        os.link(file, place / file.name)


def tables(folder: Path, searches: int = 40, windows: int = 750) -> tuple[str, str]:
    """MB that `wiring dynamics` is at its peak, on searches of published size."""
    published = {"space": {"cells": 8, "nodes": 4, "channels": 16}, "train": {"epochs": windows}}
    first = write_search(folder / "one", one_search(**published))
    out = folder / "trajectories"
    for seed in range(searches):
        with_seed(first, one_search(seed, **published), out)
    took = wiring(folder, "dynamics", *map(str, sorted(out.iterdir())), "--out", "tables")
    name = f"tables of {searches} searches of 8 full cells and {windows} windows"
    return name, f"{took.peak:.0f} MB, {took.seconds:.1f} s"


def figures(folder: Path, readings: int = 3) -> tuple[str, str]:
    """Seconds of CPU that the figures of a condition take."""
    scale = load_scale(ROOT / "config" / "embedded.yaml")
    configs = [config for config in scale.searches().values() if config.experiment == "E1"]
    chosen = [config for config in configs if config.condition == configs[0].condition]
    written = [write_search(folder / "figured", config) for config in chosen]
    build(written, folder / "figured-tables")
    dynamics = Dynamics.read(folder / "figured-tables")
    found = []
    for reading in range(readings + 1):
        out = folder / f"figures-{reading}"
        out.mkdir()
        begun = time.process_time()
        draw_condition(scale, chosen[0], dynamics, out)
        found.append(time.process_time() - begun)
    # The first one loads fonts.
    name = f"figures of a condition, {len(chosen)} seeds"
    return name, f"{statistics.median(found[1:]):.2f} s"


def starting(folder: Path, seeds: int = 5) -> tuple[str, str]:
    """Seconds of CPU that a search takes beside its epochs, in a condition and alone."""
    data = folder / "digits"
    digits = DatasetConfig(source="digits", test_fraction=0.2, train_samples=480)
    prepare(digits, data, folder / "cache")

    def run(count: int, epochs: int) -> float:
        space = {"cells": 2, "nodes": 2, "channels": 4}
        train = {"epochs": epochs, "batch_size": 48}
        configs = [one_search(seed, space=space, train=train) for seed in range(count)]
        place = Path(tempfile.mkdtemp(dir=folder))
        out = ["--out", str(place / "t"), "--checkpoints", str(place / "c")]
        words = f"[{','.join(config.canonical for config in configs)}]"
        return wiring(
            folder, "searches", words, "--scale", "bench", "--data", str(data), *out
        ).seconds

    run(1, 1)  # what is compiled once, or laid out in MLflow's store, is so now
    one, several, longer = run(1, 1), run(seeds, 1), run(seeds, 11)
    epoch = (longer - several) / (10 * seeds)
    more = (several - one) / (seeds - 1)
    return (
        "a search beside its epochs",
        f"{more - epoch:.2f} s in a condition of {seeds}, {one - epoch:.2f} s alone "
        f"(an epoch of 10 small steps: {epoch:.2f} s)",
    )


def main() -> None:
    """Print a Markdown table, a row as soon as it is measured."""
    print("| what | CPU |\n| --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for measure in (planning, tables, figures, starting):
            name, said = measure(Path(folder))
            print(f"| {name} | {said} |", flush=True)


if __name__ == "__main__":
    main()
