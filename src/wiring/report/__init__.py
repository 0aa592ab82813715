"""The HTML report: the story on one page, and a page for each experiment; they open offline."""

from wiring.report.audit import audit_lines, write_audit
from wiring.report.write import write, write_page

__all__ = ["audit_lines", "write", "write_audit", "write_page"]
