"""Quantile regression: predict from x the φ of a model that did not train on x.

References:
    Bertran et al., "Scalable Membership Inference Attacks via Quantile Regression", NeurIPS 2023,
    https://arxiv.org/abs/2307.03694
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm
from jaxtyping import Array, Bool, Float, Key

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.folds import Folds, fitted, folds_of, scored
from pptp_jax.attacks.perceptron import Layer, Perceptron, outputs
from pptp_jax.validation import at_least, one_of, positive

_BATCH = 256
# The number of targets that learn side by side.
_TOGETHER = 16
# The quantiles that the pinball head learns.
LEVELS = (0.5, 0.75, 0.9, 0.97, 0.99, 0.997)

Head = Literal["gaussian", "pinball"]


def quantile_regression(
    evidence: Evidence,
    *,
    head: Head = "gaussian",
    hidden: Sequence[int] = (64, 64),
    steps: int = 1000,
    learning_rate: float = 3e-3,
    folds: int = 4,
    seed: int = 0,
) -> Float[Array, "targets attacked"]:
    """The place of φ among the quantiles that a network predicts for a non-member x.

    The network learns from pairs of an example and one of its OUT shadows, drawn again for every
    batch: first the example, so that all weigh alike, then the shadow. The published attack trains
    no shadows (see `quantile_nonmembers`). Here no example is known to be a non-member of the
    target, and OUT shadows replace it.

    Args:
        evidence: with φ and inputs; of several queries the mean φ is taken.
        head: `gaussian`: mean and deviation, and (φ − μ(x))/σ(x) is the score; or `pinball`: the
            quantiles `LEVELS`, among which φ is placed on the scale of normal deviates.
        hidden: the widths of the hidden layers.
        steps: how many batches of 256 pairs each network learns from.
        learning_rate: that of Adam.
        folds: how many networks share the targets (see `folds_of`).
        seed: what initial values and batches derive from.

    Raises:
        AttackUnavailable: if some target has no shadow with both members and non-members.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> membership = np.arange(4)[:, None] % 2 == np.arange(40)[None] % 2
        >>> inputs = rng.normal(size=(40, 1))
        >>> phi = 3 * inputs[:, 0] + 2 * membership + 0.1 * rng.normal(size=(4, 40))
        >>> evidence = Evidence.leave_one_out(
        ...     signals={"confidence": np.float32(phi[:, None])},
        ...     membership=membership,
        ...     inputs=inputs,
        ... )
        >>> scores = quantile_regression(evidence, steps=300)
        >>> bool(scores[membership].mean() > scores[~membership].mean() + 1)
        True
    """
    _check(head, steps, learning_rate)
    at_least(1, folds=folds)
    dealt = folds_of(evidence, folds)
    inputs = _features(evidence)
    known = _without_gross(evidence.shadow_signal("confidence", all_examples=True).mean(axis=1))
    # The networks see φ on a common scale, where their first guess is not far off.
    centre, scale = known.mean(), known.std() + 1e-6
    given = _Given(
        own=(evidence.target_signal("confidence").mean(axis=1) - centre) / scale,
        known=(known - centre) / scale,
        outside=jnp.asarray(~evidence.shadow_membership(all_examples=True)),
        inputs=jnp.asarray(inputs),
        attacked=jnp.asarray(inputs if evidence.examples is None else inputs[evidence.examples]),
    )
    return _run(head, tuple(hidden), steps, given, dealt, learning_rate, seed)


def quantile_nonmembers(
    evidence: Evidence,
    *,
    head: Head = "gaussian",
    hidden: Sequence[int] = (64, 64),
    steps: int = 1000,
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> Float[Array, "targets attacked"]:
    """The same, learned as published: from the target's own φ on known non-members; no shadows.

    Each target has a network of its own. Of the known non-members themselves the scores tell
    nothing, since the network has seen them.

    Args:
        evidence: with φ, inputs and known non-members; of several queries the mean φ is taken.
        head: as in `quantile_regression`.
        hidden: the widths of the hidden layers.
        steps: how many batches of 256 non-members each network learns from.
        learning_rate: that of Adam.
        seed: what initial values and batches derive from.

    Raises:
        AttackUnavailable: if the inputs or the known non-members are not there.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> inputs, member = rng.normal(size=(90, 1)), np.arange(90) % 3 == 0
        >>> phi = 3 * inputs[:, 0] + 2 * member + 0.1 * rng.normal(size=90)
        >>> evidence = Evidence.leave_one_out(
        ...     signals={"confidence": np.float32(phi[None, None])},
        ...     membership=member[None],
        ...     inputs=inputs,
        ...     nonmembers=np.arange(90) % 3 == 1,
        ...     examples=np.flatnonzero(np.arange(90) % 3 != 1),
        ... )
        >>> scores = quantile_nonmembers(evidence, steps=300)[0]
        >>> bool(scores[::2].mean() > scores[1::2].mean() + 1)
        True
    """
    _check(head, steps, learning_rate)
    inputs, learned = _features(evidence), evidence.require("nonmembers", all_examples=True)
    own = evidence.target_signal("confidence").mean(axis=1)
    known = evidence.target_signal("confidence", all_examples=True).mean(axis=1)[
        :, np.flatnonzero(learned)
    ]
    known = _without_gross(known)
    centre, scale = known.mean(), known.std() + 1e-6
    attacked = jnp.asarray(inputs if evidence.examples is None else inputs[evidence.examples])
    found = []
    for i in range(0, len(own), _TOGETHER):
        part = known[i : i + _TOGETHER]
        given = _Given(
            own=(own[i : i + _TOGETHER] - centre) / scale,
            known=(part - centre) / scale,
            outside=jnp.ones(part.shape, bool),
            inputs=jnp.asarray(inputs[learned]),
            attacked=attacked,
        )
        alone = Folds(of_target=jnp.arange(len(part)), teachers=jnp.eye(len(part), dtype=bool))
        found.append(_run(head, tuple(hidden), steps, given, alone, learning_rate, seed))
    return jnp.concatenate(found)


class _Given(NamedTuple):
    """The training data of the networks, and the examples that they score.

    Attributes:
        own: the targets' φ.
        known: the φ that the networks learn from.
        outside: which pairs are of non-members.
        inputs: the examples of these pairs.
        attacked: the examples under attack.
    """

    own: Float[Array, "targets attacked"]
    known: Float[Array, "shadows examples"]
    outside: Bool[Array, "shadows examples"]
    inputs: Float[Array, "examples features"]
    attacked: Float[Array, "attacked features"]


def _check(head: Head, steps: int, learning_rate: float) -> None:
    one_of(("gaussian", "pinball"), head=head)
    at_least(1, steps=steps)
    positive(learning_rate=learning_rate)


def _features(evidence: Evidence) -> Float[np.ndarray, "examples features"]:
    inputs = np.asarray(evidence.require("inputs", all_examples=True), np.float32)
    inputs = inputs.reshape(len(inputs), -1)
    return (inputs - inputs.mean(axis=0)) / (inputs.std(axis=0) + 1e-6)


def _without_gross(known: Float[Array, "models examples"]) -> Float[Array, "models examples"]:
    """Clips values that lie beyond ten times the distance of nine in ten from the median.

    A single φ of −10,000 would otherwise set the scale on which networks see all others.
    """
    centre = jnp.median(known)
    limit = 10 * jnp.quantile(jnp.abs(known - centre), 0.9)
    # Where nine in ten are equal nothing can be said of the others.
    limit = jnp.where(limit > 0, limit, jnp.inf)
    return jnp.clip(known, centre - limit, centre + limit)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _run(
    head: Head,
    hidden: tuple[int, ...],
    steps: int,
    given: _Given,
    folds: Folds,
    learning_rate: float,
    seed: int,
) -> Float[Array, "targets attacked"]:
    known, outside, inputs = given.known, given.outside, given.inputs
    widths = (*hidden, 2 if head == "gaussian" else len(LEVELS))
    loss, score_of = (_gaussian_loss, _deviation) if head == "gaussian" else (_pinball, _place)

    def draw(
        key: Key[Array, ""], own: Bool[Array, " shadows"]
    ) -> tuple[Array, tuple[Array, Array]]:
        pick_example, pick_shadow = jax.random.split(key)
        columns = jax.random.randint(pick_example, (_BATCH,), 0, len(inputs))
        there = own[None] & outside.T[columns]
        rows = jax.random.categorical(pick_shadow, jnp.where(there, 0.0, -1e9), axis=1)
        return inputs[columns], (known[rows, columns], there.any(axis=1).astype(known.dtype))

    params = fitted(
        Perceptron(widths),
        loss,
        draw,
        folds.teachers,
        steps=steps,
        learning_rate=learning_rate,
        seed=seed,
    )

    def score(params: list[Layer], phi: Float[Array, " attacked"]) -> Float[Array, " attacked"]:
        return score_of(outputs(params, given.attacked), phi)

    return scored(score, params, folds.of_target, given.own)


def _gaussian_loss(
    found: Float[Array, "batch 2"], batch: tuple[Float[Array, " batch"], Float[Array, " batch"]]
) -> Float[Array, ""]:
    phi, weight = batch
    mean, log_std = found[:, 0], found[:, 1]
    return (weight * (log_std + jnp.square((phi - mean) * jnp.exp(-log_std)) / 2)).mean()


def _deviation(
    found: Float[Array, "examples 2"], phi: Float[Array, " examples"]
) -> Float[Array, " examples"]:
    return (phi - found[:, 0]) * jnp.exp(-found[:, 1])


def _pinball(
    found: Float[Array, "batch levels"],
    batch: tuple[Float[Array, " batch"], Float[Array, " batch"]],
) -> Float[Array, ""]:
    phi, weight = batch
    above = phi[:, None] - found
    level = jnp.array(LEVELS)[None]
    return (weight[:, None] * jnp.maximum(level * above, (level - 1) * above)).mean()


def _place(
    found: Float[Array, "examples levels"], phi: Float[Array, " examples"]
) -> Float[Array, " examples"]:
    """φ between the quantiles as a normal deviate; beyond them the outer pieces go on."""
    quantiles = jnp.sort(found, axis=1)
    deviates = norm.ppf(jnp.array(LEVELS))
    piece = (phi[:, None] > quantiles[:, 1:-1]).sum(axis=1)
    low = jnp.take_along_axis(quantiles, piece[:, None], axis=1)[:, 0]
    high = jnp.take_along_axis(quantiles, piece[:, None] + 1, axis=1)[:, 0]
    share = (phi - low) / jnp.maximum(high - low, 1e-3)
    return deviates[piece] + share * (deviates[piece + 1] - deviates[piece])
