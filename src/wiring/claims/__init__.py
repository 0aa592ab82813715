"""The paper's claims as data, and the verdict of the measurements on each."""

from wiring.claims.claims import CLAIMS, Claim
from wiring.claims.judge import Verdict, interval, judge, read, write

__all__ = ["CLAIMS", "Claim", "Verdict", "interval", "judge", "read", "write"]
