"""The command line: one command for each rule of the workflow.

A command imports what it needs itself, so that each starts fast.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from traceback import walk_tb
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import TypeAdapter, ValidationError
from typer.core import TyperGroup

from wiring.config import DatasetConfig, RunConfig, ScaleConfig, SearchConfig, twins
from wiring.config.model import Model
from wiring.config.plugins import METHODS, SETTINGS, names, package_of
from wiring.errors import InputError
from wiring.job.progress import FORMAT
from wiring.job.stops import Stops
from wiring.study import is_prepared, missing, read_study, shortfalls

FAILED, BAD_INPUT = 1, 2
"""Exit codes: the work failed; the input must be put right first."""
CACHE = Path(".cache")
"""Folder that keeps downloads."""
MESSAGES = logging.getLogger("wiring")
INNER = "Called by the workflow"
"""Heading, in the list of commands, of those that hardly anybody types."""

M = TypeVar("M", bound=Model)


class Form(StrEnum):
    """Forms of a trajectory for other programs."""

    csv = "csv"
    npz = "npz"
    darts = "darts"
    json = "json"


class Keep(StrEnum):
    """Which edges a cell keeps."""

    own = "own"
    strongest = "strongest"
    two_inputs = "two_inputs"


class _Commands(TyperGroup):
    """Commands whose faults of input end in one sentence, not in a traceback."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # typer's own click
        """Run the command that was asked for."""
        _speak()
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                where = error.filename or error
                _end(f"no space left on the device ({where}): free some, then start again", FAILED)
            if error.filename is None:
                raise
            # Of a file that was to be replaced it is the second that the user knows.
            _end(f"{error.filename2 or error.filename}: {error.strerror}", BAD_INPUT)
        except InputError as error:  # and no other: a fault of ours ends in a traceback
            _end(str(error), BAD_INPUT)


