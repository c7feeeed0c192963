"""Reports: what a person looks at, from results and scores alone."""

from pptp_jax.report.comparison import render_comparison
from pptp_jax.report.curves import draw_curves
from pptp_jax.report.figures import draw_figures
from pptp_jax.report.table import render_table

__all__ = ["draw_curves", "draw_figures", "render_comparison", "render_table"]
