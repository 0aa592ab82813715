# What all rules share: the checked scale and its searches, and the digest of the code behind a result.
from functools import cache
from pathlib import Path

from wiring.config import twins
from wiring.errors import InputError
from wiring.provenance import code_digest, method_digest, source_digest
from wiring.study import WorkflowConfig, read_study
from wiring.watch.left import work

# Found beside the rules, wherever the working directory is.
SCALES = Path(str(workflow.current_basedir)).parents[1] / "config"


def read_config():
    """What Snakemake was told, and the scale's file (a name in config/, or a path) and content."""
    known = {path.stem: path for path in sorted(SCALES.glob("*.yaml"))}
    try:
        told = WorkflowConfig.read(config)
        path = known.get(told.scale, Path(told.scale))
        if path.is_relative_to(Path.cwd()):
            path = path.relative_to(Path.cwd())
        if not path.is_file():
            expected = ", ".join(known)
            raise InputError(
                f"scale={told.scale}: no such file from {Path.cwd()}, expected a path from there, or "
                f"one of {expected}"
            )
        return told, path, read_study(path, results=Path("results"))
    except InputError as error:
        # Not a WorkflowError: that adds a stack of Snakefiles, and the fault is not in them.
        raise SystemExit(str(error)) from None


def folder_of_tables(wildcards, input) -> Path:
    """The folder that a rule's input `tables` lies in."""
    return Path(input.tables[0]).parent


def options_of_tables(wildcards, input) -> list[str]:
    """`--tables FOLDER` for each experiment."""
    return [f"--tables={folder}" for folder in dict.fromkeys(Path(p).parent for p in input.tables)]


def folders_of_trajectories(wildcards, input) -> str:
    """All folders in one word for the shell, which has a limit: `trajectories/{a,b}_s{0,1}`."""

    def either(names) -> str:
        return names[0] if len(names) == 1 else f"{{{','.join(names)}}}"

    seeds = [str(seed) for seed in SCALE.experiments[wildcards.experiment].seeds]
    root = Path(input.trajectories[0]).parents[1]
    return f"{root}/{either(list(DESIGN[wildcards.experiment]))}_s{either(seeds)}"


def all_of(experiment: str) -> list[str]:
    """Every file of an experiment."""
    made = (rules._page.output, rules._explorer.output, rules._claims.output, rules._tables.output)
    return [
        *(path for output in made for path in expand(output, experiment=experiment)),
        *FIGURES[experiment],
        *TRAJECTORIES[experiment],
    ]


def scale_file(wildcards, input) -> Path:
    """A parameter that is not recorded, as it asks for `input`: a path is this machine's."""
    return SCALE_FILE


def one_of(names) -> str:
    """A wildcard's constraint: one of these names."""
    return "|".join(map(re.escape, names))


TOLD, SCALE_FILE, SCALE = read_config()
config["scale"] = TOLD.scale  # the report names it
SEARCHES = SCALE.searches()
RESULTS = f"results/{SCALE.scale}"
LOGS = f"logs/{SCALE.scale}"
EXPERIMENTS = list(SCALE.experiments)
HOME = f"{RESULTS}/experiments/{{experiment}}"
TABLES = ("searches", "edges", "ops", "statistics", "samples", "readings", "phases")
# Experiment -> condition -> its searches. Looked up by every job, so worked out once.
DESIGN = {experiment: {} for experiment in EXPERIMENTS}
for one in SEARCHES.values():
    DESIGN[one.experiment].setdefault(str(one.condition), []).append(one)


wildcard_constraints:
    dataset=one_of(SCALE.datasets),
    experiment=one_of(EXPERIMENTS),
