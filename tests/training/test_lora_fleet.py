"""A fleet of adapters on one frozen base: memory, what it learns, DP-SGD on adapters alone."""

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import BATCH, CE, DATA, INDICES

from pptp_jax.data import Digits
from pptp_jax.fleets import FleetSpec, fingerprint
from pptp_jax.models import Model, Variables, lora, merged, mlp, starting_from, vit
from pptp_jax.regions import RegionMap, paths
from pptp_jax.study.guarantee import guarantee
from pptp_jax.training import (
    SGD,
    Checkpoint,
    Execution,
    Phase,
    Private,
    Recipe,
    Strategy,
    Trainer,
    dp_sgd,
    train_fleet,
    undefended,
)
from pptp_jax.training.batched_programs import GroupRules, epoch_of_group, start_group

pytestmark = pytest.mark.usefixtures("compile_in_haste")

X = DATA.inputs(slice(0, 1))
PLAIN = mlp([6], num_classes=10)
PARAMS = jax.tree.map(np.asarray, PLAIN.init(jax.random.key(2), X).params)
TUNED = starting_from(PLAIN, Variables(PARAMS, {}))
RANDOM = np.random.default_rng(0)
ADAPTERS = {
    "stem": {
        "lora_a": RANDOM.normal(size=(64, 2)).astype(np.float32) / 8,
        "lora_b": RANDOM.normal(size=(2, 6)).astype(np.float32) / 8,
    }
}
ADAPTED = starting_from(lora(TUNED, 2, x=X, alpha=3.0, public=True), Variables(ADAPTERS, {}))


def naive(params: Any, x: jax.Array) -> jax.Array:
    """The adapted network as the paper draws it: the adapter's path beside the frozen one."""
    flat, own = x.reshape(len(x), -1), params["stem"]
    hidden = flat @ PARAMS["stem"]["kernel"] + 1.5 * (flat @ own["lora_a"]) @ own["lora_b"]
    hidden = jnp.tanh(hidden + jnp.asarray(PARAMS["stem"]["bias"])[None])
    return hidden @ PARAMS["head"]["kernel"] + jnp.asarray(PARAMS["head"]["bias"])[None]


NAIVE = Model(
    lambda key, x: Variables(jax.tree.map(jnp.asarray, ADAPTERS), {}),
    lambda params, state, x, *, train, key: (naive(params, x), state),
)


def trained(model: Model, recipe: Recipe, batch_size: int = BATCH, **execution: Any) -> Variables:
    own = Execution(groups=[(0, 1)], **execution)
    [ended] = train_fleet(model, recipe, DATA, INDICES, batch_size=batch_size, execution=own)
    return ended.variables


@pytest.mark.parametrize("order", ["vmap", "scan"])
def test_a_fleet_learns_what_the_naive_adapter_learns(order: Any) -> None:
    found = trained(ADAPTED, undefended(2), strategy=Strategy(order=order))
    expected = trained(NAIVE, undefended(2))
    chex.assert_trees_all_close(found.params, expected.params, rtol=1e-3, atol=1e-5)
    first = jax.tree.map(lambda leaf: leaf[0], found)
    released = merged(ADAPTED, first)
    x = DATA.inputs(slice(0, 9))
    logits, _ = PLAIN.apply(*released, x, train=False, key=None)
    np.testing.assert_allclose(logits, naive(first.params, x), atol=1e-4)
    for name in ("bias", "kernel"):
        np.testing.assert_array_equal(released.params["head"][name], PARAMS["head"][name])


def arguments_and_rest(model: Model, order: Any) -> tuple[int, int]:
    """The bytes that an epoch of 16 models is given, and those that it needs besides."""
    rules = GroupRules(Trainer(model, None, BATCH), SGD(), Strategy(order=order))
    [phase] = undefended(1).phases
    keys = jax.random.split(jax.random.key(0), 16)
    members = jnp.broadcast_to(jnp.arange(40), (16, 40))
    state = jax.eval_shape(start_group, rules, phase, None, keys, DATA, members, None)
    program = epoch_of_group.lower(rules, phase, state, DATA, members, keys, 0, 0).compile()
    found = program.memory_analysis()
    return found.argument_size_in_bytes, found.temp_size_in_bytes


def test_sixteen_models_keep_the_base_once() -> None:
    wide = mlp([512, 512], num_classes=10)
    base = sum(leaf.size * 4 for leaf in jax.tree.leaves(wide.shapes(X)))
    kept, rest = arguments_and_rest(lora(wide, 2, x=X), "scan")
    everything, _ = arguments_and_rest(wide, "scan")
    assert everything > 2 * 16 * base  # parameters and momentum of each
    assert kept < 2.5 * base  # adapters of rank 2, their momentum, the data
    assert rest < 8 * base  # the kernels of one model, and their gradients


