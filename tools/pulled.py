"""Check that what `dvc pull` brought is what was published, which DVC takes on trust.

A damaged file is named and removed, with its cached copy: `snakemake` makes just that one again.

    python tools/pulled.py
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

RESULTS, CACHE = Path("results"), Path(".dvc/cache/files/md5")
LIST = ("list", ".", str(RESULTS), "--recursive", "--dvc-only", "--show-hash", "--json")


def recorded() -> dict[Path, str]:
    """The published files that are here, with their MD5."""
    dvc = Path(sys.executable).with_name("dvc")
    listed = subprocess.run([dvc, *LIST], stdout=subprocess.PIPE, check=True)
    files = {RESULTS / one["path"]: one["md5"] for one in json.loads(listed.stdout)}
    return {path: md5 for path, md5 in files.items() if path.is_file()}


def md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def main() -> None:
    """Exit with 1, and a sentence for each damaged file, if there is one."""
    files = recorded()
    damaged = {path: md5 for path, md5 in files.items() if md5_of(path) != md5}
    for path, md5 in damaged.items():
        print(f"{path}: not what was published (MD5 {md5}): removed")
        path.unlink()
        (CACHE / md5[:2] / md5[2:]).unlink(missing_ok=True)
    if damaged:
        sys.exit("pull: run `snakemake` to make again what was removed")
    print(f"pull: {len(files)} files checked")


if __name__ == "__main__":
    main()
