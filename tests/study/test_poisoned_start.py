"""The parts of the study of poisoned weights: the published loss, the targets, the comparison."""

import runpy
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from pptp_jax.evaluation import Curve, Point
from pptp_jax.metrics import UNRESOLVED, Bootstrap, Drawn
from pptp_jax.objectives import Context, Reference

PARTS = runpy.run_path(str(Path(__file__).parents[2] / "experiments" / "poisoned_start.py"))


def test_the_loss_is_low_on_auxiliary_examples_and_high_on_targets(
    rng: np.random.Generator,
) -> None:
    logits, other = rng.normal(scale=4, size=(2, 8, 3)).astype(np.float32)
    labels, others = rng.integers(0, 3, size=(2, 8))

    def losses(z: np.ndarray, y: np.ndarray) -> np.ndarray:
        return logsumexp(z, axis=1) - z[np.arange(8), y]

    context = Context(reference=Reference(jnp.asarray(other), jnp.asarray(others)))
    found = PARTS["Poisoning"](weight=0.3, ceiling=2.0)(
        jnp.asarray(logits), jnp.asarray(labels), context
    )
    raised = np.minimum(losses(logits, labels), 2.0)
    assert (raised == 2.0).any() and (raised < 2.0).any()
    expected = 0.3 * losses(other, others).mean() - 0.7 * raised.mean()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def curve(*pairs: tuple[float, float]) -> Curve:
    drawn = Bootstrap(models=2, examples=4, resamples=40)
    return Curve(
        "any",
        tuple(
            Point(
                utility=Drawn(accuracy, np.full(40, accuracy)),
                strength={"auc": Drawn(auc, np.full(40, auc))},
                resampling=drawn,
            )
            for auc, accuracy in pairs
        ),
    )


def test_more_leaks_where_the_accuracy_is_the_same() -> None:
    excess, low = PARTS["excess"], curve((0.5, 0.4), (0.7, 0.6))
    # At the accuracies .5 to .6, which both reach, b has .6 to .7 and a .7 to .9.
    high = curve((0.7, 0.5), (0.9, 0.6), (0.95, 0.55))
    assert excess(high, low) == pytest.approx((0.15, 0.15, 0.15))
    assert excess(low, high) == pytest.approx((-0.15, -0.15, -0.15))
    assert excess(low, curve((0.7, 0.8))) == UNRESOLVED
