"""Fetch the published results, check them, and let Snakemake know what made them.

DVC takes on trust what it fetches. A damaged file is named and removed, with its cached copy:
`snakemake` makes just that one again.

    python -m tools.pull
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from tools import provenance
from tools.published import BIN, RESULTS, md5_of, need_clone, recorded, scales

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
        (CACHE / md5[:2] / md5[2:]).unlink(missing_ok=True)
    return len(damaged)


def main() -> None:
    """Exit with 1, and a sentence for each damaged file, if there is one."""
    need_clone("pull")
    if not yaml.safe_load(Path("dvc.lock").read_text())["stages"]:
        sys.exit("pull: this commit has no published results: `make reproduce` makes all anew")
    fetched = subprocess.run([BIN / "dvc", "pull"]).returncode == 0
    files = recorded()
    if not fetched and not any(path.is_file() for path in files):
        sys.exit("pull: DVC could not fetch the results, for the reason above")
    damaged = drop_damaged(files)
    for path in files:
        os.utime(path, (OLD, OLD))
        os.utime(path, (OLD, OLD), follow_symlinks=False)  # a link has a time of its own
    for scale in scales():
        if RESULTS / scale / provenance.NAME in files:
            provenance.restore(scale, files)
    if damaged or not fetched:
        sys.exit("pull: run `snakemake` to make again what is not there")
    print(f"pull: {len(files)} files checked")


if __name__ == "__main__":
    main()
