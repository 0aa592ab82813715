"""Record the finished results of dvc.yaml's scales in DVC and git, and push them.

What is published is what this very code makes, whole, and no more than it.

    python -m tools.publish [REMOTE]      REMOTE: from now on, where DVC keeps them (a folder, s3://...)
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools import provenance
from tools.published import (
    BIN,
    RESULTS,
    STORE,
    ask,
    inside,
    md5_of,
    need_clone,
    outputs,
    recorded,
    scales,
    stages,
    switched_on,
)

OWN = (".dvc/config", "dvc.lock", "artifacts")
"""What publishing itself changes."""


def check_tree() -> None:
    """Refuse a tree with changes: nobody could say which code made the results."""
    if ask("git", "status", "--porcelain", "--", ".", *(f":!{path}" for path in OWN)):
        sys.exit("publish: the tree has changes: commit or drop them first")


def snakemake(scale: str, *options: str) -> str:
    """All that Snakemake says of a scale."""
    words = (str(BIN / "snakemake"), *options, "--config", f"scale={scale}")
    done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout


def left_as_published(published: list[str]) -> list[str]:
    """Those of which just what is published is here, unchanged, and that holds no table.

    `.dvcignore` keeps the tables of some scales out. Without them nobody can say whether the pages
    are stale, nor make them anew: they stay what they are, of the commit that published them.
    """
    homes = {scale: RESULTS / scale for scale in published}
    bare = {
        scale: home
        for scale, home in homes.items()
        if home.is_dir() and not any(home.glob("experiments/**/*.parquet"))
    }
    files = recorded() if bare else {}
    own = {
        scale: [path for path in files if path.is_relative_to(home)] for scale, home in bare.items()
    }
    return [
        scale
        for scale, paths in own.items()
        if paths and all(path.is_file() and md5_of(path) == files[path] for path in paths)
    ]


def check_results(scale: str) -> None:
    """Refuse results that are missing, stale, invalid, or made by no rule."""
    if "Nothing to be done" not in snakemake(scale, "--dry-run"):
        sys.exit(f"publish: results of {scale} are missing or stale: run snakemake first")
    home = f"results/{scale}/"
    passing = tuple(f"{home}{name}" for name in provenance.PASSING)
    untracked = snakemake(scale, "--list-untracked").splitlines()
    stray = [path for path in untracked if path.startswith(home) and not path.startswith(passing)]
    if stray:
        print(*stray, sep="\n")
        sys.exit(f"publish: nothing in {scale} makes these files any more: delete them")
    found = sorted(map(str, Path(home).glob("experiments/*/trajectories/*")))
    print(ask("wiring", "verify", *found), end="")
    try:
        provenance.write(scale)
    except LookupError as path:
        sys.exit(f"publish: {path}: Snakemake has no record of it: delete it, then run snakemake")


def drop_former(store: Path) -> None:
    """Drop from the store what no recorded result is any more; commits of old have their own.

    Args:
        store: a folder of objects by their MD5, as DVC lays it out.
    """
    found = outputs(scales())
    known = {*found, *inside(store, found)}
    for path in store.glob("*/*"):
        if path.parent.name + path.name not in known:
            path.unlink()


def main(remote: str = "") -> None:
    """Exit with 1 and a sentence if something may not be published; nothing is then recorded."""
    need_clone("publish")
    if switched_on("core.sparseCheckout"):
        sys.exit("publish: this checkout is sparse: `git sparse-checkout disable` first")
    check_tree()
    published = scales()
    left = left_as_published(published)
    made = [scale for scale in published if scale not in left]
    for scale in made:
        check_results(scale)
    if remote:
        ask("dvc", "remote", "modify", "store", "url", remote)
    if made:  # of no stage means of all
        ask("dvc", "commit", "--force", *stages(made))
    ask("dvc", "push")
    if ask("dvc", "config", "remote.store.url").strip() == str(Path("artifacts").resolve()):
        drop_former(STORE)
    ask("git", "add", "--", *(path for path in OWN if Path(path).exists()))
    if ask("git", "diff", "--cached", "--name-only"):
        print(ask("git", "commit", "--message", f"Results: {' '.join(made or published)}"), end="")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(f"publish: {' '.join(error.cmd)} failed, for the reason above")
