"""Generative adversarial networks: two networks as one model, with its task and its samples."""

from typing import Any

import jax
import jax.numpy as jnp

from pptp_jax.models.model import Mode, Model, Variables
from pptp_jax.models.products import full_float32
from pptp_jax.regions import Block
from pptp_jax.tasks.adversarial import Adversarial, Contest
from pptp_jax.tasks.adversarial_outputs import Drawn, Shown
from pptp_jax.validation import Refused

GENERATOR, DISCRIMINATOR = PLAYERS = "generator", "discriminator"

# The usual weights of the penalties.
_PENALTY = {"non-saturating": 0.0, "wasserstein": 10.0}


def gan(
    generator: Model,
    discriminator: Model,
    num_classes: int,
    latent: int = 32,
    contest: Contest = "non-saturating",
    penalty: float | None = None,
    **settings: Any,
) -> Model:
    """A class-conditional GAN of two networks.

    Regions may name `generator` and `discriminator`, and the blocks of both, such as
    `generator_stem`.

    Args:
        generator: takes `pptp_jax.tasks.Drawn` and returns examples from −1 to 1, such as
            `generator_mlp` or `generator_cnn`.
        discriminator: takes `pptp_jax.tasks.Shown`, with inputs from −1 to 1, and returns a score
            an example, such as `discriminator_mlp` or `discriminator_cnn`.
        num_classes: the number of classes.
        latent: the length of the generator's noise.
        contest: `non-saturating` or `wasserstein`; see `Adversarial`.
        penalty: the weight of the penalty on the discriminator's slope; None is 10 for
            `wasserstein` and 0 else.
        **settings: the other fields of `Adversarial`: `samples`, `low` and `high`.

    Returns:
        A model of the task `Adversarial` with the blocks of both networks, whose `apply` takes
        `Drawn` and `Shown`.

    Raises:
        ValueError: if a number is out of range, the contest is unknown, the networks are swapped,
            or one knows another number of classes; in `init`, if the generator makes other shapes
            than the data have.

    References:
        Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014,
        https://arxiv.org/abs/1406.2661

    Examples:
        >>> from pptp_jax.models import discriminator_mlp, generator_mlp
        >>> networks = generator_mlp([32], shape=(8, 8, 1)), discriminator_mlp([32], num_classes=10)
        >>> model = gan(*networks, num_classes=10)
        >>> [block.name for block in model.blocks][:2], [part.name for part in model.parts]
        (['generator_stem', 'generator_head'], ['generator', 'discriminator'])
        >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
        >>> model.sample(*variables, jax.random.key(1), jnp.array([3, 8])).shape
        (2, 8, 8, 1)
    """
    weight = _PENALTY.get(contest, 0.0) if penalty is None else penalty
    task = Adversarial(num_classes, latent, contest, weight, **settings)
    networks = {GENERATOR: generator, DISCRIMINATOR: discriminator}
    for name, own in networks.items():
        made = str(own.config.get("name", ""))
        if any(made.startswith(f"{other}_") for other in PLAYERS if other != name):
            raise Refused(f"the {name} is a {made}: gan takes the generator first")
        known = own.config.get("num_classes", num_classes)
        if known != num_classes:
            raise Refused(f"the {name} knows {known} classes, and the gan has {num_classes}")

    def init(key: Any, x: Any) -> Variables:
        labels = jnp.zeros(len(x), int)
        seen = Drawn(jnp.zeros((len(x), latent)), labels), Shown(task.scaled(x), labels)
        keys = jax.random.split(key)
        parts = [one.init(*own) for one, *own in zip(networks.values(), keys, seen, strict=True)]
        made, _ = jax.eval_shape(
            lambda own, drawn: generator.apply(*own, drawn, train=False, key=None),
            parts[0],
            seen[0],
        )
        if made.shape != x.shape:
            raise Refused(
                f"the generator makes examples of shape {made.shape[1:]}, and the data have shape "
                f"{x.shape[1:]}"
            )
        return Variables(
            {name: own.params for name, own in zip(PLAYERS, parts, strict=True)},
            {name: own.state for name, own in zip(PLAYERS, parts, strict=True)},
        )

    def apply(params: Any, state: Any, x: Any, *, train: Mode, key: Any) -> tuple[Any, Any]:
        player = GENERATOR if isinstance(x, Drawn) else DISCRIMINATOR
        seen = x if player == GENERATOR else x._replace(inputs=task.scaled(x.inputs))
        if not isinstance(train, bool):
            start = f"{player}_"
            train = tuple(name.removeprefix(start) for name in train if name.startswith(start))
        own = params[player], state[player], seen
        out, after = networks[player].apply(*own, train=train, key=key if train else None)
        out = task.unscaled(out) if player == GENERATOR else out
        return out, {**state, player: after}

    @full_float32
    def sample(params: Any, state: Any, key: Any, labels: Any) -> Any:
        drawn = Drawn(jax.random.normal(key, (len(labels), latent)), labels)
        return apply(params, state, drawn, train=False, key=None)[0]

    config = {
        "name": "gan",
        "num_classes": num_classes,
        "latent": latent,
        "contest": contest,
        "penalty": weight,
        **settings,
        **{name: dict(own.config) for name, own in networks.items()},
    }
    blocks = [
        Block(f"{name}_{block.name}", f"{name}/{block.pattern}")
        for name, own in networks.items()
        for block in own.blocks
    ]
    parts = tuple(Block(name, f"{name}/.*") for name in PLAYERS)
    return Model(init, apply, tuple(blocks), config, sample=sample, task=task, parts=parts)
