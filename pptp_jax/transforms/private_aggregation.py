"""Private aggregation by region: clipped sums of examples with Gaussian noise."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from pptp_jax.regions import paths
from pptp_jax.regions.precision import at_least_float32
from pptp_jax.transforms.keys import leaf_keys
from pptp_jax.transforms.region_clip import RegionClip, count_examples
from pptp_jax.transforms.select import check_trees
from pptp_jax.validation import Refused, not_negative, positive, python_number

STREAM = "private_region_noise"


def private_region_noise(
    clip: RegionClip, noise_multiplier: float | jax.Array, *, batch_size: float | jax.Array
) -> optax.GradientTransformationExtraArgs:
    """Turns the clipped sum over a batch into a noisy mean: the second half of the aggregation.

    With C = `clip.sensitivity` and σ = `noise_multiplier`, a private region's sum s becomes
    `(s + N(0, (σC)² I)) / batch_size`, and the sum of any other region is divided alone.

    Formal guarantees:
        Given a sum of sensitivity `clip.sensitivity`, such as that of `clipped_grad`, the update of
        the private regions is one Gaussian mechanism of noise multiplier σ, whatever their number
        and the kind of clipping: σ is what an accountant asks for. The other regions get no noise,
        so **a model that trains them has no ε**. The noise comes from a pseudo-random generator in
        floating point: it does not withstand an attacker who exploits either (Mironov 2012).

    Args:
        clip: the regions and the norm with which the sum was clipped.
        noise_multiplier: σ, the noise's standard deviation over the sensitivity.
        batch_size: what to divide by: the *expected* number of examples. The number that happened
            to be drawn is itself private under Poisson sampling.

    Returns:
        A transform whose `update(sums, state, params=None, *, key)` needs a typed key, new in each
        step. It keeps no state, and the precision of `params` where they are given, else of the
        sums.

    Raises:
        ValueError: if σ is negative or the batch size is not positive; from `update`, if `key` is
            missing or is not one typed key, or the sums do not fit the parameters.

    References:
        Abadi et al., "Deep Learning with Differential Privacy", CCS 2016,
        https://arxiv.org/abs/1607.00133. Mironov, "On Significance of the Least Significant Bits
        for Differential Privacy", CCS 2012.

    Examples:
        >>> from pptp_jax.regions import RegionMap
        >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
        >>> clip = RegionClip(regions, "protect", max_norm=1.0)
        >>> tx = private_region_noise(clip, noise_multiplier=1.0, batch_size=4)
        >>> sums = {"stem": jnp.zeros(2), "head": jnp.full(2, 8.0)}
        >>> updates, _ = tx.update(sums, tx.init(sums), key=jax.random.key(0))
        >>> print(updates["head"], bool((updates["stem"] != 0).all()))
        [2. 2.] True
    """
    not_negative(noise_multiplier=noise_multiplier)
    positive(batch_size=batch_size)
    _refuse_lost_noise(noise_multiplier, clip)

    def init(params: Any) -> optax.EmptyState:
        clip.region_map.labels(params)
        return optax.EmptyState()

    def update(
        updates: Any,
        state: optax.EmptyState,
        params: Any = None,
        *,
        key: jax.Array | None = None,
        **extra: Any,
    ) -> tuple[Any, optax.EmptyState]:
        del extra
        if params is not None:
            _check_fit(updates, params, lead=())
        likes = updates if params is None else params
        return _noisy_mean(clip, noise_multiplier, batch_size, updates, key, likes), state

    return optax.GradientTransformationExtraArgs(init, update)


def private_region_aggregation(
    clip: RegionClip, noise_multiplier: float | jax.Array, *, batch_size: float | jax.Array
) -> optax.GradientTransformationExtraArgs:
    """Turns per-example gradients into one update: clip, sum, add noise, divide.

    Must be first in a chain. It takes what `jax.vmap(jax.grad(loss), (None, 0))` gives: each leaf
    with a leading axis of examples. Where these gradients do not fit in memory, `clipped_grad`
    followed by `private_region_noise` gives the same update. It sums over the examples that it
    sees, and does not fit into `optax.MultiSteps`, which averages updates over steps.

    Formal guarantees:
        `clip.sum` has the sensitivity `clip.sensitivity`, and the update of the private regions is
        one Gaussian mechanism of noise multiplier σ; see `private_region_noise`. The other regions
        are averaged without noise, so **a model that trains them has no ε**.

    Args:
        clip: the private regions, and how an example is clipped.
        noise_multiplier: σ, the noise's standard deviation over `clip.sensitivity`.
        batch_size: what to divide by: the expected number of examples.

    Returns:
        A transform whose `update(gradients, state, params=None, *, key, present=None)` needs a
        typed key, new in each step; `present` are booleans (examples,), False for padding. It keeps
        no state, and the precision of the gradients.

    Raises:
        ValueError: as `RegionClip.sum` and `private_region_noise`.

    References:
        Abadi et al., "Deep Learning with Differential Privacy", CCS 2016,
        https://arxiv.org/abs/1607.00133

    Examples:
        >>> from pptp_jax.regions import RegionMap
        >>> regions = RegionMap.from_rules([(".*", "protect")])
        >>> clip = RegionClip(regions, "protect", max_norm=1.0)
        >>> private = private_region_aggregation(clip, noise_multiplier=0.0, batch_size=2)
        >>> tx = optax.chain(private, optax.sgd(0.1))
        >>> params = {"w": jnp.zeros(2)}
        >>> gradients = {"w": jnp.array([[3.0, 4.0], [0.0, 0.5]])}
        >>> updates, _ = tx.update(gradients, tx.init(params), params, key=jax.random.key(0))
        >>> print(updates["w"])
        [-0.03  -0.065]
    """
    noise = private_region_noise(clip, noise_multiplier, batch_size=batch_size)

    def update(
        updates: Any,
        state: optax.EmptyState,
        params: Any = None,
        *,
        key: jax.Array | None = None,
        present: jax.Array | None = None,
        **extra: Any,
    ) -> tuple[Any, optax.EmptyState]:
        del extra
        if params is not None:
            _check_fit(updates, params, lead=(count_examples(updates),))
        total = clip.sum(updates, present)
        return _noisy_mean(clip, noise_multiplier, batch_size, total, key, updates), state

    return optax.GradientTransformationExtraArgs(noise.init, update)


def _refuse_lost_noise(noise_multiplier: float | jax.Array, clip: RegionClip) -> None:
    """Refuses noise that single precision rounds to none, or to infinity."""
    stddev = python_number(python_number(noise_multiplier) * clip.sensitivity)
    if isinstance(stddev, jax.core.Tracer) or python_number(noise_multiplier) == 0:
        return
    positive(**{"the noise's standard deviation, noise_multiplier · sensitivity,": stddev})


def _noisy_mean(
    clip: RegionClip,
    noise_multiplier: float | jax.Array,
    batch_size: float | jax.Array,
    totals: Any,
    key: jax.Array | None,
    likes: Any,
) -> Any:
    stddev = noise_multiplier * clip.sensitivity

    def one(label: str, total: jax.Array, key: jax.Array, like: jax.Array) -> jax.Array:
        # Noise of half precision has few distinct values; only the finished mean is rounded.
        total = total.astype(at_least_float32(total.dtype))
        if label in clip.labels:
            noise = jax.random.normal(key, total.shape, total.dtype)
            total += jnp.asarray(stddev, total.dtype) * noise
        return (total / jnp.asarray(batch_size, total.dtype)).astype(jnp.result_type(like))

    keys = leaf_keys(key, totals, STREAM)
    return jax.tree.map(one, clip.region_map.labels(totals), totals, keys, likes)


def _check_fit(updates: Any, params: Any, lead: tuple[int, ...]) -> None:
    check_trees(updates, params)
    leaves = zip(paths(params), jax.tree.leaves(updates), jax.tree.leaves(params), strict=True)
    shapes = [(name, jnp.shape(own), (*lead, *jnp.shape(like))) for name, own, like in leaves]
    wrong = [f"{name}: {given} for {wanted}" for name, given, wanted in shapes if given != wanted]
    if wrong:
        raise Refused(
            "the gradients do not have the shapes that the parameters call for: " + "; ".join(wrong)
        )
