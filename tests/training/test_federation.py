"""Federated training against centralised training, naive loops in NumPy, and one device."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small import CE, DATA, INDICES, MODEL, initial, of, own_key, slope

from pptp_jax.data import Balanced, ByOwner, Digits, member_indices
from pptp_jax.fleets import FleetSpec, Runtime, run_fleet
from pptp_jax.models import cnn
from pptp_jax.training import (
    SGD,
    Ensemble,
    Execution,
    Federated,
    Perturbation,
    Phase,
    Poisson,
    Private,
    Recipe,
    Strategy,
    Trainer,
    check_model,
    check_streamed,
    federated,
    federated_round,
    make_train,
    train_fleet,
    undefended,
    weighted,
)
from pptp_jax.training.mesh import map_clients
from pptp_jax.validation import Refused

pytestmark = pytest.mark.usefixtures("compile_in_haste")

PLAIN = SGD(learning_rate=0.1, momentum=0.0, schedule="constant")
ROUNDS = 3


def left(clients: Federated, region: str | None = None, **options: Any) -> Any:
    """The first network that a federation leaves, and the trained fleet."""
    recipe = federated(undefended(ROUNDS), clients, region)
    given = {"optimizer": PLAIN, "batch_size": 10, **options}
    execution = Execution(strategy=given.pop("strategy", None))
    [found] = train_fleet(MODEL, recipe, DATA, INDICES, execution=execution, **given)
    assert found.finite.all()
    return of(found.variables, 0), found


def naive(
    federation: dict[str, Any],
    groups: list[np.ndarray],
    rate: float = 0.1,
    home: tuple[str, ...] = (),
    late: dict[str, int] | None = None,
) -> tuple[Any, list[Any]]:
    """FedAvg or FedProx of full local batches, in NumPy, by the names of layers."""
    server = initial(0).params
    clients = [server] * len(groups)
    sizes = np.array([len(rows) for rows in groups])
    epochs, mu = federation.get("local_epochs", 1), federation.get("proximal", 0.0)
    for number in range(ROUNDS):
        for k, rows in enumerate(groups):
            own = clients[k]
            for _ in range(epochs):
                grads = slope(CE, own, rows, None, 0)
                own = {
                    layer: {
                        name: np.float32(
                            w
                            - rate
                            * (
                                grads[layer][name]
                                + (layer not in home) * mu * (w - server[layer][name])
                            )
                        )
                        for name, w in own[layer].items()
                    }
                    for layer in own
                }
            clients[k] = own
        due = [
            layer
            for layer in server
            if layer not in home and (number + 1) % (late or {}).get(layer, 1) == 0
        ]
        mean = jax.tree.map(lambda *leaves: np.average(leaves, axis=0, weights=sizes), *clients)
        server = server | {layer: mean[layer] for layer in due}
        clients = [own | {layer: mean[layer] for layer in due} for own in clients]
    return server, clients


def close(found: Any, expected: Any) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=3e-6), found, expected)


def test_one_client_with_any_optimizer_is_plain_training() -> None:
    """Its optimiser's state stays with it, so that momentum and schedule go on."""
    [phase] = federated(undefended(ROUNDS), Federated(clients=1)).phases
    trainer, optimizer, members = Trainer(MODEL, None, 10), SGD(), jnp.asarray(INDICES[0])
    key = own_key(0)
    state = trainer.start(optimizer, phase, None, key, DATA, members, None)
    plain = replace(phase, clients=None)
    alone = trainer.start(optimizer, plain, None, key, DATA, members, None)
    epoch = jax.jit(partial(trainer.epoch, optimizer, phase))
    for number in range(ROUNDS):
        state, loss = epoch(state, DATA, members, key, number, number)
        own = jax.random.split(jax.random.fold_in(key, 2**31 + 3), 1)[0]
        draw = jax.random.fold_in(own, number)
        # The first epoch of that key, and the number-th of its phase.
        alone, expected = trainer.epoch(optimizer, plain, alone, DATA, members, draw, 0, number)
        assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    close(state.left().params, alone.variables.params)


def test_full_local_batches_are_centralised_descent() -> None:
    params, found = left(Federated(clients=4))
    [central] = train_fleet(
        MODEL, undefended(ROUNDS), DATA, INDICES, optimizer=PLAIN, batch_size=40
    )
    chex.assert_trees_all_close(found.variables, central.variables, atol=3e-6)
    np.testing.assert_allclose(found.loss, central.loss, rtol=1e-5)
    expected, _ = naive({}, [np.arange(40)])
    close(params, expected)


