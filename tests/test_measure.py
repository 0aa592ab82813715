"""Local costs and the exact facts of the paper, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import plain
from tests.strategies import spaces
from tests.test_space import CPU, images, make
from wiring.config import OPS, Edge, SpaceConfig
from wiring.measure import (
    Measurement,
    Window,
    measure_each,
    sample_statistics,
)
from wiring.measure import measure as measure_pass
from wiring.measure.measurement import _pass
from wiring.measure.probe import one_by_one
from wiring.methods.protocol import Context, load_method
from wiring.space import Candidates, Draw, Supernet

LABELS = torch.tensor([0, 1, 2, 3, 4, 0, 1, 2])
METHODS = ["darts", "dsnas", "proxylessnas", "snas"]
NO_SKIP = {"2-3": ("skip_connect",)}


def measure(net: Supernet, x: torch.Tensor, draw: Draw, labels: torch.Tensor) -> Measurement:
    """One recorded backward pass."""
    return measure_pass(net, x, labels, draw, weights=True)


def random_draw(space: SpaceConfig, method: str, seed: int) -> Draw:
    generator = torch.Generator().manual_seed(seed)
    alpha = torch.randn(len(space.edges), len(space.ops), generator=generator).double()
    return load_method(method).draw(alpha, Candidates.of(space, CPU), generator, Context())


def credit(record: Measurement) -> tuple[torch.Tensor, torch.Tensor]:
    """Direct and path credit, (cells, edges) each."""
    return (
        (record.gates * record.direct).sum(-1),
        (record.gates * (record.cost - record.direct)).sum(-1),
    )


def assert_paths_are_handed_on(space: SpaceConfig, row: dict[str, Any]) -> None:
    """The path credit of the edges into a node is what the edges out of it hand on."""
    for node in range(2, space.nodes + 2):
        into = [place for place, edge in enumerate(space.edges) if edge.target == node]
        out = [place for place, edge in enumerate(space.edges) if edge.source == node]
        passed, handed = row["credit_path"][:, into].sum(1), row["credit_skip"][:, out].sum(1)
        np.testing.assert_allclose(passed, handed, atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(spaces(), st.sampled_from(METHODS), st.sampled_from([6, 18]), st.integers(0, 2**16))
def test_cost_is_the_loss_derivative_of_the_gate(
    space: SpaceConfig, method: str, size: int, seed: int
) -> None:
    net, x, labels = make(space, seed), images(size, 8, seed), LABELS
    draw = random_draw(space, method, seed)
    record = measure(net, x, draw, labels)
    gates = draw.gates.expand(space.cells, -1, -1).clone().requires_grad_()
    loss = sample_statistics(plain.forward(net, x, gates), labels).loss.mean()
    (twin,) = torch.autograd.grad(loss, gates)
    # Autograd gives a derivative for ops that were not drawn, too: there is no cost of them.
    torch.testing.assert_close(record.cost, twin * record.evaluated, rtol=1e-10, atol=1e-10)


def test_cost_by_finite_differences() -> None:
    space = SpaceConfig(cells=2, nodes=2, channels=2)
    net, x = make(space, 3), images(8, 8)
    draw = random_draw(space, "darts", 5)
    record = measure(net, x, draw, LABELS)
    h = 1e-6
    for cell, edge, op in [(0, 0, 4), (0, 4, 1), (1, 2, 2), (1, 4, 7), (0, 3, 3), (1, 1, 0)]:
        losses = []
        for sign in (1, -1):
            gates = draw.gates.expand(2, -1, -1).clone()
            gates[cell, edge, op] += sign * h
            with torch.no_grad():
                logits = plain.forward(net, x, gates)
                losses.append(sample_statistics(logits, LABELS).loss.mean())
        slope = (losses[0] - losses[1]) / (2 * h)
        torch.testing.assert_close(record.cost[cell, edge, op], slope, rtol=1e-5, atol=1e-9)


def test_none_costs_exactly_zero() -> None:
    space = SpaceConfig(cells=2, nodes=2, channels=2)
    record = measure(make(space), images(8, 8), random_draw(space, "darts", 0), LABELS)
    assert record.cost[..., 0].abs().max() == 0
    assert record.evaluated[:, 0].min() == 1


def test_cost_splits_over_correct_and_wrong_samples() -> None:
    """Behind the last cell nothing couples samples: a twin is the loss of the wrong ones alone."""
    space = SpaceConfig(cells=1, nodes=1, channels=3)
    net, x = make(space, 2), images(8, 8, 4)
    draw = random_draw(space, "darts", 1)
    labels = net(net.embed(x), draw).argmax(1)
    labels[:3] = (labels[:3] + 1) % 5
    record = measure(net, x, draw, labels)
    gates = draw.gates.clone().requires_grad_()
    loss = sample_statistics(plain.forward(net, x, gates), labels).loss
    (twin,) = torch.autograd.grad(loss[:3].sum() / 8, gates)
    torch.testing.assert_close(record.wrong[0], twin, rtol=1e-9, atol=1e-12)
    assert (record.cost - record.wrong).abs().max() > 1e-6


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cells", [1, 2])
def test_credit_of_single_samples(method: str, cells: int) -> None:
    """They add up to the batch's; in the last cell each is the derivative of its own loss."""
    space = SpaceConfig(cells=cells, nodes=2, channels=3, forbid_ops=NO_SKIP)
    net, x = make(space, 2), images(8, 8, 4)
    draw = random_draw(space, method, 1)
    statistics, found = measure_each(net, x, LABELS, draw)
    record = measure(net, x, draw, LABELS)
    whole = (record.gates * record.cost).sum((0, 2))
    torch.testing.assert_close(found.mean(0), whole, rtol=1e-9, atol=1e-12)
    _, probe = _pass(net, x, LABELS, draw, one_by_one, weights=False)
    direct = (probe.direct[:, -1].sum(1) * len(x)) if method in {"dsnas"} else None
    gap = (statistics.loss - statistics.entropy).detach()
    if direct is not None:
        torch.testing.assert_close(direct, gap, rtol=1e-9, atol=1e-12)  # fact 1, one by one
    if cells == 1:
        gates = draw.gates.expand(len(x), 1, -1, -1)
        for sample in range(3):
            own = gates[sample].clone().requires_grad_()
            loss = sample_statistics(plain.forward(net, x, own), LABELS).loss[sample]
            (twin,) = torch.autograd.grad(loss, own)
            into_last = [space.edges.index(Edge.parse(edge)) for edge in ("0-3", "1-3", "2-3")]
            mine = found[sample, into_last]
            theirs = (own * twin).sum(-1)[0, into_last].detach()
            torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(5))
