"""GSA2: trees on the norms of gradients, averaged over timesteps or one by one."""

import numpy as np

from pptp_jax.attacks import Evidence, gsa2
from pptp_jax.data import Balanced
from pptp_jax.metrics import auc, roc

MEMBERSHIP = Balanced(models=4).draw(200, seed=0).matrix


def test_by_timestep_trees_find_what_the_mean_over_timesteps_hides() -> None:
    rng = np.random.default_rng(0)
    norms = rng.uniform(1.0, 2.0, size=(4, 2, 1, 200))  # models, timesteps, blocks, examples
    shift = np.where(MEMBERSHIP, 0.6, 0.0)[:, None]
    norms[:, 0] += shift
    norms[:, 1] -= shift
    held = Evidence.leave_one_out({"timestep_gradients": norms}, MEMBERSHIP)
    found = {by: auc(roc(gsa2(held, steps=20, by_timestep=by), MEMBERSHIP)) for by in (True, False)}
    assert found[True] > 0.75 and abs(found[False] - 0.5) < 0.1