GROUPS = [np.arange(10 * k, 10 * k + 10) for k in range(4)]


@pytest.mark.parametrize(
    ("rules", "home", "late"),
    [
        ({"local_epochs": 3}, (), {}),
        ({"local_epochs": 3, "proximal": 0.7}, (), {}),
        ({"local_epochs": 2, "proximal": 0.7}, ("stem",), {}),
        ({"local_epochs": 2, "proximal": 0.7}, (), {"stem": 2}),
    ],
    ids=["FedAvg", "FedProx", "personal layers", "a late region"],
)
def test_rounds_are_those_of_a_naive_loop(
    rules: dict[str, Any], home: tuple[str, ...], late: dict[str, int]
) -> None:
    named = {"home": ("protect",) if home else (), "late": {"protect": 2} if late else None}
    clients = Federated(clients=4, **rules, **named)
    params, _ = left(clients, "stem" if home or late else None)
    expected, _ = naive(rules, GROUPS, home=home, late=late)
    close(params, expected)
    if home:
        close(params["stem"], initial(0).params["stem"])


def test_clients_keep_what_stays_at_home() -> None:
    clients = Federated(clients=4, home=("protect",))
    recipe = federated(undefended(ROUNDS), clients, "stem")
    state, _ = run(recipe)
    _, expected = naive({}, GROUPS, home=("stem",))
    for k, own in enumerate(expected):
        close(jax.tree.map(lambda leaf, k=k: leaf[k], state.variables.params), own)


def run(recipe: Recipe, seed: int = 0, batch_size: int = 10) -> tuple[Any, list[Any]]:
    """The state after the rounds of a recipe, and what is sent in each."""
    trainer = Trainer(MODEL, recipe.regions(MODEL), batch_size)
    [phase], members, key = recipe.phases, jnp.asarray(INDICES[0]), own_key(seed)
    state = trainer.start(PLAIN, phase, None, key, DATA, members, None)
    one = jax.jit(partial(federated_round, trainer, PLAIN, phase))
    sent = []
    for number in range(int(phase.epochs)):
        found = one(state, DATA, members, key, (number, number))
        state = found.state
        sent.append(found)
    return state, sent


def test_what_is_seen_of_a_round_moves_the_server() -> None:
    """The mean that secure aggregation lets through is the server's step, region by region."""
    clients = Federated(clients=4, late={"protect": 2})
    _, sent = run(federated(undefended(ROUNDS), clients, "stem"))
    before = initial(0).params
    for number, found in enumerate(sent):
        after = found.state.memory.server.params
        close(found.seen("secure aggregation"), jax.tree.map(np.subtract, after, before))
        each = found.seen("curious server")
        close(weighted(each, found.weights), found.seen("secure aggregation"))
        assert bool(each["stem"]["kernel"].any()) == (number % 2 == 1)
        before = after
    with pytest.raises(Refused, match="by 'nobody' is unknown"):
        sent[0].seen("nobody")


def test_updates_are_clipped_and_noised_by_region() -> None:
    rule = {"protect": Perturbation(max_norm=0.01, stddev=0.5)}
    _, quiet = run(federated(undefended(1), Federated(clients=4), "stem"))
    clients = Federated(clients=4, perturbed={"protect": Perturbation(max_norm=0.01)})
    _, short = run(federated(undefended(1), clients, "stem"))
    _, loud = run(federated(undefended(1), Federated(clients=4, perturbed=rule), "stem"))
    whole, cut, noised = (found[0].updates for found in (quiet, short, loud))
    for layer in ("stage1", "head"):
        close(cut[layer], whole[layer])
        close(noised[layer], whole[layer])
    norms = np.sqrt(sum(np.square(v).reshape(4, -1).sum(axis=1) for v in whole["stem"].values()))
    assert (norms > 0.01).all()
    factor = (0.01 / norms)[:, None, None]
    np.testing.assert_allclose(cut["stem"]["kernel"], whole["stem"]["kernel"] * factor, rtol=1e-4)
    noise = np.asarray(noised["stem"]["kernel"] - cut["stem"]["kernel"]).reshape(4, -1)
    assert noise.std() == pytest.approx(0.5, rel=0.1)  # of 1,536 numbers
    assert np.abs(np.corrcoef(noise) - np.eye(4)).max() < 0.25  # clients draw on their own


