"""DP-SGD on a denoiser: all timesteps of an example inside one clip, and the ε of plain DP-SGD."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.data import Arrays, Dataset
from pptp_jax.models import Model, Variables, ddpm, denoising_mlp
from pptp_jax.study.guarantee import guarantee
from pptp_jax.tasks import Batch
from pptp_jax.training import SGD, Poisson, Private, Trainer, dp_sgd

EXAMPLES, BATCH, NORM = 12, 4, 0.05
RNG = np.random.default_rng(0)
X = RNG.uniform(size=(EXAMPLES, 3)).astype(np.float32)
IDS = np.arange(EXAMPLES)
DATA = Arrays.of(Dataset("points", X, IDS % 2, IDS, 2))
OPTIMIZER = SGD(learning_rate=1.0, momentum=0.0, weight_decay=0.0, schedule="constant")
QUIET = Private(noise_multiplier=0.0, max_norm=NORM)

pytestmark = pytest.mark.usefixtures("compile_in_haste")


def model(multiplicity: int) -> Model:
    network = denoising_mlp([5], num_classes=2, embedding=2)
    return ddpm(network, steps=10, shape=(3,), multiplicity=multiplicity)


def state_and_step(own: Model, private: Private, data: Arrays = DATA):
    """A state behind some steps, where gradients are not 0, and the step of a private phase."""
    phase = dp_sgd(private, epochs=1).phases[0]
    trainer = Trainer(own, None, BATCH)
    state = trainer.start(OPTIMIZER, phase, None, jax.random.key(0), data, jnp.arange(9), None)
    moved = jax.tree.map(
        lambda leaf: (
            leaf + 0.3 * jnp.sin(jnp.arange(leaf.size, dtype=leaf.dtype)).reshape(leaf.shape)
        ),
        state.variables.params,
    )
    state = state._replace(variables=state.variables._replace(params=moved))
    step = trainer.step(OPTIMIZER, phase, state, data, data, 1, 0, float(BATCH))
    return state, jax.jit(lambda s, rows, key: step(s, rows, None, key)[0].variables.params)


def flat(tree) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@pytest.mark.parametrize("multiplicity", [1, 3])
def test_a_step_is_a_loop_over_examples_whose_timesteps_share_a_clip(multiplicity: int) -> None:
    own = model(multiplicity)
    state, step = state_and_step(own, QUIET)
    rows, key = jnp.array([1, 4, 7, 8]), jax.random.key(5)
    after = step(state, rows, key)
    _, _, dropout = jax.random.split(key, 3)
    keys = jax.random.split(dropout, BATCH)

    @jax.jit
    def slope(params, row, key, draw):
        """Of one draw of one example."""

        def error(params):
            batch = Batch(DATA.inputs(row)[None], DATA.targets(row)[None])
            given = Variables(params, {})
            errors, _ = own.task.outputs(own, given, batch, train=True, key=key)
            return errors[0, draw]

        return jax.grad(error)(params)

    total = 0.0
    params = state.variables.params
    for row, own_key in zip(rows, keys, strict=True):
        draws = [flat(slope(params, row, own_key, draw)) for draw in range(multiplicity)]
        mean = np.mean(draws, axis=0)
        assert np.linalg.norm(mean) > NORM  # or nothing would be clipped
        total += mean * min(1, NORM / np.linalg.norm(mean))
    np.testing.assert_allclose(flat(after), flat(params) - total / BATCH, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("multiplicity", [1, 8])
def test_an_example_moves_the_sum_by_the_norm_at_most(multiplicity: int) -> None:
    """Whatever it is, and however many timesteps it has."""
    wild = X.copy()
    wild[4] = 1 - wild[4] * 50
    other = Arrays.of(Dataset("points", wild, IDS % 2, IDS, 2))
    rows, key = jnp.array([1, 4, 7, 8]), jax.random.key(5)
    found = []
    for data in (DATA, other):
        state, step = state_and_step(model(multiplicity), QUIET, data)
        found.append(flat(step(state, rows, key)))
    moved = np.linalg.norm(found[0] - found[1]) * BATCH
    assert 0 < moved <= 2 * NORM * 1.001


def test_multiplicity_lowers_the_variance_of_an_examples_gradient() -> None:
    huge = replace(QUIET, max_norm=1e6)  # nothing is clipped
    spreads = {}
    for multiplicity in (1, 8):
        state, step = state_and_step(model(multiplicity), huge)
        rows = jnp.array([2, 2, 2, 2])
        found = [flat(step(state, rows, jax.random.key(k))) for k in range(60)]
        spreads[multiplicity] = np.var(found, axis=0).sum()
    assert spreads[8] == pytest.approx(spreads[1] / 8, rel=0.4)


def test_epsilon_is_that_of_plain_dp_sgd() -> None:
    recipe = dp_sgd(Private(noise_multiplier=2.0), epochs=3, batches=Poisson())
    found = [guarantee(recipe, model(multiplicity), 600, 60) for multiplicity in (1, 16)]
    assert found[0] == found[1]
    assert found[0] is not None and 0 < found[0].epsilon < 5
