"""A risk map of a denoiser: the negated denoising error takes the place of the accuracy."""

import numpy as np
import pytest

from pptp_jax.data import Arrays, Balanced, Dataset
from pptp_jax.locate import RiskMapSpec, risk_map
from pptp_jax.models import ddpm, denoising_mlp
from pptp_jax.objectives import TaskLoss
from pptp_jax.training import SGD

pytestmark = pytest.mark.usefixtures("compile_in_haste")


def test_a_denoiser_that_is_rewound_denoises_and_remembers_less() -> None:
    rng, ids = np.random.default_rng(0), np.arange(20)
    data = Dataset("points", rng.uniform(size=(20, 4)).astype(np.float32), ids % 2, ids, 2)
    settings = {"timesteps": (2, 5), "draws": 2, "multiplicity": 4}
    found = risk_map(
        RiskMapSpec(
            model=ddpm(denoising_mlp([64], num_classes=2), steps=10, shape=(4,), **settings),
            data=Arrays.of(data),
            matrix=Balanced(models=8).draw(20, seed=0).matrix,
            defence=TaskLoss(),
            epochs=300,
            early=1,
            retrain=0,
            optimizer=SGD(learning_rate=0.3),
            batch_size=10,
            resamples=20,
        )
    )
    assert found.blocks == ("embedding", "stem", "head")
    assert found.undefended.auc["rmia_online"].value > 0.6
    assert -2 < found.undefended.accuracy.value < -0.3  # an error of 1 knows nothing
    assert found.undefended.loss_gap.value > 0.05
    head = found[("head",)]
    # A head at its initial zeros says of every input that there is no noise.
    assert head.privacy_score("rewind", "rmia_online").value > 0.05
    np.testing.assert_allclose(
        found.undefended.auc["loss"].value - head.privacy_score("rewind", "loss").value,
        0.5,
        atol=0.15,
    )
    # The defended fleet is the plain one here, so a graft changes nothing.
    assert abs(head.generalisation_score("graft").value) < 1e-4