def test_the_base_is_in_no_checkpoint_and_fingerprinted_by_content(tmp_path: Any) -> None:
    stopped = {"checkpoint": lambda group: Checkpoint(tmp_path / "c", every=0.0)}
    with pytest.raises(KeyboardInterrupt):
        trained(ADAPTED, undefended(2), stop=lambda: True, **stopped)
    shapes = {
        np.shape(leaf) for leaf in jax.tree.leaves(Checkpoint(tmp_path / "c").restore(1, None))
    }
    assert (2, 64, 2) in shapes and not {(64, 6), (2, 64, 6), (6, 10), (2, 6, 10)} & shapes

    def name(by: float) -> str:
        own = {**PARAMS, "head": {**PARAMS["head"], "bias": PARAMS["head"]["bias"] + by}}
        model = lora(starting_from(PLAIN, Variables(own, {})), 2, x=X)
        data = Digits().load(lambda n: np.arange(80))
        spec = FleetSpec(
            model=model, recipe=undefended(1), data=data, members=INDICES, batch_size=BATCH
        )
        return fingerprint(spec)

    assert name(0.0) == name(0.0) != name(1e-3)


def test_private_gradients_are_clipped_over_adapters_alone() -> None:
    """One step against a loop over examples that differentiates the adapters and nothing else."""

    @jax.jit
    def slope(x: Any, y: Any) -> Any:
        def loss(params: Any) -> Any:
            return -jax.nn.log_softmax(naive(params, x[None]))[0, y]

        return jax.grad(loss)(jax.tree.map(jnp.asarray, ADAPTERS))

    quiet = Private(noise_multiplier=0.0, max_norm=0.3, microbatch_size=10)
    found = trained(ADAPTED, dp_sgd(quiet, epochs=1), batch_size=40).params
    assert set(paths(found)) == {"stem/lora_a", "stem/lora_b"}
    total, norms = jax.tree.map(np.zeros_like, ADAPTERS), []
    for row in INDICES[0]:
        grads = jax.tree.map(np.asarray, slope(DATA.inputs(slice(0, 120))[row], DATA.y[row]))
        norms.append(np.sqrt(sum((leaf**2).sum() for leaf in jax.tree.leaves(grads))))
        total = jax.tree.map(lambda t, g, n=norms[-1]: t + g * min(1, 0.3 / n), total, grads)
    assert min(norms) < 0.3 < max(norms)
    known = jax.tree.map(lambda p, t: p - 0.1 * t / 40, ADAPTERS, total)
    own = jax.tree.map(lambda leaf: leaf[0], found)
    chex.assert_trees_all_close(own, known, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("public", "reason"),
    [
        (None, "the treatment of region 'shared weights' is unknown"),
        (False, "region 'shared weights' was trained in the clear"),
    ],
)
def test_adapters_have_an_epsilon_on_a_public_base_alone(public: bool | None, reason: str) -> None:
    recipe, sizes = dp_sgd(Private(noise_multiplier=2.0), epochs=2), (500, 50)
    expected = guarantee(recipe, PLAIN, *sizes)
    assert expected is not None
    assert guarantee(recipe, lora(TUNED, 2, x=X, public=True), *sizes) == expected
    with pytest.raises(ValueError, match=reason):
        guarantee(recipe, lora(TUNED, 2, x=X, public=public), *sizes)
    assert guarantee(undefended(1), lora(TUNED, 2, x=X, public=public), *sizes) is None


ATTENTION = RegionMap.from_rules([(".*/attention/.*", "protect"), (".*", "general")])


@pytest.mark.parametrize("adapted", [True, False], ids=["adapters", "in full"])
def test_a_region_is_trained_while_the_rest_is_frozen(adapted: bool) -> None:
    """Attention alone, by one rule for the adapters and for the kernels themselves."""
    plain = vit(10, patch=4, width=8, depths=[1], heads=2, mlp=8)
    model = lora(plain, 2, x=X) if adapted else plain
    phase = Phase(epochs=1, objectives=CE, frozen=("general",))
    recipe = Recipe(name="attention", phases=(phase,), region=ATTENTION)
    after = trained(model, recipe).params
    keys = [jax.random.fold_in(jax.random.fold_in(jax.random.key(0), i), 0) for i in (0, 1)]
    begin = jax.jit(jax.vmap(lambda key: model.init(key, X).params))
    before = begin(jnp.stack(keys))
    for path, old, new in zip(
        paths(after), jax.tree.leaves(before), jax.tree.leaves(after), strict=True
    ):
        moved = "/attention/" in path
        np.testing.assert_array_equal((np.asarray(old) != new).any(), moved, err_msg=path)
