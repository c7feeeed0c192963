"""A round of federated training: clients train, send by region, and the server steps."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from pptp_jax.data import Arrays
from pptp_jax.regions import RegionMap
from pptp_jax.training.federation import Federated
from pptp_jax.training.keys import beginning_key, client_keys
from pptp_jax.training.mesh import map_clients, on_every_device
from pptp_jax.training.optimizer import PhaseOptimizer
from pptp_jax.training.state import Server, TrainState
from pptp_jax.transforms import pptp
from pptp_jax.validation import one_of

# The label of all parameters where a recipe has no regions.
_ALL = "whole"

# Who sees the updates of a round.
View = Literal["curious server", "secure aggregation"]
VIEWS: tuple[View, ...] = get_args(View)


class Round(NamedTuple):
    """A round of federated training, with the updates that the server received.

    Attributes:
        state: where training stands.
        loss: the mean loss of the clients' batches, weighted as their updates are.
        updates: each client's update as it was sent, with a leading axis of clients; zeros where a
            region was not sent.
        weights: each client's share of the members, by which the server takes the mean.
    """

    state: TrainState
    loss: Float[Array, ""]
    updates: Any
    weights: Float[Array, " clients"]

    def seen(self, by: View) -> Any:
        """The attacker's view: all updates, or only their weighted mean.

        Args:
            by: a `curious server` sees the update of each client; `secure aggregation` lets it see
                the weighted sum alone, here as the mean.

        Raises:
            ValueError: if the view is another one.

        Examples:
            >>> sent = Round(None, None, {"w": jnp.array([[1.0], [3.0]])}, jnp.array([0.5, 0.5]))
            >>> print(sent.seen("secure aggregation")["w"])
            [2.]
        """
        one_of(VIEWS, by=by)
        return self.updates if by == "curious server" else weighted(self.updates, self.weights)


def weighted(updates: Any, weights: Float[Array, " clients"]) -> Any:
    """The weighted sum over clients, such as secure aggregation gives it.

    Args:
        updates: a tree of arrays (clients, ...).
        weights: one for each client.

    Examples:
        >>> print(weighted(jnp.eye(2), jnp.array([0.25, 0.75])))
        [0.25 0.75]
    """
    return jax.tree.map(
        lambda leaf: jnp.tensordot(weights.astype(leaf.dtype), leaf, axes=1, precision="highest"),
        updates,
    )


class Anchor(NamedTuple):
    """The anchor of FedProx's proximal term.

    Attributes:
        clients: the rules.
        params: the server's parameters.
    """

    clients: Federated
    params: Any

    def pulled(
        self, tx: optax.GradientTransformationExtraArgs, regions: RegionMap | None
    ) -> optax.GradientTransformationExtraArgs:
        """A transform with the gradient of FedProx's term in front of it, its state as it is.

        Args:
            tx: the transform.
            regions: the recipe's regions.
        """
        strength = self.clients.proximal
        if strength is None:
            return tx
        groups = _places(regions, self.params)
        shared = {label: label not in self.clients.home for label in groups}

        def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
            pull = jax.tree.map(
                lambda g, w, anchor: g + strength * (w - anchor), updates, params, self.params
            )
            return tx.update(_select(groups, shared, pull, updates), state, params, **extra)

        return optax.GradientTransformationExtraArgs(tx.init, update)


def begin_server(phase: Any, regions: RegionMap | None, state: TrainState) -> TrainState:
    """The states of copies or clients as a phase begins; those of clients with a server beside.

    Args:
        phase: the rules.
        regions: the recipe's regions.
        state: the states, all alike, with a leading axis of copies or clients.
    """
    if phase.clients is None:
        return state
    params = jax.tree.map(lambda leaf: leaf[0], state.variables.params)
    leaves, tx = jax.tree.leaves(params), phase.clients.steps_by(1)
    opt_state = {
        label: tx.init([leaves[i] for i in places])
        for label, places in _places(regions, params).items()
    }
    return state._replace(memory=state.memory._replace(server=Server(params, opt_state)))


def federated_round(
    trainer: Any,
    optimizer: PhaseOptimizer,
    phase: Any,
    state: TrainState,
    data: Arrays,
    members: Int[Array, " members"],
    key: Key[Array, ""],
    when: tuple[int | Int[Array, ""], int | Int[Array, ""]],
) -> Round:
    """One round, `Trainer.epoch` of a phase with clients, and the updates sent in it.

    Args:
        trainer: the `Trainer`.
        optimizer: makes the clients' transform, given the number of steps of the schedule.
        phase: the rules.
        state: where training stands.
        data: the data set.
        members: the rows that this model may learn.
        key: the model's own key, the same in every round.
        when: the number of the round in the recipe, on which the randomness depends, and in
            its phase.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import SGD, Federated, Trainer, federated, undefended
        >>> [phase] = federated(undefended(1), Federated(clients=4)).phases
        >>> trainer, digits = Trainer(mlp([8], 10), None, batch_size=16), Arrays.of(Digits().load())
        >>> rows, key = jnp.arange(64), jax.random.key(0)
        >>> state = trainer.start(SGD(), phase, None, key, digits, rows, None)
        >>> sent = federated_round(trainer, SGD(), phase, state, digits, rows, key, (0, 0))
        >>> [sent.seen(by)["head"]["bias"].shape for by in VIEWS]
        [(4, 10), (10,)]
    """
    clients: Federated = phase.clients
    rows, server = clients.rows(members), state.memory.server
    assert server is not None  # `begin_server`
    own = state._replace(memory=state.memory._replace(server=None))
    keys = client_keys(key, clients.clients)
    # A device's part of the clients sees no array but those it is given.
    shared = trainer, optimizer, phase, data, server.params, when
    own, updates, losses = map_clients(_sent, (0, 0, 0, None))(own, rows, keys, shared)
    present = (rows >= 0).sum(axis=1, dtype=jnp.float32)
    weights = present / jnp.maximum(present.sum(), 1.0)
    groups = _places(trainer.regions, server.params)
    due = _due(phase, groups, when[1])
    server = _step(phase, groups, due, server, weighted(updates, weights))
    given = partial(_select, groups, due, server.params)
    state = TrainState(
        own.variables._replace(params=jax.vmap(given)(own.variables.params)),
        own.opt_state,
        own.memory._replace(server=on_every_device(server)),
    )
    return Round(state, weights @ losses, updates, weights)


def _sent(
    own: TrainState, mine: Int[Array, " part"], key: Key[Array, ""], shared: tuple[Any, ...]
) -> tuple[TrainState, Any, Float[Array, ""]]:
    """One client's round: its new state, its update as it is sent, and its loss."""
    trainer, optimizer, phase, data, params, (number, within) = shared
    clients: Federated = phase.clients
    length, key = clients.local_epochs, jax.random.fold_in(key, number)
    alone = replace(phase, clients=None, epochs=phase.epochs * length)
    places = trainer.places or clients.owners is not None
    local = replace(trainer, places=places, anchor=Anchor(clients, params))

    def epoch(own: TrainState, count: Int[Array, ""]) -> tuple[TrainState, Float[Array, ""]]:
        passed: tuple[TrainState, Float[Array, ""]] = local.epoch(
            optimizer, alone, own, data, mine, key, count, within * length + count
        )
        return passed

    own, losses = jax.lax.scan(epoch, own, jnp.arange(length))
    change = jax.tree.map(jnp.subtract, own.variables.params, params)
    update = _perturbed(clients, trainer.regions, change, beginning_key(key))
    groups = _places(trainer.regions, params)
    nothing = jax.tree.map(jnp.zeros_like, update)
    return own, _select(groups, _due(phase, groups, within), update, nothing), losses.mean()


