"""Audits: attack models that were trained elsewhere, and bound ε from below."""

from pptp_jax.audit.asked_column import AskedColumn, ask_column
from pptp_jax.audit.attribute_inference import attribute_inference
from pptp_jax.audit.audit_report import AuditReport
from pptp_jax.audit.audit_settings import AuditSettings
from pptp_jax.audit.bound import EpsilonBound
from pptp_jax.audit.budgets import budget_report, read_budgets
from pptp_jax.audit.canaries import CanaryAudit
from pptp_jax.audit.compare_bounds import BoundPair, compare_bounds
from pptp_jax.audit.exposure import Exposure, exposure_by_fit, exposure_by_rank
from pptp_jax.audit.extraction import (
    extracted_in_tries,
    greedily_extracted,
    suffix_log_prob,
    tries_to_extract,
)
from pptp_jax.audit.gradient_canaries import GradientCanaryAudit
from pptp_jax.audit.imputer import impute
from pptp_jax.audit.jax_privacy_auditor import jax_privacy_auditor
from pptp_jax.audit.label_inference import label_inference
from pptp_jax.audit.load_signals import read_given
from pptp_jax.audit.many_runs import epsilon_in_many_runs
from pptp_jax.audit.model import audit_model
from pptp_jax.audit.one_run import epsilon_in_one_run, one_run_bound, one_run_p_value
from pptp_jax.audit.one_run_gaussian import gaussian_one_run_bound
from pptp_jax.audit.run import run_canaries
from pptp_jax.audit.screen import screen_signals
from pptp_jax.audit.signals import audit_signals
from pptp_jax.audit.table import TableAudit, audit_table
from pptp_jax.audit.text_canaries import TextCanaryAudit

__all__ = [
    "AskedColumn",
    "AuditReport",
    "AuditSettings",
    "BoundPair",
    "CanaryAudit",
    "EpsilonBound",
    "Exposure",
    "GradientCanaryAudit",
    "TableAudit",
    "TextCanaryAudit",
    "ask_column",
    "attribute_inference",
    "audit_model",
    "audit_signals",
    "audit_table",
    "budget_report",
    "compare_bounds",
    "epsilon_in_many_runs",
    "epsilon_in_one_run",
    "exposure_by_fit",
    "exposure_by_rank",
    "extracted_in_tries",
    "gaussian_one_run_bound",
    "greedily_extracted",
    "impute",
    "jax_privacy_auditor",
    "label_inference",
    "one_run_bound",
    "one_run_p_value",
    "read_budgets",
    "read_given",
    "run_canaries",
    "screen_signals",
    "suffix_log_prob",
    "tries_to_extract",
]
