"""LiRA on the tokens of a sequence: a multivariate normal over its places for each kind of shadows.

References:
    Rossi et al., "Membership Inference Attacks on Sequence Models", 2025,
    https://arxiv.org/abs/2506.05126
"""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.validation import one_of

# A probability nearer to 1 is rounding in float32, and φ beyond 1e9 has no finite square.
_NEAREST, _FAR = 2.0**-24, 1e9
# No direction of the common correlations has less than this share of the variance.
_LEAST = 0.01
# A variance this many times that of nine in ten sequences comes from a fault.
_GROSS = 100.0
# From this number of models on, IN and OUT shadows have separate covariances.
_BY_KIND_FROM = 64
_AT_ONCE = 64

Covariance = Literal["auto", "joint", "by_kind"]


def lira_tokens(
    evidence: Evidence, *, covariance: Covariance = "auto"
) -> Float[Array, "targets attacked"]:
    """Log N(φ; μ_in, Σ_in) − log N(φ; μ_out, Σ_out) of the vector φ of the tokens' log-odds.

    A mean over tokens weighs all of them alike: the one that only members know, and those that
    everybody knows.

    A sequence has more tokens than there are shadows. What is fitted to it is therefore drawn
    towards what is pooled over all sequences:

    - Its covariance towards Σ₀, as if Σ₀ had been seen in as many shadows as the sequence has
      tokens beside the first. Σ₀ has one variance, and correlations by the distance of two tokens,
      since a place holds another token in every sequence. No eigenvalue of them is below 0.01.
    - The gap μ_in − μ_out of each token towards the mean gap of its sequence: by the share that
      chance has, with so few shadows, in how gaps differ within sequences.

    Places without a token count nowhere.

    Args:
        evidence: with `token_log_prob` and `token_present`; queries are averaged.
        covariance: `joint`: one Σ for both kinds of shadows, so that the ratio is linear in φ;
            `by_kind`: one for each; or `auto`: by kind from 64 models up.

    Raises:
        AttackUnavailable: with fewer than 2 IN and 2 OUT shadows for an example.

    Examples:
        >>> import numpy as np
        >>> rng, membership = np.random.default_rng(0), np.arange(8)[:, None] % 2 == 0
        >>> phi = np.where(membership, 2.0, -2.0)[..., None] + rng.normal(size=(8, 1, 3)) / 9
        >>> signals = {"token_log_prob": -np.log1p(np.exp(-phi)), "token_present": phi < 9}
        >>> held = Evidence.leave_one_out(signals, membership)
        >>> print(lira_tokens(held)[:, 0] > 0)
        [ True False  True False  True False  True False]
    """
    one_of(("auto", "joint", "by_kind"), covariance=covariance)
    kinds = evidence.shadows_of("IN", at_least=2), evidence.shadows_of("OUT", at_least=2)
    # A target that is no shadow counts as a model as well.
    models = len(evidence.membership) + bool((evidence.target_among_shadows < 0).any())
    joint = models < _BY_KIND_FROM if covariance == "auto" else covariance == "joint"
    present = evidence.shadow_signal("token_present").all(axis=(0, 1))
    return _scores(
        joint,
        log_odds(evidence.target_signal("token_log_prob")).mean(axis=1),
        evidence.target_signal("token_present").all(axis=1) & present[None],
        log_odds(evidence.shadow_signal("token_log_prob")).mean(axis=1),
        kinds,
        jnp.asarray(evidence.target_among_shadows),
    )


def log_odds(log_p: Float[Array, "..."]) -> Float[Array, "..."]:
    """Log p − log (1 − p), of probabilities that float32 tells from 1.

    Examples:
        >>> print(log_odds(jnp.log(jnp.array([0.5, 1.0]))))
        [ 0.       16.635532]
    """
    log_p = jnp.clip(log_p, -_FAR, -_NEAREST)
    return log_p - jnp.log(-jnp.expm1(log_p))


class _Fit(NamedTuple):
    """Some shadows of each sequence.

    Attributes:
        mean: their mean φ.
        off: how far each of them lies from it; 0 for the others.
        freedom: how many they are, less one.
    """

    mean: Float[Array, "attacked tokens"]
    off: Float[Array, "shadows attacked tokens"]
    freedom: Float[Array, " attacked"]


@partial(jax.jit, static_argnums=0)
def _scores(
    joint: bool,
    own: Float[Array, "targets attacked tokens"],
    there: Bool[Array, "targets attacked tokens"],
    known: Float[Array, "shadows attacked tokens"],
    kinds: tuple[Bool[Array, "shadows attacked"], Bool[Array, "shadows attacked"]],
    itself: Int[Array, " targets"],
) -> Float[Array, "targets attacked"]:
    def of_target(target: tuple[Array, Array, Array]) -> Float[Array, " attacked"]:
        mine, there, place = target
        others = jnp.arange(len(known))[:, None] != place
        of_in, of_out = (kind & others for kind in kinds)
        # As many of either kind, as `alike` has it: the first of them.
        fewer = jnp.minimum(of_in.sum(axis=0), of_out.sum(axis=0))[None]
        inside, outside = (
            _fit(known, there, kind & (jnp.cumsum(kind, axis=0) <= fewer))
            for kind in (of_in, of_out)
        )
        # No shadow is of both kinds.
        both = _Fit(
            (inside.mean + outside.mean) / 2,
            inside.off + outside.off,
            inside.freedom + outside.freedom,
        )
        off, gap = jnp.where(there, mine - both.mean, 0.0), _gap(inside, outside, both, there)
        if joint:
            found, _ = _whitened(both, there, (off, gap))
            return (found[0] * found[1]).sum(axis=-1)
        (near, _), root = _whitened(inside, there, (off - gap / 2, off))
        (far, _), other = _whitened(outside, there, (off + gap / 2, off))
        return (jnp.square(far) - jnp.square(near)).sum(axis=-1) / 2 + other - root

    return jax.lax.map(of_target, (own, there, itself))


