"""Partial channels (PC-DARTS) against the plain twin, and the laws with what passes edges by."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks import plain
from tests.strategies import spaces
from tests.test_measure import (
    LABELS,
    METHODS,
    assert_paths_are_handed_on,
    credit,
    measure,
    random_draw,
)
from tests.test_space import CPU, images, make
from wiring.config import OPS, AlphaConfig, SpaceConfig
from wiring.measure import Window, measure_each, sample_statistics
from wiring.methods.check import faults_of
from wiring.methods.common import one_hot
from wiring.methods.pc_darts import PCDARTS
from wiring.methods.protocol import Context, load_method
from wiring.space import Candidates, Supernet, plan_of, small, spatial

QUARTER = {"cells": 2, "nodes": 2, "channels": 4, "partial": 4}


def test_a_shuffle_interleaves_its_groups() -> None:
    x = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 2, 3, 3)
    found = spatial.shuffle(x, 3)[:, 0, 0, 0].tolist()
    assert found == [0, 2, 4, 1, 3, 5]


@settings(deadline=None, max_examples=40)
@given(
    spaces(partial=True), st.sampled_from(METHODS), st.sampled_from([6, 11]), st.integers(0, 2**16)
)
def test_outputs_gradients_and_costs_equal_the_plain_twin(
    space: SpaceConfig, method: str, size: int, seed: int
) -> None:
    net, x = make(space, seed), images(size, 8, seed)
    draw = random_draw(space, method, seed)
    record = measure(net, x, draw, LABELS)
    found = {name: weight.grad for name, weight in net.named_parameters()}
    net.zero_grad()
    gates = draw.gates.expand(space.cells, -1, -1).clone().requires_grad_()
    logits = plain.forward(net, x, gates)
    with torch.no_grad():
        torch.testing.assert_close(net(net.embed(x), draw), logits, rtol=1e-9, atol=1e-9)
    loss = sample_statistics(logits, LABELS).loss.mean()
    if loss.requires_grad:  # else the outputs are not reached
        loss.backward()

    def known(grad: torch.Tensor | None, of: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(of) if grad is None else grad

    twin = known(gates.grad, gates.detach()) * record.evaluated
    torch.testing.assert_close(record.cost, twin, rtol=1e-8, atol=1e-9)
    for name, weight in net.named_parameters():
        mine, theirs = (known(grad, weight) for grad in (found[name], weight.grad))
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-9)
    _, own = measure_each(net, x, LABELS, draw)
    whole = (record.gates * record.cost).sum((0, 2))
    torch.testing.assert_close(own.mean(0), whole, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("nodes", [2, 4])
def test_the_laws_hold_with_what_passes_by_counted_once(method: str, nodes: int) -> None:
    """It is handed on as skip hands on: docs/science.md, facts 1 to 3."""
    space = SpaceConfig(cells=3, nodes=nodes, channels=4, partial=2)
    net, window = make(space, 2, 1e-12), Window(space, CPU)
    record = measure(net, images(8, 8, 2), random_draw(space, method, 1), LABELS)
    gap = (record.samples.loss.detach() - record.samples.entropy).mean()
    torch.testing.assert_close(credit(record)[0][-1].sum(), gap, rtol=1e-9, atol=1e-12)
    window.add(record)
    row = window.row()
    assert row["residual_direct"] < 1e-9
    assert row["residual_inner"] < 1e-9
    assert row["residual_total"] < 1e-7
    assert np.abs(row["credit_skip"]).max() > 1e-6
    assert_paths_are_handed_on(space, row)


def test_none_has_the_cost_of_what_passes_by_and_drops_no_edge() -> None:
    """So with one-hot gates it is no empty network, and no op competes with a cost of 0."""
    space = SpaceConfig.model_validate(QUARTER)
    net = make(space)
    draw = one_hot(torch.zeros(5).long(), torch.zeros(5, 8, dtype=torch.float64))
    record = measure(net, images(8, 8), draw, LABELS)
    assert plan_of(space, draw.active).passed == (0, 1, 2, 3, 4)
    assert (record.cost[..., 0] != 0).all()
    assert torch.equal(record.cost[..., 0], record.past)
    assert net(net.embed(images(8, 8)), draw).abs().max() > 1e-3


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(["dsnas", "gdas", "proxylessnas"]),
    st.sampled_from([1, 2, 4]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
    st.integers(0, 2**16),
)
def test_the_weights_that_learn_are_those_that_the_loss_depends_on(
    method: str, partial: int, nodes: int, cells: int, last: bool, seed: int
) -> None:
    """Whatever is drawn: `none` cuts an edge, and with partial channels it does not."""
    outputs = (nodes + 1,) if last else None
    space = SpaceConfig(cells=cells, nodes=nodes, channels=4, partial=partial, output_nodes=outputs)
    net, x = make(space, seed), images(17, 4, seed)  # so large that autograd sees each op
    generator = torch.Generator().manual_seed(seed)
    alpha = torch.randn(len(space.edges), len(space.ops), generator=generator).double()
    alpha[:, 0] += 1.5  # so that whole nodes are left without an op
    draw = load_method(method).draw(alpha, Candidates.of(space, CPU), generator, Context())
    weights = list(net.parameters())
    logits = net(net.embed(x), draw)
    reached = torch.autograd.grad(logits.sum(), weights, allow_unused=True)
    measure(net, x, draw, LABELS[:4])
    learns = torch.zeros_like(net.weights, dtype=torch.bool)
    for part in net.learning(draw):
        learns[part] = True
    assert not net.gradient[~learns].any()
    sizes = [weight.numel() for weight in weights]
    for weight, slope, own in zip(weights, reached, learns.split(sizes), strict=True):
        assert own.all() == own.any(), weight.shape
        # An op at rest is evaluated: autograd reaches it through its gate of 0.
        assert own.any() == (slope is not None) or (draw.resting and not own.any()), weight.shape


def test_less_is_convolved_and_all_of_it_by_the_spatial_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = SpaceConfig.model_validate(QUARTER)
    net, whole = make(space), make(space.model_copy(update={"partial": 1}))
    assert net.cells[0].convs["0-2:sep_conv_3x3"].pointwise[0].shape == (1, 1)
    assert sum(p.numel() for p in net.parameters()) < sum(p.numel() for p in whole.parameters())
    monkeypatch.setattr(small, "Run", None)  # whoever calls it fails
    draw = random_draw(space, "darts", 0)
    assert net(net.embed(images(6)), draw).shape == (4, 5)
    with pytest.raises(TypeError):
        whole(whole.embed(images(6)), draw)


def test_channels_that_cannot_be_parted_are_refused() -> None:
    with pytest.raises(ValidationError, match="partial: 3 does not divide the 4 channels"):
        SpaceConfig(channels=4, partial=3)
    with pytest.raises(ValidationError, match=r"partial\n.*greater than or equal to 1"):
        SpaceConfig(channels=4, partial=0)


def test_where_channels_pass_by_an_edge_of_none_leads_on() -> None:
    fixed = {str(edge): "none" for edge in SpaceConfig().all_edges}
    none = {"fix_edges": fixed, "channels": 4}
    assert SpaceConfig.model_validate(none).constant
    assert not SpaceConfig.model_validate({**none, "partial": 4}).constant
    assert len(Supernet(SpaceConfig(**QUARTER), 3, 10).cells) == 2
    assert OPS[0] == "none"


@pytest.mark.parametrize("partial", [1, 2])
def test_pc_darts_learns_the_derivative_of_the_loss(partial: int) -> None:
    """Of both its parameters, through the whole network: the loss knows neither of costs."""
    space = SpaceConfig(cells=2, nodes=2, channels=4, partial=partial)
    net, x, method = make(space, 1), images(8, 8, 1), PCDARTS()
    alpha = torch.randn(5, 8, generator=torch.Generator().manual_seed(0)).double()
    beta = torch.tensor([0.3, -0.2, 0.1, 0.5, -0.4]).double()
    method.optimizer(alpha, AlphaConfig())
    method.load_state_dict({"beta": beta})
    candidates, moment = Candidates.of(space, CPU), Context(progress=0.5)
    draw = method.draw(alpha, candidates, torch.Generator(), moment)
    record = measure(net, x, draw, LABELS)
    found = method.gradient(alpha, candidates, draw, record.cost.sum(0), moment)
    alpha.requires_grad_()
    beta.requires_grad_()
    b = torch.cat([beta[:2].softmax(0), beta[2:].softmax(0)])
    logits = plain.forward(net, x, b[:, None] * alpha.softmax(-1))
    sample_statistics(logits, LABELS).loss.mean().backward()
    torch.testing.assert_close(found, alpha.grad, rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(method.beta.grad, beta.grad, rtol=1e-8, atol=1e-12)


def test_pc_darts_keeps_what_a_search_relies_on() -> None:
    assert faults_of("pc-darts", PCDARTS) == ()