app = typer.Typer(
    cls=_Commands,
    help="Watch how the wiring of a differentiable architecture search evolves, and why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
track = typer.Typer(no_args_is_help=True, help="MLflow as a view of the trajectories.")
app.add_typer(track, name="track")

Out = Annotated[Path, typer.Option(help="What to write; replaced whole.")]
Tables = Annotated[Path, typer.Option(help="Folder that `wiring dynamics` wrote.")]
Experiments = Annotated[
    list[Path], typer.Option("--tables", help="Folder that `wiring dynamics` wrote; any number.")
]
Claims = Annotated[Path, typer.Option(help="File that `wiring claims` wrote.")]
ScaleFile = Annotated[Path, typer.Argument(help="A scale file, see config/README.md.")]
ExperimentName = Annotated[str, typer.Argument(help="One of its experiments.")]
Standalone = Annotated[
    bool, typer.Option("--standalone", help="Hold the figures instead of linking to them.")
]


@app.command()
def validate(scale_file: ScaleFile) -> None:
    """Check a scale file and say what it holds; its data need not be on this machine."""
    scale = read_study(scale_file, absent=True)
    for name, experiment in scale.experiments.items():
        count = sum(search.experiment == name for search in scale.searches().values())
        typer.echo(f"{name}: {count} searches ({experiment.title})")
    for name, dataset in scale.datasets.items():
        if missing(dataset):
            typer.echo(f"datasets.{name}.path: {dataset.path} is not there, and must be to run it")
    for sentence in shortfalls(scale):
        typer.echo(sentence)


@app.command()
def schema() -> None:
    """Print the JSON schema of a scale file, by which an editor completes it."""
    from wiring.config.schema import scale_schema

    typer.echo(scale_schema(), nl=False)


@app.command()
def check(
    methods: Annotated[list[str], typer.Argument(help="Methods, built-in or of other packages.")],
) -> None:
    """Try whether a method keeps what the search relies on, in seconds, before it runs."""
    for unknown in set(methods) - set(names(METHODS)):
        known = ", ".join(names(METHODS))
        raise InputError(f"unknown method {unknown!r}, expected one of {known}")
    from wiring.methods.check import faults

    packages = {package_of(METHODS, method) for method in methods}
    found = [
        f"{name}: has settings ({SETTINGS}) and is no method ({METHODS}), expected one name for "
        "both"
        for name in names(SETTINGS)
        if name not in names(METHODS) and package_of(SETTINGS, name) in packages
    ]
    found += [fault for method in methods for fault in faults(method)]
    if found:
        _end("\n".join(found), FAILED)
    typer.echo(f"{', '.join(methods)}: nothing to mend")


@app.command(rich_help_panel=INNER)
def data(
    dataset: Annotated[str, typer.Argument(help="A dataset of the scale file, as JSON.")],
    out: Out,
    cache: Annotated[Path, typer.Option(help="Folder that keeps downloads.")] = CACHE,
) -> None:
    """Prepare a dataset; the folder's name is the dataset's."""
    config = _parse(DatasetConfig, dataset, f"datasets.{out.name}")
    from wiring.data.prepare import prepare

    prepare(config, out, cache)


@app.command()
def search(
    scale_file: ScaleFile,
    search: Annotated[str, typer.Argument(help="The id of one of its searches.")],
    results: Annotated[Path, typer.Option(help="Folder of all results.")] = Path("results"),
) -> None:
    """Run one search by name, or resume it; its dataset is prepared if it is not there."""
    scale = read_study(scale_file, results=results)
    config = _search_of(scale, scale_file, search)
    root = results / scale.scale
    data = root / "datasets" / config.dataset
    if not is_prepared(scale, config.dataset, results):
        from wiring.data.prepare import prepare

        prepare(scale.datasets[config.dataset], data, CACHE)
    trajectories = root / "experiments" / config.experiment / "trajectories"
    _run([config], scale.scale, data, trajectories, root / "checkpoints")
    typer.echo(trajectories / config.id)


@app.command(rich_help_panel=INNER)
def searches(
    searches: Annotated[str, typer.Argument(help="The searches of a condition, as JSON.")],
    scale: Annotated[str, typer.Option(help="Name of their scale, for MLflow.")],
    data: Annotated[Path, typer.Option(help="Folder that `wiring data` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder in which each search gets one of its own.")],
    checkpoints: Annotated[Path, typer.Option(help="Folder that a killed job resumes from.")],
    log: Annotated[Path | None, typer.Option(help="File that also gets the messages.")] = None,
) -> None:
    """Run the seeds of a condition, one after the other, in this one process."""
    try:
        configs = TypeAdapter(list[SearchConfig]).validate_json(searches)
    except ValidationError as error:
        raise InputError.from_validation("searches", error) from None
    _speak(log)
    _run(configs, scale, data, out, checkpoints)


def _run(configs: list[SearchConfig], scale: str, data: Path, out: Path, checkpoints: Path) -> None:
    """Run searches, and end as they end."""
    name = configs[0].id if len(configs) == 1 else str(configs[0].condition)
    with Stops() as stops:
        try:
            # They count only before torch is imported.
            os.environ.update(configs[0].run.environment)
            from wiring.job.condition import run_condition
            from wiring.job.run import SearchError, StoppedError

            stops.patient = True
            run_condition(configs, scale, data, out, checkpoints, stops)
        except KeyboardInterrupt:
            when = "at once" if stops.patient else f"by {stops.name} before it began"
            _end(f"{name}: stopped {when}", 128 + (stops.asked or signal.SIGINT))
        except StoppedError as error:
            _end(str(error), 128 + error.signal)
        except SearchError as error:
            _end(str(error), FAILED)
        except (InputError, OSError):
            raise
        except Exception as error:
            # A traceback goes to the terminal alone; whoever watches the log has to know too.
            whose = _whose(error, configs[0].method)
            MESSAGES.critical("%s: a fault of %s: %s: %s", name, whose, type(error).__name__, error)
            raise


def _whose(error: Exception, method: str) -> str:
    """Whose fault an exception is, by its traceback: a method's from elsewhere, or ours."""
    package = package_of(METHODS, method)
    passed = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    if package == "wiring" or package not in (name.partition(".")[0] for name in passed):
        return "wiring"
    return f"the method {method} (`wiring check {method}` tries it)"


@app.command()
def watch(
    scale_file: ScaleFile,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- COMMAND...]", help="What runs the study, with the view in front of it."
        ),
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder of all results.")] = Path("results"),
    logs: Annotated[Path, typer.Option(help="Folder of all logs.")] = Path("logs"),
) -> None:
    """Show in the terminal where a study stands while it runs; plain lines where there is none."""
    from rich.console import Console

    from wiring.watch.run import Watch, become, live

    console = Console()
    if command:
        if shutil.which(command[0]) is None:
            raise InputError(f"{command[0]}: no such program here, expected a command: snakemake")
        if not live(console):
            become(command)
    from wiring.watch.state import Study

    scale = read_study(scale_file, absent=True)
    if command:
        said = logs / scale.scale / f"{Path(command[0]).name}.log"
        study = Study(scale, results, logs, since=time.time())
        raise typer.Exit(Watch(study, console).before(command, said))
    try:
        Watch(Study(scale, results, logs), console).alone()
    except KeyboardInterrupt:
        raise typer.Exit(128 + signal.SIGINT) from None


