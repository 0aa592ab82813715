"""What MLflow shows of a search: pure functions from config and rows to params, tags, metrics.

Metric names are paths, and the UI draws one section per folder: one per edge for `P/2-3/none`.
Names without a folder are a section of their own: there stand the few numbers that tell a search.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from wiring.config import OPS, SearchConfig
from wiring.config.space import edges_of
from wiring.patterns import PATTERNS, STATISTICS
from wiring.trajectory import EPOCH_FIELDS, WINDOW_FIELDS, Shape, Trajectory

SCALARS = tuple(EPOCH_FIELDS)
COURSES = {
    "edges_kept": "free edges on which none is not the likeliest op",
    "none_input": "P(none), mean over the free input edges",
    "none_intermediate": "P(none), mean over the free intermediate edges",
    "loss_minus_entropy": "of the samples that alpha learns from: above 0, none gains",
    "displacement": "of alpha: the sum of its rates over the steps so far",
}
"""What is told of every window, beside the edges' own numbers."""
FINAL = {
    **{name: each.meaning for name, each in STATISTICS.items() if each.headline},
    "test_accuracy": "accuracy on the test set after the last epoch",
}
"""What is told of a whole search."""
FOLDERS = {
    "P/EDGE/OP": "probability of the op on the edge",
    "cost/EDGE/OP": "its local cost, nats, mean over cells",
    "credit/EDGE": "sum of the ops' costs, weighted as they were drawn, nats, sum over cells",
    "train/, validation/, test/": "loss, entropy (nats) and accuracy on the split; the endings "
    "_correct and _wrong: of the samples classified so",
    "residual/": "how far the exact laws are off, nats",
    "system/": "load of the machine while the search ran; of live runs only",
}
"""The other metrics, by folder."""
FULL_CELL = 4
"""Nodes of the largest cell whose charts are laid out: 14 edges."""
SPLITS = ("train", "validation", "test")
SECTIONS = {
    "courses": "Courses",
    "P": "P: the ops of each edge",
    "cost": "Local cost: the ops of each edge",
    "credit": "credit",
    "splits": "Loss, entropy, accuracy of each split",
    "residual": "residual",
    "finals": "Model metrics",
}
"""Sections of charts by key, in order. A name that MLflow would give itself gathers the metrics of
that folder; `Model metrics` those without one."""
OPEN = ("courses", "P")
"""The sections that are open at first."""
WIDE = {key: {"columns": 2, "cardHeight": 420} for key in ("P", "cost")}
"""What lets the names of ops be read under a chart of all of them."""
RESIDUALS = ("residual_direct", "residual_inner", "residual_total", "skip_weight")


@dataclass(frozen=True)
class Sample:
    """Metrics of one moment.

    Attributes:
        step: weight steps done.
        timestamp: milliseconds since 1970. Fixed here, so that a batch that is sent again after
            an unclear failure meets its own rows, not new ones.
        metrics: name to value.
    """

    step: int
    timestamp: int
    metrics: dict[str, float]


