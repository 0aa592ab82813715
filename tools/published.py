"""What publishing and pulling share: the published scales, DVC and git."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

BIN = Path(sys.executable).parent
NEEDED = (".git", ".dvc/config", "dvc.yaml", "dvc.lock")


def scales() -> list[str]:
    """The scales that dvc.yaml says are published."""
    (variables,) = yaml.safe_load(Path("dvc.yaml").read_text())["vars"]
    return list(variables["scales"])


def ask(*words: str) -> str:
    """What a command of this environment, or git, answers.

    Raises:
        subprocess.CalledProcessError: it failed; what it said of that was shown.
    """
    command = words if words[0] == "git" else (str(BIN / words[0]), *words[1:])
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def need_clone(task: str) -> None:
    """End with a sentence where there is no git, or no setting of DVC: in a ZIP, for one."""
    missing = [name for name in NEEDED if not Path(name).exists()]
    if missing:
        sys.exit(
            f"{task}: {', '.join(missing)} missing here: `make reproduce` works and makes all "
            f"results anew; `make {task}` needs a clone of the repository (git clone)"
        )