@app.command()
def verify(
    trajectories: Annotated[list[Path], typer.Argument(help="Folders that searches wrote.")],
) -> None:
    """Check trajectories against their manifests."""
    from wiring.trajectory import Trajectory

    for trajectory in trajectories:
        Trajectory.read(trajectory)
    typer.echo(f"{len(trajectories)} trajectories are what their manifests say")


@app.command()
def export(
    trajectory: Annotated[Path, typer.Argument(help="Folder that a search wrote.")],
    to: Annotated[
        Form,
        typer.Option(
            help="csv: its tables, a folder; npz: the same, a file; json: its cell; darts: its "
            "cell as DARTS's code has it."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="What to write; replaced whole. The terminal, if absent.")
    ] = None,
    keep: Annotated[Keep, typer.Option(help="Which edges DARTS's form keeps.")] = Keep.own,
) -> None:
    """Write a search in a form that other programs read."""
    if out is None and to in (Form.csv, Form.npz):
        raise InputError(f"--out: expected the {'folder' if to == Form.csv else 'file'} to write")
    if keep != Keep.own and to != Form.darts:
        raise InputError("--keep: only DARTS's form asks for it, expected --to darts")
    from wiring.files import atomic_file
    from wiring.trajectory import Trajectory
    from wiring.trajectory.export import as_json, genotype, to_csv, to_npz

    found = Trajectory.read(trajectory)
    if out is not None and to in (Form.csv, Form.npz):
        (to_csv if to == Form.csv else to_npz)(found, out)
        return
    text = genotype(found, keep.value) if to == Form.darts else as_json(found)
    if out is None:
        typer.echo(text)
        return
    with atomic_file(out) as file:
        file.write_text(text + "\n", encoding="utf-8")


@app.command(rich_help_panel=INNER)
def dynamics(
    trajectories: Annotated[list[Path], typer.Argument(help="Folders that searches wrote.")],
    out: Out,
    scale_file: Annotated[
        Path | None,
        typer.Option(help="A scale file that says when outcomes are read; else the defaults hold."),
    ] = None,
) -> None:
    """Turn trajectories into tables."""
    from wiring.dynamics import build

    readings = None if scale_file is None else read_study(scale_file, absent=True).readings
    build(trajectories, out, readings)


@app.command()
def retrain(
    scale_file: ScaleFile,
    experiment: ExperimentName,
    out: Annotated[Path, typer.Option(help="The scale file to write.")],
    results: Annotated[Path, typer.Option(help="Folder of all results.")] = Path("results"),
    randoms: Annotated[int, typer.Option(help="Random cells a search.", min=1, max=100)] = 3,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of each training; those of the search if absent.")
    ] = None,
) -> None:
    """Write the scale file that trains alone the cells of an experiment's finished searches."""
    scale = _study_with(scale_file, experiment)
    from wiring.retrain import study, write
    from wiring.trajectory import Trajectory

    home = results / scale.scale / "experiments" / experiment / "trajectories"
    ids = [one.id for one in scale.searches().values() if one.experiment == experiment]
    found = [Trajectory.read(home / search) for search in ids]
    content, left_out = study(scale, found, out.stem, randoms, epochs)
    write(content, out)
    for sentence in left_out:
        typer.echo(sentence)
    typer.echo(f"{out}: snakemake --config scale={out}")


@app.command(rich_help_panel=INNER)
def metrics(tables: Experiments, out: Out) -> None:
    """Write the headline numbers of each condition."""
    from wiring.dynamics import Dynamics, write_metrics

    write_metrics(Dynamics.read(*tables, tables=("searches",)), out)


@app.command(rich_help_panel=INNER)
def series(tables: Experiments, out: Out) -> None:
    """Write the courses of each condition that `dvc plots` draws: P(none) and the gap."""
    from wiring.dynamics import Dynamics, write_series

    write_series(Dynamics.read(*tables, tables=("edges", "statistics")), out)


