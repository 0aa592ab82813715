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