def test_fact_1_direct_credit_of_the_last_cell_is_loss_minus_entropy(
    method: str, seed: int
) -> None:
    space = SpaceConfig(cells=3, nodes=2, channels=3)
    draw = random_draw(space, method, seed)
    record = measure(make(space, seed), images(8, 8, seed), draw, LABELS)
    gap = (record.samples.loss.detach() - record.samples.entropy).mean()
    torch.testing.assert_close(credit(record)[0][-1].sum(), gap, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(5))
def test_fact_2_no_credit_past_an_intermediate_edge(method: str, seed: int) -> None:
    space = SpaceConfig(cells=1, nodes=2, channels=3, forbid_ops=NO_SKIP)
    draw = random_draw(space, method, seed)
    record = measure(make(space, seed, 1e-12), images(8, 8, seed), draw, LABELS)
    direct, path = credit(record)
    into_2 = [0, 1]
    assert path[0, into_2].sum().abs() < 1e-9
    assert direct[0].abs().max() > 1e-6  # the law is not met by there being nothing at all


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("nodes", [2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_fact_3_conservation(method: str, nodes: int, seed: int) -> None:
    space = SpaceConfig(cells=3, nodes=nodes, channels=3)
    forbidden = {e: ("skip_connect",) for e in space.edges if e.kind == "intermediate"}
    space = SpaceConfig(cells=3, nodes=nodes, channels=3, forbid_ops=forbidden)
    draw = random_draw(space, method, seed)
    record = measure(make(space, seed, 1e-12), images(8, 8, seed), draw, LABELS)
    per_cell = sum(credit(record)).sum(-1)
    gap = (record.samples.loss.detach() - record.samples.entropy).mean()
    assert per_cell[:-1].abs().max() < 1e-9
    torch.testing.assert_close(per_cell.sum(), gap, rtol=1e-7, atol=1e-9)


def test_skip_on_an_intermediate_edge_breaks_the_law_as_it_must() -> None:
    space = SpaceConfig(cells=2, nodes=2, channels=3, fix_edges={"2-3": "skip_connect"})
    draw = random_draw(space, "darts", 1)
    record = measure(make(space, 1, 1e-12), images(8, 8, 1), draw, LABELS)
    gap = (record.samples.loss.detach() - record.samples.entropy).mean()
    assert (sum(credit(record)).sum() - gap).abs() > 1e-4


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("nodes", [2, 4])
def test_the_laws_hold_with_skip_once_it_is_not_counted_twice(method: str, nodes: int) -> None:
    """docs/science.md, facts 2 and 3, for mixtures and for skip that was sampled."""
    space = SpaceConfig(cells=3, nodes=nodes, channels=3)
    net, window = make(space, 2, 1e-12), Window(space, CPU)
    draw = random_draw(space, method, 1)
    fixed = draw.gates.clone()
    if method in {"dsnas", "proxylessnas"}:  # the last edge takes skip for sure
        fixed[-1] = 0
        fixed[-1, OPS.index("skip_connect")] = 1
        active = (*draw.active[:-1], (OPS.index("skip_connect"),))
        draw = Draw(fixed, active)
    window.add(measure(net, images(8, 8, 2), draw, LABELS))
    row = window.row()
    assert row["skip_weight"] > 0
    assert row["residual_inner"] < 1e-9
    assert row["residual_total"] < 1e-7
    assert np.abs(row["credit_skip"]).max() > 1e-9  # the law is not met by there being nothing
    assert_paths_are_handed_on(space, row)


def test_window_equals_numpy_over_its_steps() -> None:
    space = SpaceConfig(cells=2, nodes=2, channels=2)
    net, window = make(space), Window(space, CPU)
    records, statistics = [], []
    for seed in range(12):
        record = measure(net, images(6, 8, seed), random_draw(space, "dsnas", seed), LABELS)
        window.add(record)
        records.append(record)
        statistics.append(record.samples)
        net.zero_grad()
    row = window.row()
    evaluated = np.stack([r.evaluated.numpy() for r in records]).astype(bool)
    cost = np.stack([r.cost.numpy() for r in records])
    wrong = np.stack([r.wrong.numpy() for r in records])
    n_wrong = np.array([int((~s.correct).sum()) for s in statistics])
    assert window.steps == 12
    assert window.samples == 96
    np.testing.assert_array_equal(row["count"], evaluated.sum(0))
    for edge in range(5):
        for op in range(8):
            at = evaluated[:, edge, op]
            mine = cost[at, :, edge, op]
            if not at.any():
                assert np.isnan(row["cost_mean"][:, edge, op]).all()
                continue
            np.testing.assert_allclose(row["cost_mean"][:, edge, op], mine.mean(0), atol=1e-14)
            np.testing.assert_allclose(row["cost_var"][:, edge, op], mine.var(0), atol=1e-14)
            own = 8 * wrong[at, :, edge, op].sum(0) / n_wrong[at].sum()
            np.testing.assert_allclose(row["cost_wrong"][:, edge, op], own, atol=1e-12)
            if (n_wrong[at] == 8).all():
                assert np.isnan(row["cost_correct"][:, edge, op]).all()
                continue
            rest = 8 * (mine - wrong[at, :, edge, op]).sum(0) / (8 - n_wrong[at]).sum()
            np.testing.assert_allclose(row["cost_correct"][:, edge, op], rest, atol=1e-12)
    losses = torch.cat([s.loss.detach() for s in statistics]).numpy()
    correct = torch.cat([s.correct for s in statistics]).numpy()
    assert row["loss"] == pytest.approx(losses.mean())
    assert row["loss_wrong"] == pytest.approx(losses[~correct].mean())
    assert row["accuracy"] == pytest.approx(correct.mean())
    assert row["residual_direct"] < 1e-12
    # All samples' own credit, weighted by their number, is the sum of all credit.
    own = np.nansum([row["credit_correct"] * correct.sum(), row["credit_wrong"] * (~correct).sum()])
    both = row["credit_direct"].sum() + row["credit_path"].sum()
    assert own / 96 == pytest.approx(both)
    gates = np.stack([r.gates.numpy() for r in records])[:, None]
    np.testing.assert_allclose(
        row["credit_square"], ((cost * gates).sum((1, 3)) ** 2).mean(0), atol=1e-14
    )
    assert row["credit_wrong"] == pytest.approx(8 * (wrong * gates).sum() / (~correct).sum())


def test_in_a_windows_means_a_sample_weighs_alike_in_whatever_batch() -> None:
    """A full batch and a last one of three samples, by hand; with gap and credit at one."""
    space = SpaceConfig(cells=2, nodes=2, channels=2, forbid_ops=NO_SKIP)
    net, window = make(space, eps=1e-12), Window(space, CPU)
    records, sizes = [], (8, 3)
    for seed, size in enumerate(sizes):
        draw = random_draw(space, "darts", seed)
        records.append(measure(net, images(8, size, seed), draw, LABELS[:size]))
        window.add(records[-1])
    row = window.row()
    cost = np.stack([record.cost.numpy() for record in records])
    mean = np.average(cost, axis=0, weights=sizes)
    mean[:, row["count"] == 0] = np.nan  # skip on 2-3
    np.testing.assert_allclose(row["cost_mean"], mean, atol=1e-14)
    spread = np.average((cost - mean) ** 2, axis=0, weights=sizes)
    np.testing.assert_allclose(row["cost_var"], spread, atol=1e-14)
    correct = torch.cat([record.samples.correct for record in records]).numpy()
    own = (
        sum(size * record.wrong.numpy() for size, record in zip(sizes, records, strict=True))
        / (~correct).sum()
    )
    own[:, row["count"] == 0] = np.nan
    np.testing.assert_allclose(row["cost_wrong"], own, atol=1e-14)
    both = row["credit_direct"].sum() + row["credit_path"].sum()
    assert both == pytest.approx(row["loss"] - row["entropy"], abs=1e-8)
    gaps = [float((r.samples.loss.detach() - r.samples.entropy).mean()) for r in records]
    assert abs(gaps[0] - gaps[1]) > 1e-3  # weighed by steps it would be another number


def test_sample_statistics_by_hand() -> None:
    p = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]], dtype=torch.float64)
    s = sample_statistics(p.log(), torch.tensor([0, 1]))
    torch.testing.assert_close(s.loss, torch.tensor([np.log(2), np.log(10)]))
    expected = [1.5 * np.log(2), -(0.2 * np.log(0.1) + 0.8 * np.log(0.8))]
    torch.testing.assert_close(s.entropy, torch.tensor(expected))
    assert s.correct.tolist() == [True, False]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.floats(-30, 30), min_size=2, max_size=12))
def test_a_correct_sample_has_no_more_loss_than_entropy(logits: list[float]) -> None:
    """Our proof in the report: -log p_y <= -log p_k for all k, averaged over p."""
    x = torch.tensor([logits], dtype=torch.float64)
    statistics = sample_statistics(x, x.argmax(1))
    assert statistics.correct.all()
    assert (statistics.loss <= statistics.entropy + 1e-12).all()
