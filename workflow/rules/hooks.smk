# Not rules: these have no output of their own, must never make a search run again, and have to be
# right also when somebody has deleted the database.
import shutil

from wiring.files import link_dir

FINISHED = Path(RESULTS) / "checkpoints/finished"


def trajectories_there() -> list[Path]:
    """The folders of the searches that are done."""
    return [
        path.parent for path in Path(RESULTS).glob("experiments/*/trajectories/*/manifest.json")
    ]


def keep_finished() -> None:
    """Link them to where a job looks that is to make one of them again; see search.smk."""
    for folder in trajectories_there():
        if not (FINISHED / folder.name).exists():
            link_dir(folder, FINISHED / folder.name)


def drop_finished() -> None:
    """Remove these links. What a failed job finished has no other place yet, and stays."""
    for folder in trajectories_there():
        shutil.rmtree(FINISHED / folder.name, ignore_errors=True)
    if FINISHED.exists() and not any(FINISHED.iterdir()):
        FINISHED.rmdir()


onstart:
    keep_finished()
    shell("wiring track init {SCALE.scale:q} {EXPERIMENTS:q}")


onsuccess:
    drop_finished()
    shell("wiring track figures {SCALE_FILE:q} {RESULTS:q}")
