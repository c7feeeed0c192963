"""Signals of denoisers against loops in NumPy; a denoiser that has memorised ten images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.attacks import ATTACKS, Evidence
from pptp_jax.data import Arrays, Balanced, Dataset
from pptp_jax.metrics import auc, roc
from pptp_jax.models import Model, Variables, mlp
from pptp_jax.regions import Block
from pptp_jax.signals import (
    GRADIENT_NORMS,
    PIA_ERROR,
    PIAN_ERROR,
    SECMI_DIFFERENCE,
    SECMI_ERROR,
    SIMA_NORM,
    TIMESTEP_GRADIENTS,
    SignalRequest,
    collect,
)
from pptp_jax.tasks import Denoising
from pptp_jax.tasks.noise_schedule import signal_shares

STEPS, GRID = 20, (4, 10, 16)
TASK = Denoising(steps=STEPS, timesteps=GRID, draws=2, numbers=4)
LEFT = signal_shares("cosine", STEPS)
RNG = np.random.default_rng(0)
X = RNG.uniform(size=(20, 4)).astype(np.float32)
Y = np.arange(20) % 3
DATA = Arrays.of(Dataset("images", X, Y, np.arange(20), 3))
WEIGHTS = RNG.normal(size=(2, 4, 4)).astype(np.float32) / 3


def apply(params, state, seen, *, train, key):
    """A network of two blocks whose answer depends on image, timestep and class."""
    late = (seen.timesteps + 2 * seen.labels).astype(jnp.float32)[:, None] / STEPS
    return jnp.tanh(seen.inputs @ params["stem"] + late * params["head"][None]), state


MODEL = Model(
    init=lambda key, x: Variables({}, {}),
    apply=apply,
    task=TASK,
    blocks=(Block("stem", "stem"), Block("head", "head")),
)
FLEET = Variables({"stem": jnp.asarray(WEIGHTS), "head": jnp.asarray(WEIGHTS[:, 0])}, {})


pytestmark = pytest.mark.usefixtures("compile_in_haste")


def says(model: int, x: np.ndarray, t: int, label: int) -> np.ndarray:
    late = (t + 2 * label) / STEPS
    return np.tanh(x @ np.float64(WEIGHTS[model]) + late * WEIGHTS[model, 0])


def step(model: int, x: np.ndarray, label: int, t: int, s: int) -> np.ndarray:
    noise = says(model, x, t, label)
    inside = (x - np.sqrt(1 - LEFT[t]) * noise) / np.sqrt(LEFT[t])
    return np.sqrt(LEFT[s]) * inside + np.sqrt(1 - LEFT[s]) * noise


def misses(model: int, x: np.ndarray, label: int) -> list[np.ndarray]:
    times, found = [0, *GRID, 19], []
    for now, before, then in zip(times[1:-1], times, times[2:], strict=False):
        x = step(model, x, label, before, now)
        back = step(model, step(model, x, label, now, then), label, then, now)
        found.append(x - back)
    return found


def secmi(model: int, x: np.ndarray, label: int) -> list[float]:
    return [(missed**2).sum() for missed in misses(model, x, label)]


def pia(model: int, x: np.ndarray, label: int, normalized: bool = False) -> list[float]:
    own = says(model, x, 0, label)
    if normalized:
        own = own / np.abs(own).mean() * np.sqrt(2 / np.pi)
    return [
        (
            (own - says(model, np.sqrt(LEFT[t]) * x + np.sqrt(1 - LEFT[t]) * own, t, label)) ** 4
        ).sum()
        for t in GRID
    ]


def sima(model: int, x: np.ndarray, label: int) -> list[float]:
    return [np.linalg.norm(says(model, x, t, label)) for t in GRID]


def taken(signal, model=MODEL, fleet=FLEET) -> np.ndarray:
    numbers = tuple(range(len(jax.tree.leaves(fleet)[0])))
    rows, key = jnp.arange(20), jax.random.key(0)
    return np.asarray(signal.take(SignalRequest(model, fleet, numbers, DATA, rows, key)))


@pytest.mark.parametrize(
    ("signal", "twin"),
    [
        (SECMI_ERROR, secmi),
        (PIA_ERROR, pia),
        (PIAN_ERROR, lambda *of: pia(*of, normalized=True)),
        (SIMA_NORM, sima),
    ],
    ids=lambda of: getattr(of, "name", ""),
)
def test_signals_are_their_twins(signal, twin) -> None:
    expected = [
        [twin(m, np.float64(2 * x - 1), y) for x, y in zip(X, Y, strict=True)] for m in (0, 1)
    ]
    np.testing.assert_allclose(taken(signal), np.swapaxes(expected, 1, 2), rtol=2e-3, atol=1e-5)


def test_the_squares_of_the_difference_images_add_up_to_the_error() -> None:
    found = taken(SECMI_DIFFERENCE)
    expected = [
        [np.abs(misses(m, np.float64(2 * x - 1), y)) for x, y in zip(X, Y, strict=True)]
        for m in (0, 1)
    ]
    np.testing.assert_allclose(found, np.swapaxes(expected, 1, 2), rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(
        np.square(found).sum(axis=-1), taken(SECMI_ERROR), rtol=1e-4, atol=1e-9
    )


def test_gradients_by_timestep_are_those_of_the_error() -> None:
    """Of −log p = ½ d e, at each timestep; GSA1's is the gradient of their mean."""
    by_timestep, of_mean = taken(TIMESTEP_GRADIENTS), taken(GRADIENT_NORMS)
    assert by_timestep.shape == (2, 3, 2, 20) and of_mean.shape == (2, 2, 20)

    @jax.jit
    def errors(params, row):
        x, y = DATA.inputs(row)[None], DATA.targets(row)[None]
        return 2 * MODEL.answering(Variables(params, {}))(x, y)[0]

    own = jax.tree.map(lambda leaf: leaf[1], FLEET.params)
    for row in (0, 17):
        slopes = jax.jacobian(errors)(own, jnp.int32(row))
        for b, block in enumerate(("stem", "head")):
            slope = np.asarray(slopes[block]).reshape(3, -1)
            np.testing.assert_allclose(
                by_timestep[1, :, b, row], np.linalg.norm(slope, axis=1), rtol=1e-4
            )
            np.testing.assert_allclose(of_mean[1, b, row], np.linalg.norm(slope.mean(0)), rtol=1e-4)


