"""One search: the supernet's weights and alpha learn, and every window says what they did.

A search yields rows; who writes, shows or checkpoints them is none of its business (`wiring.job`).
"""

from wiring.search.search import Row, Search

__all__ = ["Row", "Search"]
