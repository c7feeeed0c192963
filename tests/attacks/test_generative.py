"""Signals of generative models against loops, and attacks on models that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.attacks import ATTACKS, Evidence
from pptp_jax.data import Arrays, Balanced, Dataset
from pptp_jax.metrics import auc, roc
from pptp_jax.models import Model, Variables, discriminator_mlp, gan, generator_mlp
from pptp_jax.signals import (
    SignalRequest,
    latent_signal,
    sample_distances_signal,
    sample_labels,
    samples,
    samples_signal,
)
from pptp_jax.validation import AttackUnavailable

pytestmark = pytest.mark.usefixtures("compile_in_haste")

MODELS, EXAMPLES, NEIGHBOURS, NUMBERS = 6, 20, 5, 4
RNG = np.random.default_rng(0)
MEMBERSHIP = Balanced(models=MODELS).draw(EXAMPLES, seed=0).matrix
DISTANCES = np.sort(RNG.uniform(size=(MODELS, NEIGHBOURS, EXAMPLES)), axis=1).astype(np.float32)
SCORES = RNG.normal(size=(MODELS, 1, EXAMPLES)).astype(np.float32)
X = RNG.uniform(size=(EXAMPLES, NUMBERS)).astype(np.float32)
DATA = Arrays.of(Dataset("points", X, np.arange(EXAMPLES) % 2, np.arange(EXAMPLES), 2))


def scores(name: str, **signals: np.ndarray) -> np.ndarray:
    return ATTACKS[name](Evidence.leave_one_out(signals, MEMBERSHIP))


@pytest.mark.parametrize("quantile", [0.3, 0.1])
def test_monte_carlo_counts_samples_in_the_ball(quantile: float) -> None:
    naive = np.zeros((MODELS, EXAMPLES))
    for target in range(MODELS):
        radius = np.quantile(DISTANCES[target].min(axis=0), quantile)
        for example in range(EXAMPLES):
            within = [d for d in DISTANCES[target, :, example] if d <= radius + 1e-7]
            naive[target, example] = len(within) / NEIGHBOURS
    attack = ATTACKS["monte_carlo"].using(quantile=quantile)
    found = attack(Evidence.leave_one_out({"sample_distances": DISTANCES}, MEMBERSHIP))
    np.testing.assert_allclose(found, naive, atol=1e-6)


def test_a_discriminator_that_says_the_same_of_everything_gives_half() -> None:
    found = scores("logan", discriminator_score=np.zeros_like(SCORES))
    assert auc(roc(found, MEMBERSHIP)) == 0.5


def test_scores_of_classes_are_none_of_a_discriminator() -> None:
    logits = np.zeros((MODELS, 1, EXAMPLES, 2), np.float32)
    with pytest.raises(AttackUnavailable, match="discriminator_score"):
        Evidence.leave_one_out(
            {"logits": logits}, MEMBERSHIP, labels=np.arange(EXAMPLES) % 2
        ).target_signal("discriminator_score")


def made_by(rows: np.ndarray, noise: float) -> tuple[Model, Variables]:
    """Models that make up some of the examples, `rows` of each, with a little noise."""

    def sample(params, state, key, labels):
        which, drawing = jax.random.split(key)
        chosen = jax.random.choice(which, params, (len(labels),))
        return chosen + noise * jax.random.normal(drawing, chosen.shape)

    model = Model(init=lambda key, x: None, apply=lambda *a, **k: None, sample=sample)
    return model, Variables(jnp.asarray(X[rows]), {})


def request(model: Model, fleet: Variables) -> SignalRequest:
    rows, key = jnp.arange(EXAMPLES), jax.random.key(0)
    return SignalRequest(model, fleet, tuple(range(MODELS)), DATA, rows, key)


SEEN = sample_distances_signal(num_classes=2, count=60, neighbours=3)


def test_a_generator_that_memorised_its_members_is_found_out() -> None:
    members = np.stack([np.flatnonzero(own) for own in MEMBERSHIP])
    distances = SEEN.take(request(*made_by(members, noise=0.005)))
    assert distances.shape == (MODELS, 3, EXAMPLES)
    for name in ("gan_leaks", "gan_leaks_calibrated", "monte_carlo"):
        found = scores(name, sample_distances=np.asarray(distances))
        assert auc(roc(found, MEMBERSHIP)) > 0.95, name


def test_a_constant_generator_gives_half() -> None:
    distances = np.asarray(SEEN.take(request(*made_by(np.zeros((MODELS, 1), int), noise=0.0))))
    for name in ("gan_leaks", "gan_leaks_calibrated", "monte_carlo"):
        found = scores(name, sample_distances=distances).round(6)
        assert auc(roc(found, MEMBERSHIP)) == pytest.approx(0.5), name


def test_the_distances_are_those_of_loops() -> None:
    model, fleet = made_by(np.arange(2 * MODELS).reshape(MODELS, 2), noise=0.1)
    labels = sample_labels(60, 2)
    found = np.asarray(SEEN.take(request(model, fleet)))
    kept = np.asarray(samples_signal(2, count=60).take(request(model, fleet)))
    for number in range(MODELS):
        own = jax.tree.map(lambda leaf, number=number: leaf[number], fleet)
        made = np.asarray(samples(model, own, jax.random.key(0), labels))
        np.testing.assert_allclose(kept[number], made, rtol=1e-5)
        naive = [sorted(np.sqrt(((x - m) ** 2).mean()) for m in made)[:3] for x in X]
        np.testing.assert_allclose(found[number].T, naive, rtol=1e-4)


def test_more_samples_than_are_made_at_once_are_made_in_parts() -> None:
    model, fleet = made_by(np.arange(2)[None], noise=0.1)
    own = jax.tree.map(lambda leaf: leaf[0], fleet)
    found = samples(model, own, jax.random.key(0), sample_labels(301, 2))
    assert found.shape == (301, NUMBERS)
    assert len(np.unique(np.asarray(found)[:, 0])) == 301


def test_the_chosen_noise_comes_nearer_than_draws_and_finds_what_can_be_made() -> None:
    networks = generator_mlp([8], (NUMBERS,), 2), discriminator_mlp([8], 2)
    model = gan(*networks, num_classes=2, latent=3)
    keys = jax.random.split(jax.random.key(1), MODELS)
    fleet = jax.vmap(lambda key: model.init(key, jnp.zeros((1, NUMBERS))))(keys)
    # Half of the examples are what the first model makes.
    own = jax.tree.map(lambda leaf: leaf[0], fleet)
    made = model.sample(*own, jax.random.key(5), DATA.y)
    x = jnp.where(jnp.arange(EXAMPLES)[:, None] < EXAMPLES // 2, made, DATA.x)
    asked = request(model, fleet)._replace(data=DATA._replace(x=x))
    with jax.numpy_dtype_promotion("standard"):  # L-BFGS divides floats by integers
        few, many = (
            np.asarray(latent_signal(starts=8, evaluations=count, weight=1e-6).take(asked))
            for count in (1, 200)
        )
    assert (many <= few + 1e-6).all()
    made, others = many[:2, : EXAMPLES // 2]
    assert np.median(made) < 0.1 * np.median(others)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: samples_signal(num_classes=0), "num_classes must be"),
        (lambda: sample_distances_signal(count=5), "neighbours must be at most count = 5"),
        (lambda: latent_signal(evaluations=0), "evaluations must be"),
        (
            lambda: latent_signal().take(request(*made_by(np.zeros((MODELS, 1), int), 0.0))),
            "only a GAN has noise to choose",
        ),
        (
            lambda: samples(
                Model(lambda key, x: None, lambda *a, **k: None),
                Variables({}, {}),
                jax.random.key(0),
                jnp.arange(2),
            ),
            "makes up no examples",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