def _fit(
    known: Float[Array, "shadows attacked tokens"],
    there: Bool[Array, "attacked tokens"],
    chosen: Bool[Array, "shadows attacked"],
) -> _Fit:
    used = chosen[..., None] & there[None]
    count = chosen.sum(axis=0).astype(known.dtype)
    mean = jnp.where(used, known, 0.0).sum(axis=0) / count[:, None]
    return _Fit(mean, jnp.where(used, known - mean[None], 0.0), count - 1)


def _gap(
    inside: _Fit, outside: _Fit, both: _Fit, there: Bool[Array, "attacked tokens"]
) -> Float[Array, "attacked tokens"]:
    """The lead of members, drawn towards the mean over the tokens of a sequence."""
    tokens = jnp.maximum(there.sum(axis=1), 1).astype(inside.mean.dtype)

    def mean(values: Float[Array, "attacked tokens"]) -> Float[Array, "attacked 1"]:
        return (values.sum(axis=1) / tokens)[:, None]

    def spread(values: Float[Array, "attacked tokens"]) -> Float[Array, " attacked"]:
        return jnp.square(jnp.where(there, values - mean(values), 0.0)).sum(axis=1)

    gap = jnp.where(there, inside.mean - outside.mean, 0.0)
    usual = _usual(both, there)
    by_chance = sum(
        jax.vmap(spread)(fit.off).sum(axis=0) / (fit.freedom * (fit.freedom + 1))
        for fit in (inside, outside)
    )
    seen, chance = (jnp.where(usual, part, 0.0).sum() for part in (spread(gap), by_chance))
    share = jnp.where(seen > 0, jnp.clip(chance / jnp.where(seen > 0, seen, 1.0), 0.0, 1.0), 0.0)
    return jnp.where(there, (1 - share) * gap + share * mean(gap), 0.0)


def _whitened(
    fit: _Fit, there: Bool[Array, "attacked tokens"], values: tuple[Array, Array]
) -> tuple[tuple[Array, Array], Float[Array, " attacked"]]:
    """Values where the covariance is the identity, and half the logarithm of its determinant."""
    common = _common(fit, there)
    least = jnp.finfo(common.dtype).tiny ** 0.5

    def of_sequence(
        one: tuple[Array, Array, Array, Array],
    ) -> tuple[Float[Array, "tokens 2"], Float[Array, ""]]:
        pair, off, there, freedom = one
        prior = jnp.maximum(there.sum() - 1, 0).astype(common.dtype)
        covariance = (off.T @ off + prior * common) / (freedom + prior)
        # An absent token is one that lies at its mean, whatever the others say.
        covariance = jnp.where(there[:, None] & there[None], covariance, 0.0)
        covariance += jnp.diag(jnp.where(there, least, 1.0))
        root = jnp.linalg.cholesky(covariance)
        white = jax.scipy.linalg.solve_triangular(root, pair, lower=True)
        return white, jnp.log(jnp.diag(root)).sum()

    given = jnp.stack(values, axis=-1), fit.off.swapaxes(0, 1), there, fit.freedom
    white, root = jax.lax.map(of_sequence, given, batch_size=_AT_ONCE)
    return (white[..., 0], white[..., 1]), root


def _common(fit: _Fit, there: Bool[Array, "attacked tokens"]) -> Float[Array, "tokens tokens"]:
    """One variance, and correlations by the distance of two tokens, of all sequences."""
    usual = _usual(fit, there)
    off = jnp.where(usual[None, :, None], fit.off, 0.0)
    one = there.astype(off.dtype)
    pairs = jnp.where(usual, fit.freedom, 0.0)[:, None] * one
    places = jnp.arange(off.shape[-1])
    distance = jnp.abs(places[:, None] - places[None])

    def by_distance(sums: Float[Array, "tokens tokens"]) -> Float[Array, " tokens"]:
        return jnp.zeros(len(places), sums.dtype).at[distance].add(sums)

    products = by_distance(jnp.einsum("sxi,sxj->ij", off, off))
    number = by_distance(pairs.T @ one)
    covariance = products / jnp.maximum(number, 1.0)
    variance = covariance[0]
    correlation = covariance / jnp.where(variance > 0, variance, 1.0)
    # Each distance has pairs of its own: it need not be a matrix of correlations yet.
    values, vectors = jnp.linalg.eigh(correlation[distance])
    matrix = (vectors * jnp.maximum(values, _LEAST)[None]) @ vectors.T
    root = jnp.sqrt(jnp.diag(matrix))
    return variance * matrix / (root[:, None] * root[None])


def _usual(fit: _Fit, there: Bool[Array, "attacked tokens"]) -> Bool[Array, " attacked"]:
    """Which sequences are pooled: those whose variance is not more than 100 times the 90 % one."""
    tokens = jnp.maximum(there.sum(axis=1), 1).astype(fit.off.dtype)
    own = jnp.square(fit.off).sum(axis=(0, 2)) / (fit.freedom * tokens)
    limit = _GROSS * jnp.quantile(own, 0.9)
    # Where nine in ten do not vary at all nothing can be said of the others.
    return (own <= limit) | (limit == 0)