def test_other_models_are_refused() -> None:
    with pytest.raises(ValueError, match="is of denoisers, such as ddpm"):
        taken(SIMA_NORM, mlp([8], num_classes=3))


def memorised(params, state, seen, *, train, key):
    """The noise that a model predicts that knows ten images and nothing else."""
    left = jnp.asarray(LEFT, jnp.float32)[seen.timesteps][:, None]
    off = seen.inputs[:, None] - jnp.sqrt(left)[:, :, None] * params["known"][None]
    scores = -jnp.square(off).sum(-1) / (2 * (1 - left)) + 0 * params["rest"].sum()
    noise = (jax.nn.softmax(scores)[..., None] * off).sum(1) / jnp.sqrt(1 - left)
    return noise, state


MEMBERS = Balanced(12).draw(20, 0).matrix
KNOWN = Variables(
    {"known": jnp.asarray(2 * np.stack([X[m] for m in MEMBERS]) - 1), "rest": jnp.zeros((12, 1))},
    {},
)
HEART = Model(
    init=MODEL.init,
    apply=memorised,
    task=TASK,
    blocks=(Block("known", "known"), Block("rest", "rest")),
)
SIGNALS = (SECMI_ERROR, SECMI_DIFFERENCE, PIA_ERROR, PIAN_ERROR, SIMA_NORM)
SIGNALS += (GRADIENT_NORMS, TIMESTEP_GRADIENTS)
NAMES = ("denoising_loss", "secmi", "secmi_nns", "pia", "pian", "sima", "gsa1", "gsa2")


def aucs(model: Model, fleet: Variables) -> dict[str, float]:
    def answers(own):
        return collect(model.answering(own), DATA, task=model.task)

    signals = jax.jit(lambda: jax.lax.map(answers, fleet))()
    signals |= {signal.name: taken(signal, model, fleet) for signal in SIGNALS}
    arrays = {name: np.asarray(array) for name, array in signals.items()}
    held = Evidence.leave_one_out(arrays, MEMBERS)
    names = (*NAMES, "lira_online", "rmia_online", "loss")
    options = {name: {"steps": 20} for name in ("gsa1", "gsa2")} | {"secmi_nns": {"steps": 300}}
    return {name: auc(roc(ATTACKS[name](held, **options.get(name, {})), MEMBERS)) for name in names}


def test_a_denoiser_that_memorised_ten_images_is_detected() -> None:
    found = aucs(HEART, KNOWN)
    for name in ("denoising_loss", "secmi", "lira_online", "rmia_online", "loss"):
        assert found[name] > 0.85, found
    assert min(found.values()) > 0.7, found
