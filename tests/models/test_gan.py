"""GANs of convolutions and perceptrons: shapes, regions, and no example that sees another."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pptp_jax.data import Arrays, Dataset
from pptp_jax.models import (
    discriminator_cnn,
    discriminator_mlp,
    gan,
    generator_cnn,
    generator_mlp,
)
from pptp_jax.tasks import Drawn, Shown
from pptp_jax.training import SGD, AdamW, Players, freeze, make_train, undefended

pytestmark = pytest.mark.usefixtures("compile_in_haste")

SMALL = gan(generator_mlp([4], (3,), 2), discriminator_mlp([4], 2, dropout=0.5), 2, latent=2)


def test_convolutions_make_and_score_images_of_any_size() -> None:
    shape = (5, 7, 3)
    model = gan(generator_cnn([8, 4], shape, 3), discriminator_cnn([4, 8], 3), 3, latent=2)
    x = jnp.asarray(np.random.default_rng(0).uniform(size=(4, *shape)), jnp.float32)
    own, labels = model.init(jax.random.key(0), x), jnp.array([0, 1, 2, 0])
    drawn = Drawn(jax.random.normal(jax.random.key(1), (4, 2)), labels)
    made, _ = model.apply(*own, drawn, train=False, key=None)
    assert made.shape == x.shape and (made >= 0).all() and (made <= 1).all()
    score, _ = model.apply(*own, Shown(x, labels), train=False, key=None)
    for i in range(2):  # alone they are the same
        one = jax.tree.map(lambda leaf, i=i: leaf[i][None], (drawn, Shown(x, labels)))
        np.testing.assert_allclose(
            model.apply(*own, one[0], train=False, key=None)[0][0], made[i], atol=1e-5
        )
        np.testing.assert_allclose(
            model.apply(*own, one[1], train=False, key=None)[0][0], score[i], rtol=1e-4, atol=1e-5
        )
    # The label matters to what is made.
    again, _ = model.apply(*own, drawn._replace(labels=labels[::-1]), train=False, key=None)
    assert not np.allclose(again[1], made[1])


def test_a_player_that_is_not_trained_drops_nothing() -> None:
    own = SMALL.init(jax.random.key(0), jnp.zeros((2, 3)))
    shown = Shown(jnp.ones((2, 3)), jnp.array([0, 1]))

    def score(train):
        return np.asarray(SMALL.apply(*own, shown, train=train, key=jax.random.key(1))[0])

    assert (score(("generator_stem", "generator_head")) == score(False)).all()
    assert (score(("discriminator_stem", "discriminator_head")) == score(True)).all()
    assert (score(True) != score(False)).any()


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_a_frozen_player_stays_and_the_other_learns(player: str) -> None:
    rng, ids = np.random.default_rng(0), np.arange(8)
    x = rng.uniform(size=(8, 3)).astype(np.float32)
    data = Arrays.of(Dataset("points", x, ids % 2, ids, 2))
    rule = SGD(learning_rate=0.1, schedule="constant", momentum=0.0)

    train = jax.jit(make_train(SMALL, freeze(player, after=1, more=1), rule, batch_size=4))
    start = jax.jit(make_train(SMALL, undefended(1), rule, batch_size=4))
    after, before = (
        one(jax.random.key(0), data, jnp.arange(8))[0].params for one in (train, start)
    )
    for name in ("generator", "discriminator"):
        same = jax.tree.map(lambda a, b: bool((a == b).all()), before[name], after[name])
        assert all(jax.tree.leaves(same)) == (name == player)


def test_each_player_has_a_rate_and_steps_of_its_own() -> None:
    params = {"generator": {"w": jnp.ones(2)}, "discriminator": {"w": jnp.ones(2)}}
    rng = np.random.default_rng(0)
    slopes = jnp.asarray(rng.normal(size=(6, 2, 2)), jnp.float32)
    both = Players(learning_rate=0.1, generator_rate=0.5, every=3, schedule="linear")(steps=6)
    alone = {
        "generator": AdamW(learning_rate=0.05, b1=0.5, schedule="linear")(steps=2),
        "discriminator": AdamW(learning_rate=0.1, b1=0.5, schedule="linear")(steps=6),
    }
    with jax.numpy_dtype_promotion("standard"):  # Adam raises a float to its count
        state = both.init(params)
        found = params
        for slope in slopes:
            grads = {"generator": {"w": slope[0]}, "discriminator": {"w": slope[1]}}
            updates, state = both.update(grads, state, found)
            found = optax.apply_updates(found, updates)
        for place, (player, tx) in enumerate(alone.items()):
            own = params[player]
            inner = tx.init(own)
            for slope in slopes[2::3] if player == "generator" else slopes:
                updates, inner = tx.update({"w": slope[place]}, inner, own)
                own = optax.apply_updates(own, updates)
            np.testing.assert_allclose(found[player]["w"], own["w"], rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: generator_cnn([8], (14, 14)), "shape must be height, width and colours"),
        (lambda: discriminator_cnn([0]), r"channels\[0\] must be"),
        (lambda: generator_mlp([], (3,)), "hidden_layers must be"),
        (lambda: discriminator_mlp([4], dropout=2.0), "dropout must"),
        (lambda: generator_cnn([8], (0, 8, 1)), r"shape\[0\] must be an integer of at least 1"),
        (
            lambda: gan(generator_mlp([8], (3,)), discriminator_mlp([8]), num_classes=20),
            "the generator knows 10 classes, and the gan has 20",
        ),
        (
            lambda: gan(generator_mlp([8], (3,), 20), discriminator_mlp([8]), num_classes=20),
            "the discriminator knows 10 classes, and the gan has 20",
        ),
        (
            lambda: gan(discriminator_mlp([8]), generator_mlp([8], (3,)), num_classes=10),
            "the generator is a discriminator_mlp: gan takes the generator first",
        ),
        (
            lambda: Players()(steps=1).init({"stem": jnp.ones(1), "head": jnp.ones(1)}),
            "Players optimise the two networks of a gan, .* take AdamW for any other model",
        ),
        (lambda: Players(every=0), "every must be"),
        (lambda: Players(generator_rate=0.0), "generator_rate must be"),
    ],
)
def test_what_is_out_of_range_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