@app.command(rich_help_panel=INNER)
def claims(
    scale_file: Annotated[Path, typer.Option(help="A scale file, see config/README.md.")],
    experiment: Annotated[str, typer.Option(help="One of its experiments.")],
    tables: Tables,
    out: Out,
) -> None:
    """Judge the paper's claims by the tables of an experiment."""
    scale = _study_with(scale_file, experiment)
    from wiring.claims.judgement import write
    from wiring.dynamics import Dynamics

    dynamics = Dynamics.read(tables, tables=("searches", "edges", "readings"))
    write(scale.claims, dynamics, out, twins(scale, experiment))


@app.command(rich_help_panel=INNER)
def figures(
    scale_file: ScaleFile,
    experiment: ExperimentName,
    tables: Tables,
    out: Annotated[Path, typer.Option(help="Folder of the experiment's figures.")],
) -> None:
    """Draw the figures of every condition of an experiment."""
    scale = _study_with(scale_file, experiment)
    from wiring.dynamics import Dynamics
    from wiring.figures.draw import draw_experiment

    draw_experiment(scale, experiment, Dynamics.read(tables), out)


@app.command(rich_help_panel=INNER)
def overview(
    tables: Experiments,
    out: Annotated[
        list[Path], typer.Option(help="What to write, named as a figure of a study; any number.")
    ],
) -> None:
    """Draw figures over all conditions."""
    from wiring.dynamics import Dynamics
    from wiring.figures.draw import draw_overview

    dynamics = Dynamics.read(*tables, tables=("searches", "edges"))
    for path in out:
        draw_overview(dynamics, path)


@app.command(rich_help_panel=INNER)
def page(
    scale_file: ScaleFile,
    experiment: ExperimentName,
    tables: Tables,
    claims: Claims,
    figures: Annotated[Path, typer.Option(help="Folder that `wiring figures` wrote.")],
    out: Out,
    standalone: Standalone = False,
) -> None:
    """Write the page of an experiment; with --standalone it can be passed on alone."""
    scale = _study_with(scale_file, experiment)
    from wiring.dynamics import Dynamics
    from wiring.report import write_page

    searches = Dynamics.read(tables, tables=("searches",))
    write_page(scale, experiment, searches, claims, figures, out, standalone=standalone)


@app.command(rich_help_panel=INNER)
def report(
    scale_file: ScaleFile,
    results: Annotated[Path, typer.Option(help="Folder of the scale's results.")],
    out: Out,
    standalone: Standalone = False,
) -> None:
    """Write the story of a scale from what its experiments' folders hold."""
    from wiring.report import write

    write(read_study(scale_file, absent=True), results, out, standalone=standalone)


@app.command()
def audit(
    methods: Annotated[list[str], typer.Argument(help="Methods, built-in or of other packages.")],
    against: Annotated[
        str | None,
        typer.Option(
            help="Methods that they are held against, with commas; dsnas and darts, if absent."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="A source, FILE:NAME of a scale file's dataset, or a dataset as JSON; digits with "
            "40% of the labels wrong, if absent."
        ),
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="As many as fit, if absent.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.1, help="That all may take; 15, if absent.")
    ] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="All, if absent.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the audit; the methods', if absent.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Write the scale file only.")] = False,
) -> None:
    """Say what a method's wiring does and why, beside other methods: plan, run, write one page."""
    # They count only before torch is imported.
    os.environ.update(RunConfig().environment)
    from wiring.audit.design import AGAINST, FOLDER, asked, data_of, named

    own = list(dict.fromkeys(methods))
    if against is None:
        others = [method for method in AGAINST if method not in own]
    else:
        others = list(dict.fromkeys(filter(None, map(str.strip, against.split(",")))))
    if "uniform" in (*own, *others):
        raise InputError("uniform never learns: expected methods whose wiring evolves")
    if both := [method for method in others if method in own]:
        raise InputError(f"--against: {both[0]} is audited itself, expected other methods")
    called = named(name or "-".join(own))
    path = FOLDER / f"{called}.yaml"
    stood = path.exists()
    used = cores or os.cpu_count() or 1
    options = {"against": against, "data": data, "seeds": seeds, "minutes": minutes}
    command_line = asked(own, options)
    if not stood:
        from wiring.audit.run import Budget, planned

        check([*own, *others])
        budget = Budget(minutes or 15.0, used, seeds)
        planned(called, own, others, data_of(data), budget, CACHE, command_line)
    elif any(options.values()) and f"`{command_line}`" not in path.read_text(encoding="utf-8"):
        raise InputError(
            f"{path}: is there and says something else: edit it, delete it, or give a --name"
        )
    else:
        MESSAGES.info("%s is there and is run as it stands", path)
    if plan:
        typer.echo(path)
        return
    from wiring.audit.run import command

    scale = read_study(path)
    if scale.audit is None:
        raise InputError(f"{path}: has no section audit, expected audit.methods: {', '.join(own)}")
    if stood:
        check(sorted({search.method for search in scale.searches().values()}))
    # The workflow's rules call `wiring` by name.
    found = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    os.environ["PATH"] = os.pathsep.join(found)
    if _behind_the_view(scale, command(path, used)):
        _end(f"{path}: not finished; the same command goes on from there", FAILED)
    from wiring.report import audit_lines

    root = Path("results") / scale.scale
    for line in audit_lines(scale, root):
        typer.echo(line)
    _look_at(root / "audit.html")


