"""How far float32's costs are from float64's, beside the plain implementation's: over many nets.

    python -m benchmarks.rounding --cells 8 --batch 8 --nets 12

Rounding itself is 1e-6. But an error of a feature map lets a ReLU or a max pool choose otherwise
here and there, and one such choice is worth 1e-4 to 1e-2 of a cell's costs: what counts is how many
nets have one, so one net says nothing.
"""

from __future__ import annotations

import argparse
import statistics

import torch
import torch.nn.functional as F

from benchmarks import plain
from wiring.config import SpaceConfig
from wiring.measure import measure
from wiring.methods.darts import DARTS
from wiring.space import Candidates, Supernet


def errors(cells: int, batch: int, size: int, seed: int) -> tuple[float, float]:
    """The largest error of a cost over the cell's largest cost: ours, and the plain twin's."""
    space = SpaceConfig(cells=cells, nodes=2, channels=16)
    draw = DARTS().evaluation(
        torch.zeros(len(space.edges), len(space.ops), dtype=torch.float64),
        Candidates.of(space, torch.device("cpu")),
    )
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(batch, 3, size, size, generator=generator)
    labels = torch.randint(10, (batch,), generator=generator)
    net = Supernet(space, 3, 10, torch.Generator().manual_seed(seed))
    ours = measure(net, images, labels, draw, weights=False).cost
    gates = draw.gates.float().repeat(cells, 1, 1).requires_grad_()
    F.cross_entropy(plain.forward(net, images, gates), labels).backward()
    assert gates.grad is not None
    exact = measure(net.double(), images.double(), labels, draw, weights=False).cost
    largest = exact.abs().amax((1, 2), keepdim=True)
    with_cost = exact != 0  # `none` has none by definition; autograd gives its gate one
    return tuple(
        (((found - exact) / largest)[with_cost]).abs().max().item()
        for found in (ours, gates.grad.double())
    )


def main() -> None:
    """Print quartiles over the nets."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--nets", type=int, default=12)
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = [errors(args.cells, args.batch, args.size, seed) for seed in range(args.nets)]
    for name, values in zip(("this project", "plain"), zip(*found, strict=True), strict=True):
        quartiles = ", ".join(f"{q:.1e}" for q in statistics.quantiles(values, n=4))
        off = sum(value > 1e-5 for value in values)
        print(
            f"{name}: quartiles {quartiles}, mean {statistics.mean(values):.1e}, "
            f"{off} of {len(values)} nets beyond 1e-5"
        )


if __name__ == "__main__":
    main()
