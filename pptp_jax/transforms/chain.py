"""A chain whose members draw independent numbers."""

import jax
import optax

from pptp_jax.transforms.keys import fold_in_name, step_key


def chain(*transforms: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """Applies transforms in order, as `optax.chain` does, and gives each a key of its own.

    `optax.chain` hands one `key` to all its members: two equal noises in it draw the same numbers,
    and their sum has twice the standard deviation of one, not √2 times. Here the key of a member
    depends on its place, so any two members draw independently, in nested chains too.

    Args:
        *transforms: the members, with or without extra arguments.

    Returns:
        A transform with the state of `optax.chain`. Its `update` needs `key=` if that of a member
        does.

    Raises:
        ValueError: in `update`, if the key has no key type or is a batch of keys.

    Examples:
        >>> import jax.numpy as jnp
        >>> from pptp_jax.regions import RegionMap
        >>> from pptp_jax.transforms import add_region_noise
        >>> noise = add_region_noise(RegionMap.from_rules([(".*", "all")]), "all", stddev=1.0)
        >>> grads, key = jnp.zeros(10_000), jax.random.key(0)
        >>> for tx in (chain(noise, noise), optax.chain(noise, noise)):
        ...     updates, _ = tx.update(grads, tx.init(grads), key=key)
        ...     print(updates.std().round(1))
        1.4
        2.0
    """
    return optax.chain(*(_with_own_key(tx, f"chain:{i}") for i, tx in enumerate(transforms)))


def _with_own_key(
    transform: optax.GradientTransformation, place: str
) -> optax.GradientTransformationExtraArgs:
    inner = optax.with_extra_args_support(transform)

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        *,
        key: jax.Array | None = None,
        **extra_args: object,
    ) -> tuple[optax.Updates, optax.OptState]:
        if key is not None:
            extra_args["key"] = fold_in_name(step_key(key, "chain"), place)
        return inner.update(updates, state, params, **extra_args)

    return optax.GradientTransformationExtraArgs(inner.init, update)
