"""Single samples, followed over a search: loss, entropy and credit after every epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from wiring.data.batches import Batches
from wiring.measure import measure_each
from wiring.space import Draw, Supernet


class Followed:
    """The first samples of each split, in batches that never change.

    Args:
        batches: of each split.
        count: samples of each that are recorded.
    """

    def __init__(self, batches: Mapping[str, Batches], count: int) -> None:
        self._count = count
        # As many as a batch has, since batch norm sees them all; some of them are recorded.
        self._first: dict[str, tuple[Tensor, Tensor, Tensor]] = (
            {split: source.first() for split, source in batches.items()} if count else {}
        )

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits whose samples are followed; none if no sample is."""
        return tuple(self._first)

    def rows(self, net: Supernet, split: str, draw: Draw) -> Iterator[dict[str, Any]]:
        """The fields of the `samples` table, but epoch and split, a row a sample."""
        x, y, index = self._first[split]
        statistics, credit = measure_each(net, x, y, draw)
        columns: dict[str, Sequence[Any]] = {
            "sample": index.tolist(),
            "label": y.tolist(),
            "correct": statistics.correct.tolist(),
            "loss": statistics.loss.tolist(),
            "entropy": statistics.entropy.tolist(),
            "credit": list(credit.cpu().numpy()),
        }
        for place in range(self._count):
            yield {name: values[place] for name, values in columns.items()}
