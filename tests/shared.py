"""What is costly to set up is set up once, however many workers run the tests."""

import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import yaml

from wiring.config import plugins

ROOT = Path(__file__).parents[1]


def copied(root: Path, names: Iterable[str], place: Path, *ignored: str) -> None:
    """Copy files, folders and links of a repository to a folder, without what is ignored."""
    place.mkdir(parents=True)
    for name in names:
        if (root / name).is_dir() and not (root / name).is_symlink():
            shutil.copytree(root / name, place / name, ignore=shutil.ignore_patterns(*ignored))
        else:
            shutil.copy2(root / name, place / name, follow_symlinks=False)


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first worker to come makes, and the others wait for.

    Nobody may change what is in it. A worker whose `make` fails leaves it to the next.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # that of all workers
    place, made = root / name, root / f"{name}.made"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            make(place)
            made.touch()
    return place


def pipeline_of(scale: str) -> str:
    """The project's dvc.yaml, if this scale alone, without audit, were published as its first."""
    content = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    (variables,) = content["vars"]
    first = f"results/{variables['scales'][0]}/"
    variables |= {"scales": [scale], "audits": []}
    for kind in ("metrics", "plots"):
        content[kind] = [
            one
            for one in content[kind]
            if (one if isinstance(one, str) else next(iter(one))).startswith(first)
        ]
    return str(yaml.safe_dump(content, sort_keys=False)).replace(first, f"results/{scale}/")


def plugged(place: Path, points: str) -> None:
    """What the installation of a package `mine` in a folder says of its entry points."""
    info = place / "mine-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 0\n")
    (info / "entry_points.txt").write_text(points)


def forget(package: str) -> None:
    """Look for plug-ins anew, and import a package anew."""
    for cached in (plugins._points, plugins.load, plugins.fault):
        cached.cache_clear()
    for name in [each for each in sys.modules if each.partition(".")[0] == package]:
        del sys.modules[name]
