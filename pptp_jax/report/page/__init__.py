"""The report as one page: `report.html`, and its content as `report.json`."""

from pptp_jax.report.page.write import write_report

__all__ = ["write_report"]
