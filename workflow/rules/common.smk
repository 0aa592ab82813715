# What all rules share: the validated scale, and the digest of the code that a command runs.
from pathlib import Path

from wiring.errors import InputError
from wiring.provenance import code_digest, method_digest
from wiring.study import read_study


def read_scale(name: str):
    """The file of a scale (a name in config/, or a path), the scale, and its searches."""
    known = {path.stem: path for path in sorted(Path("config").glob("*.yaml"))}
    path = known.get(name, Path(name))
    try:
        if not path.is_file():
            expected = ", ".join(known)
            raise InputError(f"scale={name}: no such file, expected one or any of {expected}")
        scale = read_study(path)
        return str(path), scale, scale.searches(str(path))
    except InputError as error:
        # Not a WorkflowError: that adds a stack of Snakefiles, and the fault is not in them.
        raise SystemExit(str(error)) from None


def folder_of_tables(wildcards, input) -> Path:
    """The folder that a rule's input `tables` lies in."""
    return Path(input.tables[0]).parent


def one_of(names) -> str:
    """A wildcard's constraint: one of these names."""
    return "|".join(re.escape(name) for name in names)


SCALE_FILE, SCALE, SEARCHES = read_scale(str(config.setdefault("scale", "embedded")))
RESULTS = f"results/{SCALE.scale}"
LOGS = f"logs/{SCALE.scale}"
EXPERIMENTS = list(SCALE.experiments)
CONDITIONS = list(dict.fromkeys(str(search.condition) for search in SEARCHES.values()))
TABLES = ("searches", "edges", "ops", "statistics", "samples", "phases")


wildcard_constraints:
    dataset=one_of(SCALE.datasets),
    search=one_of(SEARCHES),
    experiment=one_of(SCALE.experiments),