def test_fedadam_is_optax_on_the_mean_update() -> None:
    tx = optax.adam(0.01)
    with jax.numpy_dtype_promotion("standard"):  # Adam raises a float to its count
        _, sent = run(federated(undefended(ROUNDS), Federated(clients=4, server=tx)))
        params = initial(0).params
        state = tx.init(params)
        assert len(sent) == ROUNDS
        for found in sent:
            mean = jax.tree.map(lambda leaf: np.float32(-leaf.mean(axis=0)), found.updates)
            updates, state = tx.update(mean, state, params)
            params = optax.apply_updates(params, updates)
            close(found.state.memory.server.params, params)


def test_a_server_s_momentum_waits_for_a_late_region() -> None:
    tx = optax.sgd(1.0, momentum=0.5)
    clients = Federated(clients=4, server=tx, late={"protect": 2})
    _, sent = run(federated(undefended(4), clients, "stem"))
    stems = [np.asarray(found.state.memory.server.params["stem"]["bias"]) for found in sent]
    first, second = (np.asarray(sent[i].updates["stem"]["bias"].mean(axis=0)) for i in (1, 3))
    start = initial(0).params["stem"]["bias"]
    np.testing.assert_array_equal(stems[0], start)
    np.testing.assert_array_equal(stems[2], stems[1])
    np.testing.assert_allclose(stems[1] - start, first, atol=1e-6)
    np.testing.assert_allclose(stems[3] - stems[1], second + 0.5 * first, atol=1e-6)


OWNERS = np.repeat(np.arange(12), [4, 6, 10, 4, 6, 10, 8, 2, 10, 8, 2, 50])
BY_OWNER = ByOwner(Balanced(models=2))


def test_owners_are_clients_and_count_by_their_members() -> None:
    owners = np.array(["c", "a", "b", "a"])[np.repeat(np.arange(4), [10, 5, 20, 5])]
    clients = Federated(clients=3, owners=np.append(owners, np.arange(80)))
    members = np.stack([np.random.default_rng(0).permutation(40)] * 2)
    recipe = federated(undefended(ROUNDS), clients)
    [found] = train_fleet(MODEL, recipe, DATA, members, optimizer=PLAIN, batch_size=20)
    groups = [np.flatnonzero(owners == name) for name in "abc"]
    expected, _ = naive({}, groups)
    close(of(found.variables, 0), expected)


def test_members_drawn_by_owner_make_up_the_clients() -> None:
    drawn = BY_OWNER.draw(OWNERS, seed=0)
    members = member_indices(drawn.matrix)
    count = len({*OWNERS[members[0]]})
    recipe = federated(undefended(1), Federated(clients=count, owners=OWNERS))
    [found] = train_fleet(MODEL, recipe, DATA, members, optimizer=PLAIN, batch_size=5)
    assert found.finite.all()
    wrong = federated(undefended(1), Federated(clients=count + 1, owners=OWNERS))
    with pytest.raises(Refused, match=f"needs members of {count + 1} owners, got those of {count}"):
        next(train_fleet(MODEL, wrong, DATA, members, optimizer=PLAIN, batch_size=5))


EIGHT = Federated(
    clients=8, local_epochs=2, proximal=0.1, home=("protect",), server=SGD(learning_rate=0.5)
)


@pytest.fixture(scope="module")
def serial() -> Any:
    return left(EIGHT, "stem", batch_size=5, strategy=Strategy(order="scan"))[1]


@pytest.mark.parametrize(
    "strategy",
    [
        Strategy(data_devices=8),
        Strategy(order="scan", devices=2, data_devices=4),
    ],
    ids=str,
)
def test_devices_share_models_and_clients(strategy: Strategy, serial: Any) -> None:
    """Parallel = serial: the clients of a model on eight devices are those on one."""
    found = left(EIGHT, "stem", batch_size=5, strategy=strategy)[1]
    chex.assert_trees_all_close(found[1:], serial[1:], rtol=1e-4, atol=1e-5)


def test_each_device_has_its_own_clients() -> None:
    with jax.set_mesh(Strategy(data_devices=8).mesh()):
        found = jax.jit(map_clients(lambda x, by: x * by, (0, None)))(jnp.arange(16), 3)
    assert {shard.data.shape for shard in found.addressable_shards} == {(2,)}
    assert len({shard.device for shard in found.addressable_shards}) == 8
    np.testing.assert_array_equal(found, 3 * np.arange(16))
    recipe = federated(undefended(1), Federated(clients=4))
    execution = Execution(strategy=Strategy(data_devices=8))
    with pytest.raises(Refused, match="8 devices cannot share 4 clients in equal parts"):
        next(train_fleet(MODEL, recipe, DATA, INDICES, batch_size=10, execution=execution))


