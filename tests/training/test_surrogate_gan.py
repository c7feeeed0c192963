"""Surrogate GANs: what they learn of a model's samples, and what they must not depend on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.attacks import ATTACKS, Evidence
from pptp_jax.data import Arrays, Balanced, Dataset
from pptp_jax.metrics import auc, roc
from pptp_jax.models import Model, Variables, discriminator_mlp, gan, generator_mlp, mlp
from pptp_jax.signals import SURROGATE_SCORE, SignalRequest, sample_labels, samples
from pptp_jax.tasks import Adversarial, Signal
from pptp_jax.training import Players, make_train, surrogate_signal, undefended

pytestmark = pytest.mark.usefixtures("compile_in_haste")

MODELS, EXAMPLES, NUMBERS, COUNT = 4, 24, 12, 40
MEMBERSHIP = Balanced(models=MODELS).draw(EXAMPLES, seed=0).matrix
X = np.random.default_rng(0).uniform(size=(EXAMPLES, NUMBERS)).astype(np.float32)
DATA = Arrays.of(Dataset("points", X, np.arange(EXAMPLES) % 2, np.arange(EXAMPLES), 2))
MEMBERS = np.stack([np.flatnonzero(own) for own in MEMBERSHIP])
SETTINGS = {"count": COUNT, "width": 32, "learning_rate": 2e-3, "batch_size": 20}
SIGNAL = surrogate_signal(2, epochs=500, **SETTINGS)
# After many steps rounding shows, so that what must be equal is compared after few.
SHORT = surrogate_signal(2, epochs=5, **SETTINGS)


def sample(params, state, key, labels):
    """Copies of known examples, of the label that is wanted."""
    fits = (params["labels"][None] == labels[:, None]).astype(jnp.float32)
    rows = jax.random.categorical(key, jnp.log(fits), axis=1)
    return params["inputs"][rows]


MODEL = Model(
    init=lambda key, x: None, apply=lambda *a, **k: None, sample=sample, task=Adversarial(2)
)


def taken(rows: np.ndarray, signal: Signal) -> np.ndarray:
    fleet = Variables({"inputs": jnp.asarray(X[rows]), "labels": jnp.asarray(rows % 2)}, {})
    numbers = tuple(range(len(rows)))
    asked = SignalRequest(MODEL, fleet, numbers, DATA, jnp.arange(EXAMPLES), jax.random.key(0))
    with jax.numpy_dtype_promotion("standard"):  # Adam raises a float to its count
        return np.asarray(signal.take(asked))


def found(scores: np.ndarray) -> float:
    held = Evidence.leave_one_out({"surrogate_score": scores}, MEMBERSHIP)
    return auc(roc(ATTACKS["logan_black_box"](held), MEMBERSHIP))


@pytest.fixture(scope="module")
def short() -> np.ndarray:
    """Of the models, and of one more with the samples of the first."""
    return taken(np.concatenate([MEMBERS, MEMBERS[:1]]), SHORT)


def test_copies_of_members_give_them_away() -> None:
    scores = taken(MEMBERS, SIGNAL)
    assert scores.shape == (MODELS, EXAMPLES)
    assert found(scores) > 0.75


def test_models_with_the_same_samples_have_the_same_scores_which_give_half(
    short: np.ndarray,
) -> None:
    np.testing.assert_allclose(short[MODELS], short[0], rtol=1e-4, atol=1e-5)
    assert np.abs(short[1] - short[0]).max() > 1e-3
    # In a balanced fleet each example has as many members as non-members among the models.
    assert found(np.tile(short[:1], (MODELS, 1))) == pytest.approx(0.5)


def test_it_is_the_score_of_a_gan_that_is_trained_on_the_samples_alone(short: np.ndarray) -> None:
    rows = MEMBERS[1]
    own = Variables({"inputs": jnp.asarray(X[rows]), "labels": jnp.asarray(rows % 2)}, {})
    key = jax.random.fold_in(jax.random.key(0), jnp.uint32(2**31 + 5))
    drawing, learning = jax.random.split(key)
    labels = sample_labels(COUNT, 2)
    made = np.asarray(samples(MODEL, own, drawing, labels))
    alone = Arrays.of(Dataset("samples", made, np.asarray(labels), np.arange(COUNT), 2))
    players = generator_mlp([32, 32], (NUMBERS,), 2), discriminator_mlp([32, 32], 2)
    model = gan(*players, num_classes=2)
    train = make_train(model, undefended(5), Players(learning_rate=2e-3), batch_size=20)
    with jax.numpy_dtype_promotion("standard"):
        variables, _ = jax.jit(train)(learning, alone, jnp.arange(COUNT))
    score = model.answering(variables)(jnp.asarray(X), DATA.y).score
    np.testing.assert_allclose(short[1], score, rtol=1e-3, atol=1e-3)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="width must be"):
        surrogate_signal(2, width=0)
    request = SignalRequest(
        mlp([8], num_classes=2), None, (0,), DATA, jnp.arange(2), jax.random.key(0)
    )
    with pytest.raises(ValueError, match="makes up no examples"):
        SIGNAL.take(request)
    with pytest.raises(ValueError, match=r"keep pptp_jax.training.surrogate_signal\(...\)"):
        SURROGATE_SCORE.take(request)
