"""The HTML report: the story on one page, and a page for each experiment; they open offline."""

from wiring.report.write import write, write_page

__all__ = ["write", "write_page"]