def test_a_federation_alone_is_that_of_the_fleet_and_goes_on_into_plain_training() -> None:
    first = federated(undefended(2), Federated(clients=4, home=("protect",)), "stem")
    recipe = replace(first, phases=(*first.phases, Phase(epochs=1, objectives=CE)))
    [fleet] = train_fleet(MODEL, recipe, DATA, INDICES, optimizer=PLAIN, batch_size=10)
    train = jax.jit(make_train(MODEL, recipe, PLAIN, batch_size=10))
    alone, metrics = train(own_key(1), DATA, jnp.asarray(INDICES[1]))
    close(alone.params, of(fleet.variables, 1))
    np.testing.assert_allclose(metrics.loss, fleet.loss[1], rtol=1e-5)


def test_a_stored_federation_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    """The server's momentum, a late region and what is at home are saved with it."""
    rule = Federated(
        clients=4, home=("head",), late={"stem": 2}, server=SGD(learning_rate=0.5, momentum=0.5)
    )
    spec = FleetSpec(
        model=MODEL,
        recipe=federated(undefended(ROUNDS), rule, {"stem": ("stem",), "head": ("head",)}),
        data=Digits().load(lambda n: np.arange(120)),
        members=INDICES,
        optimizer=PLAIN,
        batch_size=10,
        stops=(1,),
    )
    whole = run_fleet(spec, tmp_path / "whole")
    stops = iter([False, True])
    with pytest.raises(KeyboardInterrupt):
        run_fleet(spec, tmp_path / "parts", Runtime(stop=lambda: next(stops)))
    parts = run_fleet(spec, tmp_path / "parts")
    for epochs in (1, ROUNDS):
        np.testing.assert_array_equal(parts[epochs].confidence, whole[epochs].confidence)


def test_rules_that_contradict_each_other_are_refused() -> None:
    four = Federated(clients=4)

    def phase(clients: Federated = four, **rules: Any) -> Phase:
        return Phase(epochs=1, objectives=CE, clients=clients, **rules)

    with pytest.raises(Refused, match=r"clients learn .* this one has an ensemble"):
        phase(ensemble=Ensemble())
    with pytest.raises(Refused, match="this one has a private gradient"):
        phase(gradient=Private(noise_multiplier=1.0), batches=Poisson())
    with pytest.raises(Refused, match="this one has reference examples to train on"):
        phase(examples="reference")
    with pytest.raises(Refused, match="protect cannot be both sent by a rule or kept at home and"):
        phase(Federated(clients=4, home=("protect",)), frozen=("protect",))
    with pytest.raises(Refused, match="protect stays at home: it has no rule for sending it"):
        Federated(clients=4, home=("protect",), late={"protect": 2})
    with pytest.raises(Refused, match="the rounds after which protect is sent must be an integer"):
        Federated(clients=4, late={"protect": 0})
    with pytest.raises(ValueError, match=r"late must be a dictionary by region, .* \['protect'\]"):
        Federated(clients=4, late=["protect"])  # type: ignore[arg-type]
    with pytest.raises(Refused, match="clients must be an integer of at least 1, got 0"):
        Federated(clients=0)
    with pytest.raises(Refused, match="proximal must be"):
        Federated(clients=2, proximal=-1.0)
    with pytest.raises(Refused, match="owners must be at least as many as the 3 clients"):
        Federated(clients=3, owners=[0, 0, 1])
    with pytest.raises(Refused, match="optimizer must be"):
        Federated(clients=3, server=optax.sgd)
    with pytest.raises(Refused, match="client of undefended 9 clients has 4 members, too few"):
        left(Federated(clients=9))
    with pytest.raises(Refused, match="owners must say whose each example is: there are 3"):
        left(Federated(clients=2, owners=[0, 1, 1]), batch_size=1)
    normed, recipe = cnn([4], dense=8, num_classes=10, norm="batch"), federated(undefended(1), four)
    with pytest.raises(Refused, match="keeps running statistics of a client's batches"):
        check_model(recipe, normed, DATA.inputs(slice(0, 1)))
    with pytest.raises(Refused, match="names regions in a phase: give it a region"):
        federated(undefended(1), Federated(clients=2, home=("protect",)))
    with pytest.raises(Refused, match="clients, which are trained side by side"):
        check_streamed(federated(undefended(1), four))
    with pytest.raises(Refused, match="has the region 'stem', and another is given"):
        federated(federated(undefended(1), four, "stem"), four, "head")
    with pytest.raises(
        Refused, match="the region protect is sent after 3 rounds, and the phase has 2"
    ):
        federated(undefended(2), Federated(clients=2, late={"protect": 3}), "stem")
