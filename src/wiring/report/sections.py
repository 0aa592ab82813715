"""What the report says, in the paper's order: prose, and which claims and numbers go with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A part of the report: a question, the claims that answer it, and the numbers behind them.

    Attributes:
        id: anchor.
        title: heading.
        text: paragraphs.
        claims: ids of `wiring.claims.CLAIMS`.
        columns: columns of the searches table, one value a condition (mean over seeds).
    """

    id: str
    title: str
    text: tuple[str, ...]
    claims: tuple[str, ...]
    columns: tuple[str, ...]


SECTIONS: tuple[Section, ...] = (
    Section(
        "growth",
        "Growth: do searches grow rather than prune?",
        (
            "The paper's first pattern. Early in a search most samples are misclassified, loss "
            "exceeds entropy, cost is positive, and none, whose cost is always 0, gains on every "
            "edge. Once accuracy rises, cost turns negative and the edges come back.",
            "Growth is measured on each edge as the smaller of two moves of P(none): how far it "
            "rose above its uniform start, and how far it fell again after its peak.",
        ),
        ("P1",),
        ("growth", "none_rise", "none_return", "edges_dropped", "edges_returned", "edges_selected"),
    ),
    Section(
        "width",
        "Width: are input edges preferred?",
        (
            "The second pattern. An edge that leaves an intermediate node costs more than one "
            "that leaves an input of the cell, so it drops first and comes back last, if ever: "
            "the cell becomes wide and shallow.",
            "Depth and width of the final cell are those of Shu et al. (ICLR 2020): the longest "
            "path from an input to the output in connections, and the sum over nodes of the share "
            "of their edges that come from inputs. They are held against random cells with as many "
            "edges, for the more edges, the deeper a cell is by chance.",
        ),
        ("P2", "P2-shape", "P2-cause"),
        (
            "width_gap",
            "none_input_mean",
            "none_intermediate_mean",
            "none_input_final",
            "none_intermediate_final",
            "depth",
            "width",
            "depth_null",
            "width_null",
            "wider",
            "cost_gap",
        ),
    ),
    Section(
        "failure",
        "Failure: does a bi-level search select nothing?",
        (
            "The third pattern. A bi-level search trains alpha on held-out samples. There the "
            "misclassified, over-confident ones keep the mean of loss - entropy positive, so none "
            "wins on every edge.",
        ),
        ("P3", "P3-cause"),
        ("dropped_share", "edges_selected", "positive_share", "train_accuracy", "test_accuracy"),
    ),
    Section(
        "mechanism",
        "Mechanism: does the sign of the cost follow the outcome?",
        (
            "The paper's cause of all three patterns. Cost is negative on samples that are "
            "classified correctly and positive on the others, so that its mean falls as accuracy "
            "rises.",
            "Half of it can be proved. If the class y of a sample is the likeliest, then "
            "-log p_y <= -log p_k for every class k, and averaging over p gives loss <= entropy: "
            "the direct cost of a correctly classified sample is never positive. Of a wrongly "
            "classified one it can have either sign: it is positive where the network is "
            "confident. Path credit, where skip_connect lets it pass, comes on top of both.",
        ),
        ("M-correct", "M-wrong", "M-correct-each", "M-wrong-each", "M-follows"),
        (
            "sign_correct",
            "sign_wrong",
            "sample_correct",
            "sample_wrong",
            "cost_follows_accuracy",
            "train_accuracy",
        ),
    ),
    Section(
        "facts",
        "Exact facts: how well do they hold?",
        (
            "Three laws follow from the network alone: the direct credit of the last cell is "
            "loss - entropy (the classifier has no bias); a path gives no credit past an "
            "intermediate edge; and the credit of each earlier cell sums to zero. The last two "
            "hold while no intermediate edge has skip_connect weight, and up to the epsilon of "
            "batch normalisation. Each number is the largest deviation in a search, in nats.",
        ),
        ("F1", "F2", "F3-inner", "F3-total"),
        (
            "residual_direct",
            "residual_path",
            "residual_inner",
            "residual_total",
            "lawful_share",
        ),
    ),
)

VERDICTS = ("reproduced", "not reproduced", "inconclusive")

FIGURES: dict[str, str] = {
    "probability.svg": "Probability of each operation on each edge over the search",
    "cost.svg": "Local cost of each operation on each edge over the search",
    "statistics.svg": "Loss, entropy, accuracy and credit over the search",
    "wiring.svg": "The cell at moments of the search",
    "wiring.gif": "The cell over the whole search",
    "samples.svg": "Loss, entropy and cost of the same samples over the search",
    "phases.svg": "Mean and spread of each operation's cost before and after training",
    "interventions.svg": "Final probability of none on each edge, by intervention",
}
"""File -> what it shows."""
