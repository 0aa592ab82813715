"""Width (P2): input edges are preferred, so that the final cell is wide and shallow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wiring.patterns.pattern import Claim, Pattern, Statistic, Threshold, Value
from wiring.patterns.readings import (
    field,
    free_places,
    mean,
    none_probability,
    sum_over_cells,
)
from wiring.patterns.scopes import SINGLE, single_level, uniform
from wiring.patterns.shape import cell_shape, uniform_shape

if TYPE_CHECKING:
    from wiring.trajectory import Trajectory


def measure(trajectory: Trajectory) -> dict[str, Value]:
    """P(none) and the cost of an op by class of edge, and the final cell's shape."""
    return {**_none(trajectory), **_shape(trajectory), "cost_gap": _cost_gap(trajectory)}


def _none(trajectory: Trajectory) -> dict[str, Value]:
    """P(none) by class of edge."""
    places = free_places(trajectory)
    none = none_probability(trajectory)[:, places]
    row: dict[str, Value] = {}
    means = {}
    for kind in ("input", "intermediate"):
        members = [trajectory.shape.edges[place].kind == kind for place in places]
        course = none[:, members].mean(axis=1) if any(members) else np.full(len(none), np.nan)
        means[kind] = float(course.mean())
        row[f"none_{kind}_final"] = float(course[-1])
        row[f"none_{kind}_peak"] = float(course.max())
        row[f"none_{kind}_mean"] = means[kind]
    return {**row, "width_gap": means["intermediate"] - means["input"]}


def _shape(trajectory: Trajectory) -> dict[str, Value]:
    """Shape of the final cell, beside that of cells by chance."""
    space, edges = trajectory.config.space, trajectory.shape.edges
    best = field(trajectory, "probability")[-1].argmax(axis=-1)
    ops = [trajectory.shape.ops[column] for column in best]
    selected = [edge for edge, op in zip(edges, ops, strict=True) if op != "none"]
    found = cell_shape(selected, space.outputs)
    alike = uniform_shape(space, sum(space.free(edge) for edge in selected))
    chance = uniform_shape(space)
    wider = (found.width - alike.width) - (found.depth - alike.depth)
    return {
        "depth": found.depth,
        "width": found.width,
        "depth_null": alike.depth,
        "width_null": alike.width,
        "depth_uniform": chance.depth,
        "width_uniform": chance.width,
        "wider": wider if found.depth else float("nan"),
    }


def _cost_gap(trajectory: Trajectory) -> float:
    """How much more an op costs on an intermediate edge than on an input edge."""
    train, shape = trajectory.config.train, trajectory.shape
    cost = field(trajectory, "cost_mean")
    if train.frozen_epochs:
        epochs = trajectory.column("epoch", trajectory.config.learning_split)
        cost = cost[epochs >= train.frozen_epochs + train.epochs]
    cost = sum_over_cells(cost)[..., [op != "none" for op in shape.ops]]

    def of(kind: str) -> float:
        values = cost[:, [edge.kind == kind for edge in shape.edges]]
        return mean(values[~np.isnan(values)])

    return of("intermediate") - of("input")


PATTERN = Pattern(
    id="width",
    order=20,
    title="Width: are input edges preferred?",
    text=(
        "The second pattern. An edge that leaves an intermediate node costs more than one "
        "that leaves an input of the cell, so it drops first and comes back last, if ever: "
        "the cell becomes wide and shallow.",
        "Depth and width of the final cell are those of Shu et al. (ICLR 2020): the longest "
        "path from an input to the output in connections, and the sum over nodes of the share "
        "of their edges that come from inputs. They are held against random cells with as many "
        "edges, for the more edges, the deeper a cell is by chance.",
    ),
    statistics=(
        Statistic(
            "none_input_final",
            "P(none) after the last window, mean over the free input edges",
            of_alpha=True,
            headline=True,
        ),
        Statistic(
            "none_input_peak",
            "largest value over the windows of P(none) averaged over the free input edges",
            of_alpha=True,
        ),
        Statistic(
            "none_input_mean",
            "P(none), mean over the windows and the free input edges",
            of_alpha=True,
        ),
        Statistic(
            "none_intermediate_final",
            "P(none) after the last window, mean over the free intermediate edges",
            of_alpha=True,
            headline=True,
        ),
        Statistic(
            "none_intermediate_peak",
            "largest value over the windows of P(none) averaged over the free intermediate edges",
            of_alpha=True,
        ),
        Statistic(
            "none_intermediate_mean",
            "P(none), mean over the windows and the free intermediate edges",
            of_alpha=True,
        ),
        Statistic(
            "width_gap",
            "none_intermediate_mean - none_input_mean: how much more the search avoids "
            "intermediate edges than input edges, over its whole course",
            of_alpha=True,
            headline=True,
            compared=True,
        ),
        Statistic(
            "depth",
            "connections along the longest path from an input to the output of the final cell, "
            "in which each edge takes its op of largest probability (Shu et al. 2020)",
            of_alpha=True,
            compared=True,
        ),
        Statistic(
            "width",
            "sum over its intermediate nodes of the share of their incoming edges that come from "
            "an input of the cell, in units of C (Shu et al. 2020)",
            of_alpha=True,
            compared=True,
        ),
        Statistic(
            "depth_null",
            "mean depth of uniformly sampled cells with as many selected edges",
            of_alpha=True,
        ),
        Statistic(
            "width_null",
            "mean width of uniformly sampled cells with as many selected edges",
            of_alpha=True,
        ),
        Statistic("depth_uniform", "mean depth of uniformly sampled cells", of_alpha=True),
        Statistic("width_uniform", "mean width of uniformly sampled cells", of_alpha=True),
        Statistic(
            "wider",
            "(width - width_null) - (depth - depth_null): above 0 where the cell is wider than "
            "deeper, compared with chance; undefined if the cell connects no input with the output",
            of_alpha=True,
            headline=True,
        ),
        Statistic(
            "cost_gap",
            "cost of an op, summed over cells, mean over ops but none and over windows: on "
            "intermediate edges less that on input edges; windows of the learning split, only the "
            "frozen ones after training if there are any",
        ),
    ),
    measure=measure,
    claims=(
        Claim(
            id="P2",
            title="Width: intermediate edges are avoided more than input edges.",
            statistic="width_gap",
            threshold=Threshold(
                "width",
                0.05,
                "P2: how much larger, on average over a search, P(none) is on intermediate than on "
                "input edges",
                0,
                1,
            ),
            side="above",
            scope=f"{SINGLE} and that have free edges of both classes",
            applies=single_level,
        ),
        Claim(
            id="P2-shape",
            title="The final cell is wider than deeper, compared with uniformly sampled cells.",
            statistic="wider",
            threshold=Threshold(
                "wider",
                0.0,
                "P2-shape: how much wider than deeper the final cell is, compared with random "
                "cells of as many edges",
            ),
            side="above",
            scope=f"{SINGLE} and that have a free edge",
            applies=single_level,
        ),
        Claim(
            id="P2-cause",
            title="An op costs more on intermediate edges than on input edges.",
            statistic="cost_gap",
            threshold=Threshold(
                "cost_gap",
                0.0,
                "P2-cause: how much more an op costs on intermediate edges than on input edges, "
                "nats",
            ),
            side="above",
            scope="uniformly sampling searches in which every edge is free",
            applies=uniform,
        ),
    ),
    columns=(
        "width_gap",
        "none_input_mean",
        "none_intermediate_mean",
        "none_input_final",
        "none_intermediate_final",
        "depth",
        "width",
        "depth_null",
        "width_null",
        "wider",
        "cost_gap",
    ),
)
