"""Audits: lower bounds on ε from canaries."""

from pptp_jax.audit.bound import EpsilonBound
from pptp_jax.audit.canaries import CanaryAudit
from pptp_jax.audit.jax_privacy_auditor import jax_privacy_auditor
from pptp_jax.audit.many_runs import epsilon_in_many_runs
from pptp_jax.audit.one_run import epsilon_in_one_run, one_run_bound, one_run_p_value
from pptp_jax.audit.run import run_canaries

__all__ = [
    "CanaryAudit",
    "EpsilonBound",
    "epsilon_in_many_runs",
    "epsilon_in_one_run",
    "jax_privacy_auditor",
    "one_run_bound",
    "one_run_p_value",
    "run_canaries",
]
