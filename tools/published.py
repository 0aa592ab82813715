"""What publishing and pulling share: the published scales, DVC and git."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import yaml
from dvc.config import Config, ConfigError

BIN = Path(sys.executable).parent
RESULTS = Path("results")
STORE = Path("artifacts/files/md5")
"""Where DVC keeps objects while the remote is a folder of the repository."""
NEEDED = (".git", ".dvc/config", "dvc.yaml", "dvc.lock")


def scales() -> list[str]:
    """The scales that dvc.yaml says are published."""
    return list(_variables()["scales"])


def stages(named: list[str]) -> list[str]:
    """The stages of dvc.yaml that record these scales."""
    audits = [scale for scale in _variables()["audits"] if scale in named]
    return [*(f"study@{scale}" for scale in named), *(f"audit@{scale}" for scale in audits)]


def _variables() -> dict[str, list[str]]:
    (variables,) = yaml.safe_load(Path("dvc.yaml").read_text())["vars"]
    return dict(variables)


def outputs(named: list[str]) -> list[str]:
    """MD5 of what dvc.lock records of these scales: files, and folders (`.dir`), as listings."""
    lock = yaml.safe_load(Path("dvc.lock").read_text())["stages"]
    return [one["md5"] for stage in stages(named) if stage in lock for one in lock[stage]["outs"]]


def inside(store: Path, md5s: list[str]) -> list[str]:
    """MD5 of the files in all folders (`.dir`) among outputs, by their listings in a store."""
    folders = [md5 for md5 in md5s if md5.endswith(".dir")]
    return [one["md5"] for md5 in folders for one in json.loads(at(store, md5).read_text())]


def at(store: Path, md5: str) -> Path:
    """Where DVC keeps an object in a folder of them."""
    return store / md5[:2] / md5[2:]


def recorded(home: Path = RESULTS) -> dict[Path, str]:
    """The published files in a folder, here or not, with their MD5.

    None if DVC cannot tell, and says why.
    """
    words = ("list", ".", str(home), "--recursive", "--dvc-only", "--show-hash", "--json")
    try:
        listed = json.loads(ask("dvc", *words))
    except subprocess.CalledProcessError:
        return {}
    return {home / one["path"]: one["md5"] for one in listed}


def switched_on(name: str) -> bool:
    """Whether a switch of git's is on in this clone."""
    return ask("git", "config", "--type", "bool", "--default", "false", name).strip() == "true"


def md5_of(path: Path) -> str:
    """MD5 of a file, as DVC names it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def ask(*words: str) -> str:
    """What a command of this environment, or git, answers.

    Raises:
        subprocess.CalledProcessError: it failed; what it said of that was shown.
    """
    command = words if words[0] == "git" else (str(BIN / words[0]), *words[1:])
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def need_clone(task: str) -> None:
    """End with a sentence where git or DVC's setting is missing, as in a ZIP, or is no setting."""
    missing = [name for name in NEEDED if not Path(name).exists()]
    if missing:
        sys.exit(
            f"{task}: {', '.join(missing)} missing here: `make reproduce` works and makes all "
            f"results anew; `make {task}` needs a clone of the repository (git clone)"
        )
    try:
        Config.from_cwd()
    except ConfigError as error:  # DVC's commands end in a traceback
        said = " ".join(str(error).split())
        sys.exit(f"{task}: DVC's setting (.dvc/config, or one of your own): {said}")
