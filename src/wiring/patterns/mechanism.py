"""Mechanism (M): the sign of the cost follows the outcome; the cause of all three patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wiring.patterns.pattern import Claim, Pattern, Statistic, Threshold, Value
from wiring.patterns.readings import field, mean, sample_credit, splits, total_credit
from wiring.patterns.scopes import everywhere

if TYPE_CHECKING:
    from wiring.trajectory import Trajectory


def measure(trajectory: Trajectory) -> dict[str, Value]:
    """The sign of the cost by outcome, of windows and of samples, and its course with accuracy."""
    correct = trajectory.samples["correct"].to_numpy()
    credit = sample_credit(trajectory)
    row: dict[str, Value] = {}
    for kind, right, sign in (("correct", True, -1), ("wrong", False, 1)):
        windows = [field(trajectory, f"credit_{kind}", split) for split in splits(trajectory)]
        own = np.concatenate(windows)
        row[f"sign_{kind}"] = mean(sign * own[~np.isnan(own)] > 0)
        row[f"sample_{kind}"] = mean(sign * credit[correct == right] > 0)
    return {**row, "cost_follows_accuracy": _follows(trajectory)}


def _follows(trajectory: Trajectory) -> float:
    """Rank correlation of accuracy with falling credit."""
    from scipy import stats  # half a second, which checking a scale file need not wait for

    accuracy, credit = field(trajectory, "accuracy"), total_credit(trajectory)
    # A rank correlation needs three windows and two distinct values on either side.
    if len(credit) < 3 or np.ptp(credit) == 0 or np.ptp(accuracy) == 0:
        return float("nan")
    return float(stats.spearmanr(accuracy, -credit).statistic)


_SIGN = Threshold(
    "sign",
    0.9,
    "M: share of the windows, and of the followed samples, in which the cost has the sign of the "
    "outcome",
    0,
    1,
)
_FOLLOWED = "searches that follow single samples"

PATTERN = Pattern(
    id="mechanism",
    order=40,
    title="Mechanism: does the sign of the cost follow the outcome?",
    text=(
        "The paper's cause of all three patterns. Cost is negative on samples that are "
        "classified correctly and positive on the others, so that its mean falls as accuracy "
        "rises.",
        "Half of it can be proved. If the class y of a sample is the likeliest, then "
        "-log p_y <= -log p_k for every class k, and averaging over p gives loss <= entropy: "
        "the direct cost of a correctly classified sample is never positive. Of a wrongly "
        "classified one it can have either sign: it is positive where the network is "
        "confident. Path credit, where skip_connect lets it pass, comes on top of both.",
    ),
    statistics=(
        Statistic(
            "sign_correct",
            "share of the windows (train and validation) in which the own cost of correctly "
            "classified samples, summed over edges and cells, is below 0",
        ),
        Statistic(
            "sign_wrong",
            "share of the windows (train and validation) in which the own cost of wrongly "
            "classified samples, summed over edges and cells, is above 0",
        ),
        Statistic(
            "sample_correct",
            "share of the followed samples, over epochs and splits, that are classified "
            "correctly and have a credit below 0, of those classified correctly",
        ),
        Statistic(
            "sample_wrong",
            "share of the followed samples, over epochs and splits, that are classified "
            "wrongly and have a credit above 0, of those classified wrongly",
        ),
        Statistic(
            "cost_follows_accuracy",
            "Spearman's rank correlation, over the learning split's windows, of accuracy with "
            "the negative of the credit summed over edges and cells",
        ),
    ),
    measure=measure,
    claims=(
        Claim(
            id="M-correct",
            title="Cost is negative on correctly classified samples.",
            statistic="sign_correct",
            threshold=_SIGN,
            side="above",
            scope="every search",
            applies=everywhere,
        ),
        Claim(
            id="M-wrong",
            title="Cost is positive on wrongly classified samples.",
            statistic="sign_wrong",
            threshold=_SIGN,
            side="above",
            scope="every search",
            applies=everywhere,
        ),
        Claim(
            id="M-correct-each",
            title="Cost is negative on each correctly classified sample.",
            statistic="sample_correct",
            threshold=_SIGN,
            side="above",
            scope=_FOLLOWED,
            applies=everywhere,
        ),
        Claim(
            id="M-wrong-each",
            title="Cost is positive on each wrongly classified sample.",
            statistic="sample_wrong",
            threshold=_SIGN,
            side="above",
            scope=_FOLLOWED,
            applies=everywhere,
        ),
        Claim(
            id="M-follows",
            title="Cost falls as accuracy rises.",
            statistic="cost_follows_accuracy",
            threshold=Threshold(
                "follows",
                0.5,
                "M-follows: rank correlation of falling cost with rising accuracy",
                -1,
                1,
            ),
            side="above",
            scope="searches of at least three windows in which accuracy and cost vary",
            applies=everywhere,
        ),
    ),
    columns=(
        "sign_correct",
        "sign_wrong",
        "sample_correct",
        "sample_wrong",
        "cost_follows_accuracy",
        "train_accuracy",
    ),
)
