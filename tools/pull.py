"""Fetch the published results, check them, and let Snakemake know what made them.

DVC takes on trust what it fetches. A damaged file is named and removed, with its cached copy:
`snakemake` makes just that one again.

    python -m tools.pull [SCALE ...]      without one: of all that are published
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tools import provenance
from tools.published import (
    BIN,
    RESULTS,
    STORE,
    ask,
    at,
    inside,
    md5_of,
    need_clone,
    outputs,
    recorded,
    scales,
    stages,
    switched_on,
)

CACHE = Path(".dvc/cache/files/md5")
OLD = 946684800
"""A time, in 2000. Files come out of the cache in any order; all of one time, content counts."""


def drop_damaged(files: dict[Path, str]) -> int:
    """Drop from the list what is not what was published, say so, and remove it and its copy.

    Returns:
        How many there are. What DVC itself found to be damaged is no longer here.
    """
    damaged = [path for path, md5 in files.items() if not path.is_file() or md5_of(path) != md5]
    for path in damaged:
        md5 = files.pop(path)
        found = "removed" if path.is_file() else "damaged or missing where it is kept"
        print(f"{path}: not what was published (MD5 {md5}): {found}")
        path.unlink(missing_ok=True)
        at(CACHE, md5).unlink(missing_ok=True)
    return len(damaged)


def left_out() -> bool:
    """Whether git keeps objects of the store out of this checkout, since it is a sparse one."""
    listed = ask("git", "ls-files", "-t", "--", str(STORE))
    return any(line.startswith("S ") for line in listed.splitlines())


def let_in(objects: list[str]) -> None:
    """Let git bring these objects of the store into a sparse checkout.

    In a partial clone that fetches them at once; `git restore` would, one by one.
    """
    if switched_on("core.sparseCheckoutCone"):
        sys.exit(
            "pull: this checkout is sparse by whole folders, without `artifacts`: "
            "`git sparse-checkout add artifacts`, then pull"
        )
    patterns = "".join(f"/{at(STORE, md5)}\n" for md5 in objects)
    words = ("git", "sparse-checkout", "add", "--stdin")
    subprocess.run(words, input=patterns, text=True, check=True)


def main(*named: str) -> None:
    """Exit with 1, and a sentence for each damaged file, if there is one."""
    need_clone("pull")
    known = scales()
    for name in named:
        if name not in known:
            sys.exit(f"pull: no scale {name!r} is published, but {', '.join(known)}")
    wanted = list(named) or known
    found = outputs(wanted)
    if not found:
        of = f"no published results of {', '.join(named)}" if named else "no published results"
        sys.exit(f"pull: this commit has {of}: `make reproduce` makes all anew")
    if left_out():
        let_in(found)
        let_in(inside(STORE, found))
    pull = (BIN / "dvc", "pull", *(stages(wanted) if named else ()))
    fetched = subprocess.run(pull).returncode == 0
    homes = [RESULTS / scale for scale in named] or [RESULTS]
    files = {path: md5 for home in homes for path, md5 in recorded(home).items()}
    if not fetched and not any(path.is_file() for path in files):
        sys.exit("pull: DVC could not fetch the results, for the reason above")
    damaged = drop_damaged(files)
    for path in files:
        os.utime(path, (OLD, OLD))
        os.utime(path, (OLD, OLD), follow_symlinks=False)  # a link has a time of its own
    for scale in wanted:
        if RESULTS / scale / provenance.NAME in files:
            provenance.restore(scale, files)
    if damaged or not fetched:
        sys.exit("pull: run `snakemake` to make again what is not there")
    print(f"pull: {len(files)} files checked")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(f"pull: {' '.join(error.cmd)} failed, for the reason above")
