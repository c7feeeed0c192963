"""Attack fleets, measure the results, and compare defences at equal attack strength."""

from pptp_jax.evaluation.attack import AttackResults, attack
from pptp_jax.evaluation.curve import Curve, frontier
from pptp_jax.evaluation.matched_comparison import MatchedComparison
from pptp_jax.evaluation.matched_utility import STATISTICS, matched_utility
from pptp_jax.evaluation.measure import Measure
from pptp_jax.evaluation.point import Point, point
from pptp_jax.evaluation.results import AttackResult, RecipeResult, RunResults
from pptp_jax.evaluation.rivals import margins, tuned_rivals
from pptp_jax.evaluation.run_files import read_results
from pptp_jax.evaluation.sample_quality import SampleJudge, SampleQuality
from pptp_jax.evaluation.schema import read_estimate
from pptp_jax.evaluation.shadow_curve import shadow_curve
from pptp_jax.evaluation.timesteps import by_timestep

__all__ = [
    "STATISTICS",
    "AttackResult",
    "AttackResults",
    "Curve",
    "MatchedComparison",
    "Measure",
    "Point",
    "RecipeResult",
    "RunResults",
    "SampleJudge",
    "SampleQuality",
    "attack",
    "by_timestep",
    "frontier",
    "margins",
    "matched_utility",
    "point",
    "read_estimate",
    "read_results",
    "shadow_curve",
    "tuned_rivals",
]