def _places(regions: RegionMap | None, params: Any) -> dict[str, list[int]]:
    """The places of each region's leaves among all leaves."""
    leaves = jax.tree.leaves(params)
    labels = [_ALL] * len(leaves) if regions is None else jax.tree.leaves(regions.labels(params))
    return {name: [i for i, own in enumerate(labels) if own == name] for name in sorted({*labels})}


def _due(
    phase: Any, labels: Iterable[str], within: int | Int[Array, ""]
) -> dict[str, bool | Bool[Array, ""]]:
    """Which regions are sent in a round."""
    still, late = {*phase.clients.home, *phase.frozen}, phase.clients.late or {}
    return {
        label: (within + 1) % late[label] == 0 if label in late else label not in still
        for label in labels
    }


def _select(
    groups: Mapping[str, list[int]],
    chosen: Mapping[str, bool | Bool[Array, ""]],
    one: Any,
    other: Any,
) -> Any:
    """The first tree in some regions, the second in the others."""
    ones, structure = jax.tree.flatten(one)
    found = jax.tree.leaves(other)
    for label, places in groups.items():
        choice = chosen[label]
        for i in places:
            if isinstance(choice, bool):
                found[i] = ones[i] if choice else found[i]
            else:
                found[i] = jnp.where(choice, ones[i], found[i])
    return jax.tree.unflatten(structure, found)


def _perturbed(
    clients: Federated, regions: RegionMap | None, update: Any, key: Key[Array, ""]
) -> Any:
    """A client's update, clipped, noised, dropped and scaled in the regions that have a rule."""
    if regions is None or not clients.perturbed:
        return update
    tx: optax.GradientTransformation = optax.identity()
    for label, rule in clients.perturbed.items():
        tx = pptp(tx, regions, label, **vars(rule))
    own = optax.with_extra_args_support(tx)
    return own.update(update, own.init(update), update, key=key)[0]


def _step(
    phase: Any,
    groups: dict[str, list[int]],
    due: dict[str, bool | Bool[Array, ""]],
    server: Server,
    mean: Any,
) -> Server:
    """The server's step along the mean update, in the regions that were sent."""
    leaves, structure = jax.tree.flatten(server.params)
    means, opt_state = jax.tree.leaves(mean), dict(server.opt_state)
    tx = optax.with_extra_args_support(phase.clients.steps_by(phase.epochs))
    for label, places in groups.items():
        choice = due[label]
        if choice is False:
            continue
        params = [leaves[i] for i in places]
        updates, new = tx.update([-means[i] for i in places], opt_state[label], params)
        moved = optax.apply_updates(params, updates)
        if choice is not True:
            new, moved = jax.tree.map(
                partial(jnp.where, choice), (new, moved), (opt_state[label], params)
            )
        opt_state[label] = new
        for i, leaf in zip(places, moved, strict=True):
            leaves[i] = leaf
    return Server(jax.tree.unflatten(structure, leaves), opt_state)
