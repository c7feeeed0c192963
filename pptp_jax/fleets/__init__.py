"""Fleets: train many models once, store their signals on disk, and resume."""

from pptp_jax.fleets.estimators import EstimatorFleet, estimator_fleet
from pptp_jax.fleets.fingerprint import fingerprint
from pptp_jax.fleets.own_loop import fleet
from pptp_jax.fleets.run import run_fleet, run_fleets
from pptp_jax.fleets.spec import FleetSpec, Runtime
from pptp_jax.fleets.stored_fleet import FleetSignals, StoredFleet

__all__ = [
    "EstimatorFleet",
    "FleetSignals",
    "FleetSpec",
    "Runtime",
    "StoredFleet",
    "estimator_fleet",
    "fingerprint",
    "fleet",
    "run_fleet",
    "run_fleets",
]
