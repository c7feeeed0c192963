"""Reports: what a person looks at, from results and scores alone."""

from pptp_jax.report.figures import draw_figures
from pptp_jax.report.table import render_table

__all__ = ["draw_figures", "render_table"]
