"""Quickstart: attack a small network, undefended and with three defences.

A study is a Python file that defines `study`. Run this one by

    pptp run quickstart

It needs no download, and half a minute on two CPU cores.
"""

from pptp_jax.data import Balanced, Digits
from pptp_jax.models import mlp
from pptp_jax.objectives import RelaxLoss
from pptp_jax.study.config import Study
from pptp_jax.training import early_stopped, freeze, undefended, whole_network

study = Study(
    # Results go to runs/NAME.
    name="quickstart",
    # scikit-learn's digits. `Npz("data.npz")` and `Tfds("mnist")` are other sources.
    data=Digits(),
    # Few examples make membership matter: each model trains on half of these.
    examples=400,
    model=mlp([128, 64], num_classes=10),
    # 16 models for each recipe. Each is attacked in turn, the others are its shadow models.
    split=Balanced(models=16),
    batch_size=32,
    # Epochs after which models are attacked as well, to compare recipes at equal attack strength.
    trajectory=(4, 8, 16, 32),
    recipes=(
        undefended(60),
        early_stopped(8),
        # PPTP: all layers learn for 4 epochs, then the shallow half is frozen for 26.
        freeze("shallow", after=4, more=26),
        # A published defence on the entire network.
        whole_network(RelaxLoss(alpha=0.2), 60),
    ),
)
