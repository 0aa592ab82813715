"""The explorer: searches as one interactive page, a file that opens offline."""

from wiring.explorer.page import write

__all__ = ["write"]
