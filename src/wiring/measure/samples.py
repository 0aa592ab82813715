"""What the classifier says of each sample of a batch."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class SampleStatistics(NamedTuple):
    """Per sample: cross entropy, entropy of the prediction (nats), and whether it is correct.

    For a classifier without bias sum_k (dl/dlogit_k) logit_k = loss - entropy for each sample:
    the last cell's direct credit sums to mean(loss - entropy) (docs/science.md, exact fact 1).
    """

    loss: Tensor
    entropy: Tensor
    correct: Tensor


def sample_statistics(logits: Tensor, labels: Tensor) -> SampleStatistics:
    """Loss, entropy and correctness of each sample.

    Args:
        logits: (B, classes); not detached here, so the loss can be differentiated.
        labels: (B), class indices.
    """
    log_p = F.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=1)
    loss = F.nll_loss(log_p, labels, reduction="none")
    with torch.no_grad():
        entropy = -(log_p.exp() * log_p).sum(1)
        correct = logits.argmax(1) == labels
    return SampleStatistics(loss, entropy, correct)


class SampleSums(NamedTuple):
    """Sums over samples of what :class:`SampleStatistics` holds, and how many samples there were.

    Attributes:
        loss: nats, all samples.
        entropy: nats, all samples.
        correct: number of correctly classified samples.
        loss_correct: nats, the correctly classified samples.
        loss_wrong: nats, the wrongly classified ones.
        entropy_correct: nats, likewise.
        entropy_wrong: nats, likewise.
        samples: number of samples.
    """

    loss: float = 0.0
    entropy: float = 0.0
    correct: float = 0.0
    loss_correct: float = 0.0
    loss_wrong: float = 0.0
    entropy_correct: float = 0.0
    entropy_wrong: float = 0.0
    samples: float = 0.0

    def plus(self, other: SampleSums) -> SampleSums:
        """The sums over both."""
        return SampleSums(*(a + b for a, b in zip(self, other, strict=True)))

    def means(self) -> dict[str, float]:
        """Means under the trajectory's names; NaN for a mean over no sample."""

        def mean(total: float, count: float) -> float:
            return total / count if count else float("nan")

        wrong = self.samples - self.correct
        return {
            "loss": mean(self.loss, self.samples),
            "entropy": mean(self.entropy, self.samples),
            "accuracy": mean(self.correct, self.samples),
            "loss_correct": mean(self.loss_correct, self.correct),
            "loss_wrong": mean(self.loss_wrong, wrong),
            "entropy_correct": mean(self.entropy_correct, self.correct),
            "entropy_wrong": mean(self.entropy_wrong, wrong),
        }

    @classmethod
    def of(cls, sums: Tensor, samples: int) -> SampleSums:
        """From a total of :func:`device_sums`; the host waits for it."""
        return cls._make([*sums.tolist(), float(samples)])


def device_sums(statistics: SampleStatistics) -> Tensor:
    """The first seven of :class:`SampleSums` for one batch, float64 on the device: no wait."""
    loss, entropy = statistics.loss.detach().double(), statistics.entropy.double()
    correct = statistics.correct.double()
    wrong = 1 - correct
    # Sums, not scalar products: how those add up is up to a library and its processor.
    values = [
        loss,
        entropy,
        correct,
        loss * correct,
        loss * wrong,
        entropy * correct,
        entropy * wrong,
    ]
    return torch.stack(values).sum(1)
