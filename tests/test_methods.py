"""Alpha's gradients against brute-force twins, in float64."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from benchmarks import plain
from tests.test_cost import LABELS, measure
from tests.test_space import CPU, images, make
from wiring.config import SpaceConfig
from wiring.cost import sample_statistics
from wiring.methods import load_method
from wiring.methods.common import one_hot
from wiring.methods.darts import DARTS
from wiring.methods.dsnas import DSNAS
from wiring.space import Candidates


def parts(seed: int = 0, **space: object):
    config = SpaceConfig.model_validate({"cells": 2, "nodes": 2, "channels": 2, **space})
    generator = torch.Generator().manual_seed(seed)
    alpha = torch.randn(len(config.edges), len(config.ops), generator=generator).double()
    return config, make(config, seed), images(6, 8, seed), alpha, Candidates.of(config, CPU)


@pytest.mark.parametrize("seed", range(4))
def test_darts_gradient_is_autograd_through_the_softmax(seed: int) -> None:
    _, net, x, alpha, candidates = parts(seed, forbid_ops={"0-2": ("none", "sep_conv_3x3")})
    method = DARTS()
    draw = method.draw(alpha, candidates, torch.Generator())
    record, _ = measure(net, x, draw, LABELS)
    found = method.gradient(alpha, candidates, draw, record.cost.sum(0))
    alpha.requires_grad_()
    z = alpha.masked_fill(~candidates.mask, -torch.inf).softmax(-1)
    loss = sample_statistics(plain.forward(net, x, z), LABELS).loss.mean()
    (twin,) = torch.autograd.grad(loss, alpha)
    torch.testing.assert_close(found, twin, rtol=1e-8, atol=1e-12)
    assert found[0, [0, 4]].abs().max() == 0


@pytest.mark.parametrize("seed", range(4))
def test_dsnas_gradient_of_one_draw_is_the_score_times_the_cost(seed: int) -> None:
    _, net, x, alpha, candidates = parts(seed)
    method = DSNAS()
    draw = method.draw(alpha, candidates, torch.Generator().manual_seed(seed))
    record, _ = measure(net, x, draw, LABELS)
    found = method.gradient(alpha, candidates, draw, record.cost.sum(0))
    alpha.requires_grad_()
    # The cost from the plain twin: dL/dZ of the sampled op, per edge, summed over the cells.
    z = draw.gates.clone().requires_grad_()
    loss = sample_statistics(plain.forward(net, x, z), LABELS).loss.mean()
    (cost,) = torch.autograd.grad(loss, z)
    sampled = (draw.gates * cost).sum(-1)
    log_p = (alpha.log_softmax(-1) * draw.gates).sum(-1)
    (twin,) = torch.autograd.grad((log_p * sampled).sum(), alpha)
    torch.testing.assert_close(found, twin, rtol=1e-8, atol=1e-12)


def test_dsnas_expected_gradient_by_enumeration() -> None:
    """Over every wiring of a small space: E_Z[grad log p(Z) C(Z)], by draws and by enumeration."""
    ops = ["none", "skip_connect", "sep_conv_3x3"]
    _, net, x, alpha, candidates = parts(1, cells=1, nodes=1, ops=ops)
    method = DSNAS()
    p = alpha.softmax(-1)
    costs, expected = {}, torch.zeros_like(alpha)
    for columns in product(range(3), repeat=2):
        draw = one_hot(torch.tensor(columns), alpha)
        record, _ = measure(net, x, draw, LABELS)
        costs[columns] = record.cost.sum(0)
        weight = p[0, columns[0]] * p[1, columns[1]]
        expected += weight * method.gradient(alpha, candidates, draw, costs[columns])
    total, generator, n = torch.zeros_like(alpha), torch.Generator().manual_seed(0), 20_000
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(n):
        draw = method.draw(alpha, candidates, generator)
        columns = tuple(columns[0] for columns in draw.active)
        counts[columns] = counts.get(columns, 0) + 1
        total += method.gradient(alpha, candidates, draw, costs[columns])
    # Five standard errors of the mean, from the spread of the gradients themselves.
    spread = (
        torch.stack(
            [
                method.gradient(alpha, candidates, one_hot(torch.tensor(c), alpha), k)
                for c, k in costs.items()
            ]
        )
        .abs()
        .amax(0)
    )
    assert ((total / n - expected).abs() <= 5 * spread / n**0.5 + 1e-15).all()
    for columns, count in counts.items():
        weight = float(p[0, columns[0]] * p[1, columns[1]])
        assert count / n == pytest.approx(weight, abs=5 * (weight * (1 - weight) / n) ** 0.5)


@pytest.mark.parametrize("name", ["dsnas", "darts"])
def test_forbidden_and_fixed_ops_never_move(name: str) -> None:
    space, net, x, alpha, candidates = parts(
        2, fix_edges={"0-3": "sep_conv_3x3"}, forbid_ops={"2-3": ("none",)}, delete_edges=["1-2"]
    )
    method = load_method(name)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        draw = method.draw(alpha, candidates, generator)
        record, _ = measure(net, x, draw, LABELS)
        gradient = method.gradient(alpha, candidates, draw, record.cost.sum(0))
        assert gradient[~candidates.mask].abs().max() == 0
        assert gradient[space.edges.index("0-3")].abs().max() < 1e-15
        assert draw.gates[~candidates.mask].abs().max() == 0
        assert 4 in draw.active[space.edges.index("0-3")]
        assert 0 not in draw.active[space.edges.index("2-3")]


def test_unknown_method_names_the_known_ones() -> None:
    with pytest.raises(LookupError, match=r"'enas'.*darts, dsnas"):
        load_method("enas")