@app.command(rich_help_panel=INNER)
def charges(scale_file: ScaleFile, out: Out) -> None:
    """Ask each method of a scale to which costs its alpha answers."""
    scale = read_study(scale_file, absent=True)
    from wiring.methods.ask import charge
    from wiring.methods.charge import write

    firsts = {search.method: search for search in reversed(scale.searches().values())}
    write({name: charge(name, one.method_settings) for name, one in firsts.items()}, out)


@app.command(rich_help_panel=INNER)
def answers(
    scale_file: ScaleFile,
    results: Annotated[Path, typer.Option(help="Folder of the scale's results.")],
    out: Out,
    standalone: Standalone = False,
) -> None:
    """Write the page of the methods that a scale file's `audit` names."""
    from wiring.report import write_audit

    write_audit(read_study(scale_file, absent=True), results, out, standalone=standalone)


@app.command()
def show(
    searches: Annotated[
        list[str],
        typer.Argument(
            metavar="TRAJECTORY...|SCALE_FILE NAME...",
            help="Folders that searches wrote; or a scale file, and searches, conditions or "
            "experiments of it (none: all).",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("explorer.html"),
    results: Annotated[Path, typer.Option(help="Folder of all results.")] = Path("results"),
) -> None:
    """Show searches as one interactive page, a file that opens offline in any browser."""
    from wiring.explorer import write

    if Path(searches[0]).is_file():
        paths = _finished(Path(searches[0]), searches[1:], results)
    else:
        paths = [Path(each) for each in searches]
        for path in paths:
            if not (path / "manifest.json").is_file():
                raise InputError(
                    f"{path}: is neither a finished search's folder nor a file, expected folders "
                    "of finished searches, or a scale file and then names"
                )
    write(paths, out)
    typer.echo(out)


@app.command()
def provenance(
    stage: Annotated[str, typer.Argument(metavar="STAGE|SCALE_FILE", help="What to look behind.")],
    search: Annotated[str | None, typer.Argument(help="A search of that scale file.")] = None,
) -> None:
    """Print the digest of the code behind a stage or a search, its files, and what is left out."""
    from wiring.provenance import STAGES, code_digest, excluded, files_behind, method_digest

    method = None
    if search is not None:
        found = _search_of(read_study(Path(stage), absent=True), Path(stage), search)
        stage, method = "trajectories", found.method
    if stage not in STAGES:
        raise InputError(f"unknown stage {stage!r}, expected one of {', '.join(STAGES)}")
    typer.echo(f"{code_digest(stage)}  {stage}")
    if method is not None:
        typer.echo(f"{method_digest(method)}  the method {method}")
    typer.echo("\nMade again when one of these changes its meaning:")
    here = Path.cwd()
    for path in files_behind(stage, method):
        typer.echo(f"  {path.relative_to(here) if path.is_relative_to(here) else path}")
    typer.echo("\nImported, and left out:")
    for module, reason in excluded(stage).items():
        typer.echo(f"  {module}: {reason}")


@track.command()
def init(
    scale: Annotated[str, typer.Argument(help="Name of the scale.")],
    experiments: Annotated[list[str], typer.Argument(help="Its experiments.")],
) -> None:
    """Create the store and its experiments, before searches run side by side."""
    from wiring.tracking import init

    init(experiments, scale)


@track.command("figures")
def track_figures(
    scale_file: ScaleFile,
    results: Annotated[Path, typer.Argument(help="Folder of the scale's results.")],
) -> None:
    """Show drawn figures in MLflow, with the runs of their searches, and link these."""
    scale = read_study(scale_file, absent=True)
    from wiring.tracking import show, write_links

    homes = {name: results / "experiments" / name for name in scale.experiments}
    show({home / "figures": name for name, home in homes.items()}, scale.scale)
    write_links(results)


@track.command()
def links(
    results: Annotated[list[Path], typer.Argument(help="Folders of scales' results.")],
    address: Annotated[
        str | None, typer.Option(help="Where MLflow's UI is served; as `make ui` does, if absent.")
    ] = None,
) -> None:
    """Write the page by which a report's links find their runs in this store (runs.html)."""
    from wiring.tracking import write_links

    for folder in results:
        if folder.is_dir():
            write_links(folder, address)


@track.command()
def replay(
    trajectories: Annotated[list[Path], typer.Argument(help="Folders that searches wrote.")],
) -> None:
    """Log trajectories as if their searches had been followed live; what is there stays."""
    from wiring.tracking import TrackingError, replay

    for trajectory in trajectories:
        try:
            replay(trajectory)
        except TrackingError as error:
            _end(str(error), FAILED)


def _behind_the_view(scale: ScaleConfig, command: Sequence[str]) -> int:
    """Run what runs a study, with the view of it in front where there is a terminal.

    Returns:
        The command's exit code.
    """
    from rich.console import Console

    from wiring.watch.run import Watch, live
    from wiring.watch.state import Study

    if not live(console := Console()):
        return subprocess.run(command, check=False).returncode
    logs = Path("logs")
    study = Study(scale, Path("results"), logs, since=time.time())
    return Watch(study, console).before(command, logs / scale.scale / "audit.log")


def _look_at(page: Path) -> None:
    """Say where a page is, and open it where somebody can look: at a terminal with a desktop."""
    typer.echo(page)
    desktop = sys.platform in {"darwin", "win32"} or {"DISPLAY", "WAYLAND_DISPLAY"} & {*os.environ}
    if desktop and sys.stdout.isatty():
        typer.launch(str(page.resolve()))


def _search_of(scale: ScaleConfig, scale_file: Path, search: str) -> SearchConfig:
    searches = scale.searches(str(scale_file))
    if search not in searches:
        raise InputError(f"{scale_file}: no search {search!r}, expected an id of its searches")
    return searches[search]


def _finished(scale_file: Path, names: list[str], results: Path) -> list[Path]:
    """The folders of a study's finished searches that go by these names."""
    scale = read_study(scale_file, absent=True)
    every = scale.searches(str(scale_file)).values()
    for name in names:
        if not any(name in _names(search) for search in every):
            raise InputError(
                f"{scale_file}: no {name!r}, expected an id of a search, a condition or an "
                "experiment of it"
            )
    home = results / scale.scale / "experiments"
    wanted = [search for search in every if not names or not _names(search).isdisjoint(names)]
    folders = [home / search.experiment / "trajectories" / search.id for search in wanted]
    found = [folder for folder in folders if (folder / "manifest.json").is_file()]
    if not found:
        raise InputError(f"{home}: none of these searches is finished, expected at least one")
    return found


def _names(search: SearchConfig) -> set[str]:
    return {search.id, str(search.condition), search.experiment}


def _study_with(scale_file: Path, experiment: str) -> ScaleConfig:
    scale = read_study(scale_file, absent=True)
    if experiment not in scale.experiments:
        known = ", ".join(scale.experiments)
        raise InputError(f"{scale_file}: no experiment {experiment!r}, expected one of {known}")
    return scale


def _parse(model: type[M], text: str, source: str) -> M:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise InputError.from_validation(source, error) from None


def _speak(log: Path | None = None) -> None:
    """Send the package's messages to stderr and, with their time, to `log`."""
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        # Added to: what a search said before it was killed stays.
        handlers.append(logging.FileHandler(log))
        handlers[-1].setFormatter(logging.Formatter(FORMAT))
    # Of this package only: libraries have messages that mean nothing to a user.
    MESSAGES.setLevel(logging.INFO)
    MESSAGES.handlers = handlers


def _end(sentence: str, code: int) -> NoReturn:
    MESSAGES.error("%s", sentence)
    raise typer.Exit(code)
