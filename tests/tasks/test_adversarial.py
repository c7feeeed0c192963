"""GANs: each player gets the gradient of its own loss, and what a task must say."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.data import Dataset, Digits
from pptp_jax.models import discriminator_mlp, gan, generator_mlp
from pptp_jax.tasks import Adversarial, Batch, Drawn, Shown, Verdict
from pptp_jax.tasks.nearest_sample import nearest

pytestmark = pytest.mark.usefixtures("compile_in_haste")

SHAPE, CLASSES, SIZE = (4, 4, 1), 3, 6


def small(contest: str = "non-saturating", penalty: float | None = None):
    networks = generator_mlp([8], SHAPE, CLASSES), discriminator_mlp([8], CLASSES)
    return gan(*networks, CLASSES, latent=5, contest=contest, penalty=penalty, samples=7)


@pytest.fixture(scope="module")
def batch() -> Batch:
    rng = np.random.default_rng(0)
    inputs = jnp.asarray(rng.uniform(size=(SIZE, *SHAPE)), jnp.float32)
    return Batch(inputs, jnp.arange(SIZE, dtype=jnp.int32) % CLASSES)


@pytest.mark.parametrize(("contest", "penalty"), [("non-saturating", 0.3), ("wasserstein", 10.0)])
def test_each_player_gets_the_gradient_of_its_own_loss(contest, penalty, batch) -> None:
    """Against both losses written down on their own, with the draws that the task makes."""
    model = small(contest, penalty)
    variables = model.init(jax.random.key(0), batch.inputs)
    key = jax.random.key(3)

    def together(params):
        own = variables._replace(params=params)
        outputs, _ = model.task.outputs(model, own, batch, train=True, key=key)
        return model.task.losses(outputs, batch).mean()

    drawing, mixing, *_ = jax.random.split(key, 5)
    noise = jax.random.normal(drawing, (SIZE, 5))
    shares = jax.random.uniform(mixing, (SIZE, 1, 1, 1))

    def score(params, x):
        return model.apply(params, variables.state, Shown(x, batch.targets), train=True, key=key)[0]

    def made(params):
        drawn = Drawn(noise, batch.targets)
        return model.apply(params, variables.state, drawn, train=True, key=key)[0]

    def slope_norms(params, x):
        def of_place(i):
            slope = jax.grad(lambda one: score(params, x.at[i].set(one))[i])(x[i])
            return jnp.sqrt(jnp.square(slope).sum())

        return jnp.stack([of_place(i) for i in range(SIZE)])

    fixed = made(variables.params)

    def discriminator(params):
        real, fake = score(params, batch.inputs), score(params, fixed)
        if contest == "wasserstein":
            between = shares * batch.inputs + (1 - shares) * fixed
            steep = (slope_norms(params, between) - 1) ** 2
            return (fake - real + penalty * steep).mean()
        steep = slope_norms(params, batch.inputs) ** 2 / 2
        # Cross-entropy of a classifier of real and made-up examples.
        cross = -jnp.log(jax.nn.sigmoid(real)) - jnp.log(1 - jax.nn.sigmoid(fake))
        return (cross + penalty * steep).mean()

    def generator(params):
        fooled = score(variables.params, made(params))
        return (-fooled if contest == "wasserstein" else -jnp.log(jax.nn.sigmoid(fooled))).mean()

    found = jax.grad(together)(variables.params)
    for player, own in (("discriminator", discriminator), ("generator", generator)):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-6),
            found[player],
            jax.grad(own)(variables.params)[player],
        )


def test_in_eval_mode_nothing_is_random_and_the_critic_is_centred(batch) -> None:
    model = small("wasserstein")
    variables = model.init(jax.random.key(0), batch.inputs)
    answers = model.answering(variables)(batch.inputs, batch.targets)
    again = model.answering(variables)(batch.inputs[::-1], batch.targets[::-1])
    np.testing.assert_allclose(answers.score, again.score[::-1], rtol=1e-5)
    assert (answers.distance > 0).all()
    # A constant on top of the critic changes nothing.
    moved = jax.tree.map(lambda leaf: leaf, variables.params)
    moved["discriminator"]["head"]["bias"] += 5.0
    lifted = model.answering(variables._replace(params=moved))(batch.inputs, batch.targets)
    np.testing.assert_allclose(lifted.score, answers.score, atol=1e-5)


def test_the_nearest_sample_is_that_of_a_double_loop() -> None:
    rng = np.random.default_rng(1)
    x, made = (rng.normal(size=(n, 3, 2)).astype(np.float32) for n in (4, 6))
    naive = [min(np.sqrt(((a - b) ** 2).mean()) for b in made) for a in x]
    np.testing.assert_allclose(nearest(jnp.asarray(x), jnp.asarray(made)), naive, rtol=1e-5)


def test_samples_have_the_shape_and_the_range_of_the_data(batch) -> None:
    model = small()
    variables = model.init(jax.random.key(0), batch.inputs)
    made = model.sample(*variables, jax.random.key(1), jnp.array([0, 1]))
    assert made.shape == (2, *SHAPE)
    assert (made >= 0).all() and (made <= 1).all()


def digits(**changes) -> Dataset:
    return replace(Digits().load(), **changes)


VERDICT = Verdict(jnp.zeros(1), jnp.zeros(1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Adversarial(latent=0), "latent must be"),
        (lambda: Adversarial(contest="both"), "contest 'both' is unknown"),
        (lambda: Adversarial(penalty=-1.0), "penalty must be"),
        (lambda: Adversarial(low=1.0), "low must be below high"),
        (lambda: Adversarial(num_classes=4).check(VERDICT, digits()), "the GAN was built for 4"),
        (
            lambda: Adversarial(high=0.5).check(VERDICT, digits()),
            "inputs from 0 to 1, and the model",
        ),
        (lambda: Adversarial().check(jnp.zeros(3), digits()), "one score an example"),
        (lambda: Adversarial().teaching(VERDICT), "does not teach"),
        (
            lambda: small().init(jax.random.key(0), jnp.zeros((1, 8, 8, 1))),
            r"makes examples of shape \(4, 4, 1\), and the data have shape \(8, 8, 1\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()
