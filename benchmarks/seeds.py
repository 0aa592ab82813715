"""Does it pay to batch two seeds in one process? The heaviest product of DARTS, at embedded size.

Side by side: two processes of one thread, a seed each, as Snakemake runs them on two cores; and one
process of two threads with both seeds in one product. Prints the ratio of their times.

    python -m benchmarks.seeds
"""

from __future__ import annotations

import multiprocessing
import statistics
from multiprocessing.connection import Connection

import torch

from benchmarks.step import quartiles, seconds
from wiring.space import spatial

CHANNELS, BATCH, SIZE = 8, 48, 8
KERNELS = [(3, 1), (5, 1), (3, 2), (5, 2)] * 2  # the convolutions that leave an input node
READINGS, REPEATS = 15, 50


class Stage:
    """One stage of all convolutions that leave a node, forward and backward."""

    def __init__(self, seeds: int) -> None:
        def weight(*shape: int) -> torch.Tensor:
            return torch.randn(shape).requires_grad_()

        kernels = KERNELS * seeds
        self.depthwise = [weight(CHANNELS, k, k) for k, _ in kernels]
        self.pointwise = [weight(CHANNELS, CHANNELS) for _ in kernels]
        self.dilations = [d for _, d in kernels]
        self.maps = [weight(CHANNELS, BATCH, SIZE, SIZE) for _ in range(seeds)]
        self.inputs = [*self.maps, *self.depthwise, *self.pointwise]

    def __call__(self) -> None:
        # One map is shared by its seed's kernels; two seeds have a map each.
        x = self.maps[0]
        if len(self.maps) > 1:
            x = torch.stack(self.maps).repeat_interleave(len(KERNELS), 0)
        out = spatial.sepconv(x, self.depthwise, self.dilations, self.pointwise, 1e-5)
        torch.autograd.grad(out, self.inputs, torch.ones_like(out))

    def repeat(self) -> None:
        for _ in range(REPEATS):
            self()


def worker(pipe: Connection) -> None:
    """A seed of its own: run when told, say when done."""
    torch.set_num_threads(1)
    stage = Stage(1)
    stage.repeat()
    while pipe.recv():
        stage.repeat()
        pipe.send(True)


def main() -> None:
    """Measure and print."""
    context = multiprocessing.get_context("spawn")
    pipes = []
    for _ in range(2):
        ours, theirs = context.Pipe()
        context.Process(target=worker, args=(theirs,), daemon=True).start()
        pipes.append(ours)

    def apart() -> None:
        for pipe in pipes:
            pipe.send(True)
        for pipe in pipes:
            pipe.recv()

    torch.set_num_threads(2)
    both = Stage(2)
    apart()
    both.repeat()
    readings = [(seconds(apart), seconds(both.repeat)) for _ in range(READINGS)]
    for pipe in pipes:
        pipe.send(False)
    ratios = [together / separate for separate, together in readings]
    separate = statistics.median(s for s, _ in readings) / REPEATS
    print(f"two processes: {1e3 * separate:.2f} ms for both seeds")
    print(f"batched / two processes: {quartiles([100 * r for r in ratios])} %")


if __name__ == "__main__":
    main()
