"""The paper's claims as data, and the verdict of the measurements on each."""

from wiring.claims.claims import CLAIMS, Claim
from wiring.claims.contrasts import Contrast, contrast
from wiring.claims.judge import Verdict, interval, judge
from wiring.claims.store import Definition, Judgement, read, write

__all__ = [
    "CLAIMS",
    "Claim",
    "Contrast",
    "Definition",
    "Judgement",
    "Verdict",
    "contrast",
    "interval",
    "judge",
    "read",
    "write",
]
