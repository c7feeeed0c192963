"""Digits: an audit of DP-SGD with a bound above 0, by canaries in the majority.

Command: `pptp canaries experiments/audit_private_digits.py`
(no download; one to three minutes, two cores).

Four of five places in training are canaries with wrong labels, and clipped gradients add up for 60
epochs.

Result (docs/audits.md): in every run ε of at least 0.24, where 20 to 174 are accounted for.
"""

from pptp_jax.audit import CanaryAudit
from pptp_jax.data import Digits
from pptp_jax.models import mlp
from pptp_jax.training import SGD, Private, dp_sgd

audit = CanaryAudit(
    name="audit_private_digits",
    data=Digits(),
    model=mlp([128, 128], num_classes=10),
    canaries=400,
    held_out=500,
    examples=1000,
    runs=8,
    optimizer=SGD(),
    recipes=(
        dp_sgd(Private(noise_multiplier=0.5), epochs=60),
        dp_sgd(Private(noise_multiplier=1.0), epochs=60),
        dp_sgd(Private(noise_multiplier=2.0), epochs=60),
    ),
)
