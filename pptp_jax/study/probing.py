"""The signals that attacks need beyond a model's answers, taken while the models are there."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped

from pptp_jax.attacks import ATTACKS
from pptp_jax.data import Arrays, Dataset
from pptp_jax.models import Variables
from pptp_jax.probes import boundary_distance, input_gradient_norm, noisy_correct
from pptp_jax.study.config import Study

# Signals with one number an example, which a model has to be there for.
PROBED = ("boundary_distance", "input_gradient_norm", "noisy_correct")


def signals_read(study: Study) -> frozenset[str]:
    """The signals that the study's attacks read.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import undefended
        >>> study = Study(
        ...     name="mine",
        ...     data=Digits(),
        ...     model=mlp([8], 10),
        ...     recipes=(undefended(1),),
        ...     attacks=("lira_online", "boundary_distance"),
        ... )
        >>> sorted(signals_read(study))
        ['boundary_distance', 'confidence']
    """
    return frozenset(name for attack in study.attacks for name in ATTACKS[attack].reads)


def probes(
    study: Study, data: Dataset, arrays: Arrays
) -> dict[str, Callable[[Variables], Shaped[np.ndarray, "models examples"]]]:
    """What takes each of the signals that the study's attacks read and that answers do not give.

    Args:
        study: the study.
        data: the examples.
        arrays: the same on the device.
    """
    model, every, key = study.model, jnp.arange(len(data)), jax.random.key(study.seed)
    how = study.probes
    binary = bool(np.isin(data.x, (0, 1)).all() and data.scale == 1)

    known: dict[str, Callable[[Variables], Shaped[np.ndarray, "models examples"]]] = {
        "input_gradient_norm": lambda own: np.asarray(
            input_gradient_norm(model, own, arrays, every)
        ),
        "noisy_correct": lambda own: np.asarray(
            noisy_correct(
                model,
                own,
                arrays,
                every,
                key,
                flips=how.noise_flips if binary else None,
                stddev=how.noise_stddev,
                draws=how.noise_draws,
            )
        ),
        "boundary_distance": lambda own: np.asarray(
            boundary_distance(
                model,
                own,
                arrays,
                every,
                key,
                queries=how.boundary_queries,
                iterations=how.boundary_iterations,
            )
        ),
    }
    return {name: known[name] for name in PROBED if name in signals_read(study)}
