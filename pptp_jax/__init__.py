"""Train JAX models that leak less membership, region by region, and attack them to measure it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pptp_jax import (
        attacks,
        audit,
        data,
        evaluation,
        fleets,
        locate,
        metrics,
        models,
        objectives,
        privacy,
        regions,
        release,
        report,
        robustness,
        signals,
        study,
        tasks,
        training,
        transforms,
    )
    from pptp_jax.audit import audit_model

__version__ = "0.2.0"

__all__ = [
    "attacks",
    "audit",
    "audit_model",
    "data",
    "evaluation",
    "fleets",
    "locate",
    "metrics",
    "models",
    "objectives",
    "privacy",
    "regions",
    "release",
    "report",
    "robustness",
    "signals",
    "study",
    "tasks",
    "training",
    "transforms",
]


def __getattr__(name: str) -> Any:
    # Imported when first requested, so that the command line answers at once.
    if name == "audit_model":
        return import_module(f"{__name__}.audit").audit_model
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
