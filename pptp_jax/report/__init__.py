"""Reports: what a person looks at, from results and scores alone."""

from pptp_jax.report.attacks import draw_attack_rocs, render_attacks
from pptp_jax.report.budgets import render_budgets
from pptp_jax.report.canaries import render_canaries
from pptp_jax.report.chip_forecast import render_chip_forecast
from pptp_jax.report.choice import render_choice
from pptp_jax.report.columns import render_columns
from pptp_jax.report.combination import render_combined
from pptp_jax.report.comparison import render_comparison
from pptp_jax.report.curves import draw_curves
from pptp_jax.report.figures import draw_figures
from pptp_jax.report.forecast import render_forecast
from pptp_jax.report.owners import render_audit, render_owners
from pptp_jax.report.page import write_report
from pptp_jax.report.risk_map import draw_risk_map
from pptp_jax.report.risk_table import render_risk_map
from pptp_jax.report.robustness import render_robustness
from pptp_jax.report.runs import render_runs
from pptp_jax.report.samples import render_samples
from pptp_jax.report.screen import render_screen
from pptp_jax.report.search import render_search
from pptp_jax.report.summary import WIDEST, render_summary
from pptp_jax.report.table import render_table, render_white_box
from pptp_jax.report.table_verdict import render_table_verdict
from pptp_jax.report.timesteps import draw_timesteps

__all__ = [
    "WIDEST",
    "draw_attack_rocs",
    "draw_curves",
    "draw_figures",
    "draw_risk_map",
    "draw_timesteps",
    "render_attacks",
    "render_audit",
    "render_budgets",
    "render_canaries",
    "render_chip_forecast",
    "render_choice",
    "render_columns",
    "render_combined",
    "render_comparison",
    "render_forecast",
    "render_owners",
    "render_risk_map",
    "render_robustness",
    "render_runs",
    "render_samples",
    "render_screen",
    "render_search",
    "render_summary",
    "render_table",
    "render_table_verdict",
    "render_white_box",
    "write_report",
]
