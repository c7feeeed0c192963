"""Risk maps: which blocks of a network carry membership risk, and which generalisation."""

from pptp_jax.evaluation.risk import ATTACK, DECISIVE, MODIFICATIONS
from pptp_jax.locate.candidates import candidates, cuts
from pptp_jax.locate.choose import choose, explain
from pptp_jax.locate.measures import Measures
from pptp_jax.locate.result import RegionRisk, RiskMap
from pptp_jax.locate.risk_map import risk_map
from pptp_jax.locate.risk_weights import risk_weights
from pptp_jax.locate.spec import RiskMapSpec

__all__ = [
    "ATTACK",
    "DECISIVE",
    "MODIFICATIONS",
    "Measures",
    "RegionRisk",
    "RiskMap",
    "RiskMapSpec",
    "candidates",
    "choose",
    "cuts",
    "explain",
    "risk_map",
    "risk_weights",
]
