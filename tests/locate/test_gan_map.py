"""A risk map of a GAN: the discriminator remembers, and the generator makes the samples."""

import numpy as np
import pytest

from pptp_jax.data import Arrays, Balanced, Dataset
from pptp_jax.locate import RiskMapSpec, risk_map
from pptp_jax.models import discriminator_mlp, gan, generator_mlp
from pptp_jax.objectives import TaskLoss
from pptp_jax.training import SGD

pytestmark = pytest.mark.usefixtures("compile_in_haste")


def test_the_risk_lies_in_the_discriminator_and_the_samples_in_the_generator() -> None:
    rng, ids = np.random.default_rng(0), np.arange(20)
    data = Dataset("points", rng.uniform(size=(20, 16)).astype(np.float32), ids % 2, ids, 2)
    players = generator_mlp([16], (16,), 2), discriminator_mlp([64], 2)
    found = risk_map(
        RiskMapSpec(
            model=gan(*players, num_classes=2, latent=4, samples=50),
            data=Arrays.of(data),
            matrix=Balanced(models=8).draw(20, seed=0).matrix,
            defence=TaskLoss(),
            epochs=200,
            early=1,
            retrain=0,
            optimizer=SGD(learning_rate=0.3),
            batch_size=10,
            resamples=20,
        )
    )
    assert found.blocks == (
        "generator_stem",
        "generator_head",
        "discriminator_stem",
        "discriminator_head",
    )
    assert found.undefended.auc["loss"].value > 0.6
    for block in ("generator_stem", "generator_head"):
        # No attack on the discriminator sees the generator.
        assert found[(block,)].privacy_score("rewind", "loss").value == 0
        assert found[(block,)].generalisation_score("rewind").value != 0
    for block in ("discriminator_stem", "discriminator_head"):
        assert found[(block,)].privacy_score("rewind", "loss").value > 0.1
        assert found[(block,)].generalisation_score("rewind").value == 0