def params(config: SearchConfig) -> dict[str, str]:
    """The flattened configuration: `space.cells` to `8`; what is not a string is JSON."""

    def flatten(value: Any, name: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                yield from flatten(inner, f"{name}.{key}" if name else key)
        else:
            yield name, value if isinstance(value, str) else json.dumps(value)

    return dict(flatten(config.model_dump(mode="json"), ""))


def tags(config: SearchConfig, scale: str) -> dict[str, str]:
    """What searches are filtered and grouped by."""
    return {
        "kind": "search",
        "scale": scale,
        "experiment": config.experiment,
        **({"variant": config.variant} if config.variant else {}),
        "method": config.method,
        "level": config.level,
        "cell": f"{config.space.cells}x{config.space.nodes}",
        "dataset": config.dataset,
        "seed": str(config.seed),
        "search": config.id,
        "config_sha256": config.digest,
        "mlflow.note.content": note(config),
        "mlflow.source.name": "wiring search",
        "mlflow.source.type": "LOCAL",
    }


def run_name(config: SearchConfig) -> str:
    """What a run is called: what tells it from its neighbours first, since MLflow cuts the end."""
    setting = " ".join(filter(None, (config.method, config.variant, f"s{config.seed}")))
    return f"{setting}, {config.level}-level {config.dataset}"


def note(config: SearchConfig) -> str:
    """What a run is, as Markdown: MLflow shows it as the run's description."""
    space, train = config.space, config.train
    variant = f", variant {config.variant}" if config.variant else ""
    return (
        f"{config.level}-level {config.method} on {config.dataset}{variant}, seed {config.seed}: "
        f"{space.cells} cell(s) of {space.nodes} nodes, {train.all_epochs} epochs.\n\n"
        "Artifacts: `explorer.html` shows the search at any time, all ops of an edge on one scale; "
        "`figures/` those of its condition, `trajectory/` the record of which all else is a view."
    )


def experiment_note(link: str) -> str:
    """What an experiment's numbers are, as Markdown.

    Args:
        link: to the view of :func:`shared_view`, relative to MLflow's own page.
    """
    rows = [
        f"| `{name}` | {meaning} |"
        for group in (COURSES, FINAL, FOLDERS)
        for name, meaning in group.items()
    ]
    return "\n".join(
        [
            f"Each run is a search. [The view with the columns and charts of wiring]({link}).",
            # Apart, since MLflow shows the first paragraph only, until it is asked.
            "",
            "In its charts a colour is a search; where an edge's ops share one, a dash is an op. "
            "A search's own charts are those of its page; its `explorer.html` tells ops by colour.",
            "",
            "| metric | meaning |",
            "| --- | --- |",
            *rows,
        ]
    )


def page_state() -> dict[str, Any]:
    """How an experiment of searches opens in MLflow's UI, as its page keeps it.

    The columns in which searches are compared. Of the charts, first the courses that tell a search,
    then one chart an edge with all its ops on one scale, from 0 to 1; the other sections are
    closed. The charts of one op alone that MLflow makes of every metric are taken out, up to a full
    cell's edges: what competes is not read from charts with a scale each. A chart without data
    MLflow hides by itself, so that one state fits every cell.
    """
    shown = ("method", "level", "dataset", "variant", "seed")
    finals = ("edges_selected", "width_gap", "regrown", "test_accuracy")
    columns = [f"tags.`{name}`" for name in shown] + [f"metrics.`{name}`" for name in finals]
    edges, folders = edges_of(FULL_CELL), ("P", "cost")
    splits = [f"{split}/{name}" for split in SPLITS for name in (*SCALARS, "loss_minus_entropy")]
    charts = [
        *(_chart("courses", name) for name in (*COURSES, "test/accuracy")),
        *(_chart(folder, f"{folder}/{edge}", OPS) for folder in folders for edge in edges),
        *(_chart("splits", name) for name in [*splits, "train/lr"] if name != "test/accuracy"),
        *(
            {**_chart(folder, f"{folder}/{edge}/{op}"), "isGenerated": True, "deleted": True}
            for folder in folders
            for edge in edges
            for op in OPS
        ),
    ]
    sections = [
        {
            "uuid": key,
            "name": name,
            "display": key in OPEN,
            "isReordered": True,
            **WIDE.get(key, {}),
        }
        for key, name in SECTIONS.items()
    ]
    return {
        "selectedColumns": ["attributes.Duration", *columns],
        "runsExpanded": {},
        "compareRunCharts": charts,
        "compareRunSections": sections,
        # Else MLflow sorts the sections by their names.
        "isAccordionReordered": True,
    }


def _chart(section: str, name: str, parts: Sequence[str] = ()) -> dict[str, Any]:
    """A chart of lines, as MLflow's page keeps one.

    Args:
        section: key of its section.
        name: of the metric; or of a folder, whose `parts` are drawn in one chart.
        parts: what stands in that folder. A colour is a search, a dash one of them.
    """
    one: dict[str, Any] = {
        "type": "LINE",
        "uuid": name,
        "metricSectionId": section,
        "metricKey": name,
    }
    # Else the lines are smoothed by MLflow's 70 of 100, whatever the page's own switch says.
    one |= {"displayName": name, "useGlobalLineSmoothing": True, "useGlobalXaxisKey": True}
    if not parts:
        return one
    metrics = [f"{name}/{part}" for part in parts]
    # MLflow knows a name for a chart of many metrics only of those that the machine's nodes share.
    named = {"nodeLevelSystemMetricConfiguration": {"metric": name, "type": "node"}}
    scale = {"range": {"yMin": -0.02, "yMax": 1.02}} if section == "P" else {}
    return {**one, "selectedMetricKeys": metrics, **named, **scale}


def shared_view() -> str:
    """:func:`page_state` as the UI keeps a view that is shared, deflated as it deflates one."""
    text = json.dumps(page_state(), sort_keys=True)
    return f"deflate;{base64.b64encode(zlib.compress(text.encode(), 9)).decode()}"


def finals(trajectory: Trajectory) -> Sample:
    """The numbers of :data:`FINAL` of a whole search, finite ones only."""
    found: dict[str, Any] = {}
    for pattern in PATTERNS:
        found.update(pattern.row(trajectory))
    test = trajectory.column("accuracy", "test", "epochs")
    found["test_accuracy"] = test[-1] if len(test) else math.nan
    step = max(trajectory.windows["step"].to_pylist(), default=0)
    metrics = _finite({name: float(found[name]) for name in FINAL})
    return Sample(
        step, round(_started(trajectory) + trajectory.manifest["seconds"] * 1000), metrics
    )


def _started(trajectory: Trajectory) -> float:
    """Milliseconds since 1970."""
    return datetime.fromisoformat(trajectory.manifest["started"]).timestamp() * 1000


def dataset_digest(manifest: Mapping[str, Any]) -> str:
    """A name for the bytes of a dataset's files, short enough for MLflow (36 characters)."""
    text = json.dumps(manifest["files"], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def window_metrics(
    row: Mapping[str, Any], shape: Shape, level: str, free: Sequence[bool] = ()
) -> dict[str, float]:
    """Metrics of one row of `windows`.

    Args:
        row: as :meth:`wiring.trajectory.TrajectoryWriter.step` takes it.
        shape: the axes of its arrays.
        level: `single` or `bi`. Probabilities, costs, credits and residuals are those of the
            split that alpha learns from.
        free: of each edge, whether the search decides if it exists; all of them when empty.

    Returns:
        Name to value, finite ones only (the trajectory holds the others): `P/2-3/none`,
        `cost/2-3/none` (mean over cells), `credit/2-3` (direct and path, summed over cells, so
        that the edges add up to loss - entropy), `residual/total`, `train/loss` and so on.
    """
    split = row["split"]
    metrics = _scalars(row, split)
    if split == ("validation" if level == "bi" else "train"):

        def array(name: str) -> npt.NDArray[np.float64]:
            # float32 first, as the trajectory stores it: live and replayed values are the same.
            values = np.asarray(row[name], np.float32).astype(np.float64)
            return values.reshape(shape.lengths(WINDOW_FIELDS[name][0]))

        probability, cost = array("probability"), array("cost_mean").mean(axis=0)
        metrics |= _courses(row, probability, shape, free)
        credit = (array("credit_direct") + array("credit_path")).sum(axis=0)
        for e, edge in enumerate(shape.edges):
            metrics[f"credit/{edge}"] = float(credit[e])
            for o, op in enumerate(shape.ops):
                metrics[f"P/{edge}/{op}"] = float(probability[e, o])
                metrics[f"cost/{edge}/{op}"] = float(cost[e, o])
        for name in RESIDUALS:
            metrics[f"residual/{name.removeprefix('residual_')}"] = float(row[name])
    return _finite(metrics)


def epoch_metrics(row: Mapping[str, Any]) -> dict[str, float]:
    """Metrics of one row of `epochs`: the test split's, and the learning rate from `train`.

    The other values of `train` and `validation` are those of the epoch's windows once more.
    """
    if row["split"] == "train":
        return _finite({"train/lr": float(row["lr"])})
    return _finite(_scalars(row, "test")) if row["split"] == "test" else {}


def samples(trajectory: Trajectory, windows: int, epochs: int) -> Iterator[Sample]:
    """The metrics of the first rows of a trajectory.

    Args:
        trajectory: a whole trajectory.
        windows: how many rows of `windows`.
        epochs: how many rows of `epochs`.
    """
    manifest, level = trajectory.manifest, trajectory.config.level
    free = [trajectory.config.space.free(edge) for edge in trajectory.shape.edges]
    steps = trajectory.windows["step"].to_pylist()
    last_of = dict(zip(trajectory.windows["epoch"].to_pylist(), steps, strict=True))
    # The trajectory knows when the search ran, not when each window ended.
    start = _started(trajectory)
    pace = manifest["seconds"] * 1000 / max(steps, default=1)
    for row in trajectory.windows.slice(0, windows).to_pylist():
        step = row["step"]
        metrics = window_metrics(row, trajectory.shape, level, free)
        yield Sample(step, round(start + pace * step), metrics)
    for row in trajectory.epochs.slice(0, epochs).to_pylist():
        step = last_of[row["epoch"]]
        yield Sample(step, round(start + pace * step), epoch_metrics(row))


def genotype(trajectory: Trajectory) -> str:
    """The last epoch's genotype as indented JSON; empty if there is no epoch."""
    found = trajectory.epochs["genotype"]
    return json.dumps(json.loads(found[-1].as_py()), indent=2) if len(found) else ""


def _courses(
    row: Mapping[str, Any],
    probability: npt.NDArray[np.float64],
    shape: Shape,
    free: Sequence[bool],
) -> dict[str, float]:
    """The numbers of :data:`COURSES`."""
    none = shape.ops.index("none") if "none" in shape.ops else -1
    chosen = np.array(free or [True] * len(shape.edges)) & (none >= 0)
    inner = np.array([edge.kind == "intermediate" for edge in shape.edges])
    kept = probability.argmax(axis=1) != none
    found = {
        "edges_kept": float(kept[chosen].sum()),
        "loss_minus_entropy": float(row["loss"]) - float(row["entropy"]),
        "displacement": float(row["displacement"]),
    }
    for name, kind in (("input", ~inner), ("intermediate", inner)):
        if (chosen & kind).any():
            found[f"none_{name}"] = float(probability[chosen & kind, none].mean())
    return found


def _scalars(row: Mapping[str, Any], split: str) -> dict[str, float]:
    metrics = {f"{split}/{name}": float(row[name]) for name in SCALARS}
    metrics[f"{split}/loss_minus_entropy"] = float(row["loss"]) - float(row["entropy"])
    return metrics


def _finite(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if math.isfinite(value)}
