"""How sharply the loss of the mixture bends in alpha: RobustDARTS's statistic, 1909.09656."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from wiring.measure import measure
from wiring.methods.common import probabilities, through_softmax
from wiring.space import Candidates, Draw, Supernet

STEP = 3e-5
"""Length of the step of alpha by which a Hessian-vector product is a difference of gradients.

The loss has kinks (ReLU, max pool): a step of 1e-3 already crosses some, and gives another number
than the Hessian. Costs are summed in float64, so that so short a one leaves enough digits.
"""
TOLERANCE = 1e-3
"""Of the eigenvalue, relative."""


def largest_eigenvalue(gradient: Callable[[Tensor], Tensor], at: Tensor) -> float:
    """The largest eigenvalue of the symmetric Jacobian of a gradient, by Lanczos's method.

    A product with the Hessian is (g(x + h v) - g(x - h v)) / 2h for v of length 1, two gradients.
    NaN where they are not finite.

    Args:
        gradient: g.
        at: x, of any shape, float64.
    """
    # A search that does not ask for it need not wait for scipy.
    from scipy.sparse.linalg import LinearOperator, eigsh

    size = at.numel()

    def product(v: np.ndarray) -> np.ndarray:
        norm = float(np.linalg.norm(v))
        if norm == 0:
            return np.zeros(size)
        step = torch.from_numpy(v.reshape(at.shape) / norm).to(at) * STEP
        change = gradient(at + step) - gradient(at - step)
        return np.asarray(change.flatten().cpu().numpy() * (norm / (2 * STEP)))

    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    start = np.random.default_rng(0).normal(size=size)  # the same each time, and no global chance
    first = product(start)
    if not np.isfinite(first).all():
        return math.nan
    if not first.any():
        return 0.0  # nothing is to choose, or nothing any more: Lanczos's method would not begin
    found = eigsh(operator, k=1, which="LA", v0=start, tol=TOLERANCE, return_eigenvectors=False)
    return float(found[0])


def curvature(net: Supernet, alpha: Tensor, candidates: Candidates, x: Tensor, y: Tensor) -> float:
    """The largest eigenvalue of the Hessian in alpha of the loss at the mixture softmax(alpha).

    Whatever the method's own gates are; the weights and their gradients stay as they are.

    Args:
        net: the supernet.
        alpha: (edges, ops), float64.
        candidates: what each edge may take.
        x: (B, channels, H, W), normalised.
        y: (B), class indices.
    """

    def gradient(moved: Tensor) -> Tensor:
        gates = probabilities(moved, candidates)
        cost = measure(net, x, y, Draw(gates, candidates.columns), weights=False).cost.sum(0)
        return through_softmax(gates, cost)

    # A softmax does not see what all its inputs share, so 0 is always among the eigenvalues.
    found = largest_eigenvalue(gradient, alpha.detach())
    return found if math.isnan(found) else max(found, 0.0)
