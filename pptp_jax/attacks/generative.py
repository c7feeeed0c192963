"""Attacks on generative models: the discriminator's score, and distances to samples."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.attacks.calibration import above_the_means
from pptp_jax.attacks.evidence import Evidence
from pptp_jax.validation import fraction


def logan(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """LOGAN: the discriminator's score D(x) of the example.

    Args:
        evidence: with `discriminator_score`.

    Returns:
        The scores, averaged over the queries.

    References:
        Hayes et al., "LOGAN: Membership Inference Attacks Against Generative Models", PoPETs 2019,
        https://arxiv.org/abs/1705.07663

    Examples:
        >>> import numpy as np
        >>> membership = np.array([[True, False]])
        >>> scores = {"discriminator_score": np.float32([[3.0, 1.0]])}
        >>> print(logan(Evidence.leave_one_out(scores, membership)))
        [[3. 1.]]
    """
    return evidence.target_signal("discriminator_score").mean(axis=1)


def logan_black_box(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """LOGAN without the model: the discriminator's score of a GAN that learned from samples alone.

    Args:
        evidence: with `surrogate_score`, as `pptp_jax.training.surrogate_signal` takes it.

    References:
        Hayes et al., "LOGAN: Membership Inference Attacks Against Generative Models", PoPETs 2019,
        https://arxiv.org/abs/1705.07663

    Examples:
        >>> import numpy as np
        >>> scores = {"surrogate_score": np.float32([[3.0, 1.0]])}
        >>> print(logan_black_box(Evidence.leave_one_out(scores, np.array([[True, False]]))))
        [[3. 1.]]
    """
    return evidence.target_signal("surrogate_score")


def gan_leaks(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """Minus the distance to the nearest sample.

    Args:
        evidence: with `sample_distances`.

    References:
        Chen et al., "GAN-Leaks: A Taxonomy of Membership Inference Attacks against Generative
        Models", CCS 2020, https://arxiv.org/abs/1909.03935

    Examples:
        >>> import numpy as np
        >>> distances = {"sample_distances": np.float32([[[0.1, 0.5], [0.4, 0.6]]])}
        >>> print(gan_leaks(Evidence.leave_one_out(distances, np.array([[True, False]]))))
        [[-0.1 -0.5]]
    """
    return -evidence.target_signal("sample_distances")[:, 0]


def gan_leaks_calibrated(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """The mean distance to the nearest sample of OUT shadows, less that of the target.

    Args:
        evidence: with `sample_distances`.

    Raises:
        AttackUnavailable: with no OUT shadow for an example.

    References:
        Chen et al., "GAN-Leaks: A Taxonomy of Membership Inference Attacks against Generative
        Models", CCS 2020, https://arxiv.org/abs/1909.03935

    Examples:
        >>> import numpy as np
        >>> distances = {"sample_distances": np.float32([[[0.1]], [[0.5]]])}
        >>> held = Evidence.leave_one_out(distances, np.array([[True], [False]]), targets=[0])
        >>> print(gan_leaks_calibrated(held))
        [[0.4]]
    """
    own, known = _both(evidence, "sample_distances")
    return _calibrated(evidence, own[:, :1], known[:, :1])


def gan_leaks_latent(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """Minus the distance to the nearest sample over all latent vectors, found by optimisation.

    Args:
        evidence: with `latent_distance`.

    References:
        Chen et al., "GAN-Leaks: A Taxonomy of Membership Inference Attacks against Generative
        Models", CCS 2020, https://arxiv.org/abs/1909.03935

    Examples:
        >>> import numpy as np
        >>> distances = {"latent_distance": np.float32([[0.1, 0.5]])}
        >>> print(gan_leaks_latent(Evidence.leave_one_out(distances, np.array([[True, False]]))))
        [[-0.1 -0.5]]
    """
    return -evidence.target_signal("latent_distance")


def gan_leaks_latent_calibrated(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """The same distance of OUT shadows on the mean, less that of the target.

    Args:
        evidence: with `latent_distance`.

    Raises:
        AttackUnavailable: with no OUT shadow for an example.

    References:
        Chen et al., "GAN-Leaks: A Taxonomy of Membership Inference Attacks against Generative
        Models", CCS 2020, https://arxiv.org/abs/1909.03935

    Examples:
        >>> import numpy as np
        >>> distances = {"latent_distance": np.float32([[0.1], [0.5]])}
        >>> held = Evidence.leave_one_out(distances, np.array([[True], [False]]), targets=[0])
        >>> print(gan_leaks_latent_calibrated(held))
        [[0.4]]
    """
    own, known = _both(evidence, "latent_distance")
    return _calibrated(evidence, own[:, None], known[:, None])


def monte_carlo(evidence: Evidence, *, quantile: float = 0.5) -> Float[Array, "targets attacked"]:
    """The share of samples within ε of the example.

    ε is a quantile, over the examples under attack, of the distance to the nearest sample; the
    median is the paper's heuristic. The share is one of the samples whose distances are kept: an
    example with more samples within ε scores 1.

    Args:
        evidence: with `sample_distances`.
        quantile: which; a half is the median.

    Raises:
        ValueError: if the quantile is no fraction.

    References:
        Hilprecht, Härterich and Bernau, "Monte Carlo and Reconstruction Membership Inference
        Attacks against Generative Models", PoPETs 2019, https://arxiv.org/abs/1906.03006

    Examples:
        >>> import numpy as np
        >>> distances = np.float32([[[0.1, 0.3, 0.6], [0.2, 0.5, 0.7]]])
        >>> held = Evidence.leave_one_out({"sample_distances": distances}, np.ones((1, 3), bool))
        >>> print(monte_carlo(held))
        [[1.  0.5 0. ]]
    """
    fraction(quantile=quantile)
    distances = evidence.target_signal("sample_distances")
    radius = jnp.quantile(distances[:, 0], quantile, axis=1)
    return (distances <= radius[:, None, None]).mean(axis=1)


def _both(evidence: Evidence, name: str) -> tuple[Array, Array]:
    return evidence.target_signal(name), evidence.shadow_signal(name)


def _calibrated(
    evidence: Evidence,
    own: Float[Array, "targets queries attacked"],
    known: Float[Array, "shadows queries attacked"],
) -> Float[Array, "targets attacked"]:
    outside = evidence.shadows_of("OUT", at_least=1)
    return above_the_means(-own, -known, [outside], jnp.asarray(evidence.target_among_shadows))
