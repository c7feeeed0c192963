"""The memory of every optimiser of optax is rewound by region, or refused by name."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pptp_jax.regions import RegionMap, Regions, WeightMap, paths
from pptp_jax.transforms import rewind_region_state
from pptp_jax.validation import Refused

# Neither one entry a weight nor one place a parameter.
UNDIVIDED = {"lbfgs"}
# Memory of rows, of columns or of entire parameters.
NOT_BY_WEIGHT = {"adafactor", "galore", "novograd", "sm3"} | UNDIVIDED
REGIONS = RegionMap.from_rules([("stem/.*", "protect"), (".*", "general")])


def optimisers() -> dict[str, Callable[[], Any]]:
    """Whatever of optax takes a learning rate and nothing else that it must be given."""
    found: dict[str, Callable[[], Any]] = {}
    for module in (optax, optax.contrib):
        for name, make in inspect.getmembers(module, inspect.isfunction):
            parameters = inspect.signature(make).parameters
            needed = {
                name
                for name, one in parameters.items()
                if one.default is one.empty and one.kind is not one.VAR_KEYWORD
            }
            if "learning_rate" in parameters and needed <= {"learning_rate"}:
                found[name] = lambda make=make: make(learning_rate=0.1)
    del found["scale_by_learning_rate"]  # the last link of the others
    inner = partial(optax.sgd, 0.1, momentum=0.9)
    return found | {
        "mechanize": lambda: optax.contrib.mechanize(inner()),
        "sam": lambda: optax.contrib.sam(inner(), optax.sgd(0.01)),
        "schedule_free": lambda: optax.contrib.schedule_free(inner(), 0.1),
        "apply_if_finite": lambda: optax.apply_if_finite(inner(), 3),
        "ema": lambda: optax.chain(inner(), optax.ema(0.9)),
    }


OPTIMISERS = optimisers()


def test_there_are_many_optimisers() -> None:
    assert {"adam", "novograd", "sm3", "muon", "prodigy", "sophia"} < set(OPTIMISERS)
    assert len(OPTIMISERS) >= 45


def parameters() -> dict[str, Any]:
    """A matrix and a vector in either region, with names that no optimiser's state has."""
    matrix = jnp.arange(1.0, 7.0).reshape(2, 3)
    return {name: {"kernel": matrix, "bias": jnp.ones(3)} for name in ("stem", "head")}


WEIGHTS = WeightMap.from_masks(
    {"protect": {n: {"kernel": jnp.eye(2, 3) > 0, "bias": jnp.ones(3) < 0} for n in parameters()}}
)


def loss(params: Any, *_: Any) -> jax.Array:
    return sum((jnp.sum(leaf**3) for leaf in jax.tree.leaves(params)), jnp.zeros(()))


def step(name: str, tx: Any, state: Any) -> tuple[Any, Any]:
    """One update, with what the optimiser asks for besides gradients."""
    params = parameters()
    value, grads = jax.value_and_grad(loss)(params)
    known = {"value": value, "grad": grads, "value_fn": loss, "obj_fn": loss}
    asked = {"lbfgs": ("value", "grad", "value_fn"), "sam": ()}
    extra = {one: known[one] for one in asked.get(name, ("value", "grad", "obj_fn"))}
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        return optax.with_extra_args_support(tx).update(grads, state, params, **extra)


def rewound(path: str, old: Any, new: Any, regions: Regions) -> Any:
    """What must be there: a plain search of the parameter's name in the path of the leaf."""
    masks = regions.mask(parameters(), "protect")
    for name, leaf in zip(paths(masks), jax.tree.leaves(masks), strict=True):
        if f"/{name}/" in f"/{path}/":
            return np.where(leaf, new, old)
    return old


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Specifying a key:UserWarning")
@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_memory_of_the_region_begins_again_and_the_next_update_works(name: str) -> None:
    tx = OPTIMISERS[name]()
    fresh = tx.init(parameters())
    _, state = step(name, tx, fresh)
    for regions, refused in ((REGIONS, UNDIVIDED), (WEIGHTS, NOT_BY_WEIGHT)):
        if name in refused:
            with pytest.raises(Refused, match=r"(head|stem)/(kernel|bias)"):
                rewind_region_state(state, tx, parameters(), regions, "protect")
            continue
        back = rewind_region_state(state, tx, parameters(), regions, "protect")
        leaves = zip(*(jax.tree.leaves(tree) for tree in (back, state, fresh)), strict=True)
        for path, (now, old, new) in zip(paths(back), leaves, strict=True):
            assert jnp.shape(now) == jnp.shape(old)
            assert jnp.result_type(now) == jnp.result_type(old)
            if not jnp.issubdtype(jnp.result_type(now), jax.dtypes.prng_key):
                np.testing.assert_array_equal(now, rewound(path, old, new, regions), path)
        updates, _ = step(name, tx, back)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(updates))
