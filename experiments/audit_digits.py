"""Digits: lower bounds on ε from canaries with wrong labels, for plain training and DP-SGD.

Command: `pptp canaries experiments/audit_digits.py` (no download; two to five minutes, two cores).

Result (docs/bounds.md): ε ≥ 2.8 in one run of plain training; DP-SGD stays far below its ε.
"""

from pptp_jax.audit import CanaryAudit
from pptp_jax.data import Digits
from pptp_jax.models import mlp
from pptp_jax.training import SGD, Private, dp_sgd, early_stopped, undefended

audit = CanaryAudit(
    name="audit_digits",
    data=Digits(),
    model=mlp([128, 128], num_classes=10),
    canaries=400,
    held_out=500,
    runs=64,
    optimizer=SGD(),
    recipes=(
        undefended(60),
        early_stopped(5),
        dp_sgd(Private(noise_multiplier=0.2), epochs=5),
        dp_sgd(Private(noise_multiplier=1.0), epochs=5),
    ),
)
