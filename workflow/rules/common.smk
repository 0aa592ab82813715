# What all rules share: the validated scale, and which modules of the package a command runs.
from pathlib import Path

from snakemake.exceptions import WorkflowError

from wiring.config import ConfigError, load_scale


def scale_file(name: str) -> str:
    """The file of a scale: a name in config/, or a path."""
    known = Path("config", f"{name}.yaml")
    return str(known if known.is_file() else name)


def read_scale(path: str):
    """The scale and its searches, or an end in one sentence a fault."""
    try:
        scale = load_scale(Path(path))
        return scale, scale.searches(path)
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


def code(*packages: str) -> list[str]:
    """The modules that a command runs: what was computed by other code is computed again."""
    # cli.py is left out: it only hands over, and every result would depend on every command.
    places = [Path("src/wiring", package) for package in ("files.py", *packages)]
    files = [path for place in places for path in (place, *place.rglob("*"))]
    return sorted(str(path) for path in files if path.suffix in {".py", ".j2", ".css"})


def condition_of(search) -> str:
    """A search's id without its seed."""
    return search.id.removesuffix(f"_s{search.seed}")


def folder_of_tables(wildcards, input) -> Path:
    """The folder that a rule's input `tables` lies in."""
    return Path(input.tables[0]).parent


def one_of(names) -> str:
    """A wildcard's constraint: one of these names."""
    return "|".join(re.escape(name) for name in names)


SCALE_FILE = scale_file(str(config.setdefault("scale", "embedded")))
SCALE, SEARCHES = read_scale(SCALE_FILE)
RESULTS = f"results/{SCALE.scale}"
LOGS = f"logs/{SCALE.scale}"
# Condition -> its experiment.
CONDITIONS = {condition_of(search): search.experiment for search in SEARCHES.values()}
TABLES = ("searches", "edges", "ops", "statistics")
FIGURES = ("probability.svg", "cost.svg", "statistics.svg", "wiring.svg", "wiring.gif")


wildcard_constraints:
    dataset=one_of(SCALE.datasets),
    search=one_of(SEARCHES),
    condition=one_of(CONDITIONS),
    experiment=one_of(SCALE.experiments),
