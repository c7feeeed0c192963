"""Studies: a frozen description of an experiment, and running it to a directory of results."""

from pptp_jax.study.compile_for import compile_for
from pptp_jax.study.config import Study
from pptp_jax.study.forecast import forecast
from pptp_jax.study.overrides import overridden
from pptp_jax.study.probes import Probes
from pptp_jax.study.run import run
from pptp_jax.study.run_search import run_search
from pptp_jax.study.search import Between, Frontier, LargestMargin, MostUtility, OneOf, Search
from pptp_jax.study.standardize import in_units_of, prepared
from pptp_jax.study.strategy import measured_strategy
from pptp_jax.study.study_file import load_study, narrowed

__all__ = [
    "Between",
    "Frontier",
    "LargestMargin",
    "MostUtility",
    "OneOf",
    "Probes",
    "Search",
    "Study",
    "compile_for",
    "forecast",
    "in_units_of",
    "load_study",
    "measured_strategy",
    "narrowed",
    "overridden",
    "prepared",
    "run",
    "run_search",
]
