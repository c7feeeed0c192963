"""How much does a client's update leak by region, and what does it cost to keep a region local?

Command: `python experiments/federated_digits.py` (no download). It goes on where it was stopped.
Into `runs/federated_digits` it writes `federated_digits.json`, `.txt` and `.png`.

Sixteen clients with 20 digits each train a perceptron by FedAvg. An attacker knows the network with
which each round begins. (1) Bayesian privacy loss: one of 50 known digits is in a batch; its
clipped gradient is sent with noise. (2) Membership of examples and of clients, by the alignment of
gradients with updates, for a curious server and behind secure aggregation, alone and with LiRA on
shadow federations. (3) Restoration of digits from the gradient of one region. (4) Accuracy, and
what is still found, where a region stays at home, is sent late or is noised.

Result: docs/findings.md. Three minutes of processor time on a core of an Intel Xeon.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pptp_jax.attacks import ATTACKS, attack_targets, update_alignment
from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.data import Arrays, Balanced, ByOwner, Digits, member_indices
from pptp_jax.evaluation import read_estimate
from pptp_jax.metrics import Estimate, attack_metrics, masked_mean
from pptp_jax.models import Variables, mlp
from pptp_jax.privacy import mean_privacy_loss, most_privacy_loss, restore_by_descent
from pptp_jax.regions import RegionMap, protect, region_vectors
from pptp_jax.signals import example_gradients
from pptp_jax.storage.files import read_arrays, write, write_arrays, write_json, write_text
from pptp_jax.training import (
    SGD,
    VIEWS,
    Federated,
    Perturbation,
    Trainer,
    federated,
    federated_round,
    undefended,
)

MODEL = mlp([32, 32], num_classes=10)
REGIONS = {name: (name,) for name in ("stem", "stage1", "head")}
PARTS = (*REGIONS, "all")
CLIENTS, EACH, ROUNDS, LOCAL = 16, 40, 10, 2
MODELS, SEED = 16, 1  # seed 0 chose the rate, the noise and the smoothness
OPTIMIZER = SGD(learning_rate=0.2, momentum=0.0, schedule="constant")
NOISES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # over the clipping norm, which is 1
CANDIDATES, NETWORKS, IMAGES = 50, 8, 12

CONDITIONS: dict[str, dict[str, Any]] = {
    "all shared": {},
    "stem at home": {"home": ("stem",)},
    "stage1 at home": {"home": ("stage1",)},
    "head at home": {"home": ("head",)},
    "stem every 5th round": {"late": {"stem": 5}},
    "all noised": {"perturbed": dict.fromkeys(REGIONS, Perturbation(max_norm=0.5, stddev=0.3))},
    "all at home": {"home": tuple(REGIONS)},
}


def vectors(tree: Any, leading: int) -> dict[str, jax.Array]:
    """The numbers of each region."""
    return region_vectors(tree, protect(REGIONS, MODEL.blocks), leading)


def trainer_of(rules: Mapping[str, Any], batch_size: int) -> tuple[Trainer, Any]:
    """What trains a federation, and its phase."""
    recipe = federated(undefended(ROUNDS), Federated(local_epochs=LOCAL, **rules), REGIONS)
    return Trainer(MODEL, recipe.regions(MODEL), batch_size), recipe.phases[0]


def federation(
    rules: Mapping[str, Any], members: np.ndarray, candidates: np.ndarray, batch: int, data: Arrays
) -> dict[str, np.ndarray]:
    """Trains federations that differ in members, and compares what they send with candidates.

    Candidates (clients, examples) are scored against the update of their client and against the
    mean update; the gradient of all examples of a client against the mean update.
    """
    trainer, phase = trainer_of(rules, batch)
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(SEED)))(jnp.arange(len(members)))
    rows = jnp.asarray(members)
    start = jax.jit(
        jax.vmap(lambda key, own: trainer.start(OPTIMIZER, phase, None, key, data, own, None))
    )
    one = jax.jit(
        jax.vmap(
            lambda state, own, key, n: federated_round(
                trainer, OPTIMIZER, phase, state, data, own, key, (n, n)
            ),
            (0, 0, 0, None),
        )
    )
    state, found = start(keys, rows), {}
    for number in range(ROUNDS):
        before = state.memory.server.params
        sent = one(state, rows, keys, number)
        state = sent.state
        for name, score in compared(before, sent.updates, sent.weights, data, candidates).items():
            found[name] = found.get(name, 0) + np.asarray(score) / ROUNDS
    return found | {"correct": correct(state.variables.params, data)}


@jax.jit
def compared(
    before: Any, updates: Any, weights: jax.Array, data: Arrays, candidates: jax.Array
) -> dict[str, jax.Array]:
    """The scores of candidates by what was sent, for each model, view and region."""

    def of_model(given: tuple[Any, Any, jax.Array]) -> dict[str, jax.Array]:
        params, sent, own = given
        network = Variables(params, {})
        gradients = vectors(example_gradients(MODEL, network, data, candidates.ravel()), 1)
        found = {}
        for part, each in vectors(sent, 1).items():
            by_client = gradients[part].reshape(*candidates.shape, -1)
            mean = own @ each
            scores = {
                VIEWS[1]: update_alignment(mean, by_client.reshape(-1, len(mean))),
                "clients": update_alignment(mean, by_client.mean(axis=1)),
            }
            if len(candidates) == len(each):
                scores[VIEWS[0]] = update_alignment(each, by_client)
            found |= {f"{view}/{part}": score.ravel() for view, score in scores.items()}
        return found

    return jax.lax.map(of_model, (before, updates, weights))


@jax.jit
def correct(params: Any, data: Arrays) -> jax.Array:
    """Which examples each client's network gets right, (models, clients, examples)."""

    def answers(own: Any) -> jax.Array:
        outputs, _ = MODEL.apply(own, {}, data.inputs(slice(None)), train=False, key=None)
        return outputs.argmax(axis=-1) == data.y

    return jax.vmap(jax.vmap(answers))(params)


def kept(path: Path, make: Any) -> dict[str, np.ndarray]:
    """What an earlier run has left, or what is computed now."""
    if not path.exists():
        write_arrays(path, {name: np.asarray(own) for name, own in make().items()})
    return read_arrays(path)


def auc(scores: np.ndarray, membership: np.ndarray) -> dict[str, Any]:
    """The AUC of scores alone, and of LiRA with the other federations as shadows."""
    attack, everyone = ATTACKS["lira_online"], range(len(membership))
    lira = attack_targets(attack, np.float32(scores)[:, None], membership, targets=everyone)
    return {
        name: attack_metrics(own, membership, resamples=200, seed=SEED)["auc"]._asdict()
        for name, own in (("alone", np.asarray(scores)), ("lira", np.asarray(lira)))
    }


def of_conditions(data: Arrays, out: Path) -> list[dict[str, Any]]:
    """Accuracy, and membership of examples, in each condition."""
    total = CLIENTS * EACH
    membership = np.concatenate(
        [Balanced(models=MODELS).draw(EACH, 1000 * SEED + k).matrix for k in range(CLIENTS)], axis=1
    )
    members = member_indices(membership)
    candidates = np.arange(total).reshape(CLIENTS, EACH)
    rows, shared = [], None
    for name, rules in CONDITIONS.items():
        make = partial(federation, {"clients": CLIENTS, **rules}, members, candidates, 10, data)
        found = kept(out / f"{name.replace(' ', '_')}.npz", make)
        right, every = found["correct"], np.arange(total)
        own = right[:, every // EACH, every].astype(float)
        others = right[:, :, total:].mean(axis=1)
        shared = own if shared is None else shared
        estimates = {
            "own": masked_mean(own, ~membership),
            "others": masked_mean(others, np.ones_like(others, bool)),
            "own_difference": masked_mean(own - shared, ~membership),
        }
        row: dict[str, Any] = {"name": name}
        row |= {key: value._asdict() for key, value in estimates.items()}
        row["auc"] = {
            f"{view}/{part}": auc(found[f"{view}/{part}"], membership)
            for view in VIEWS
            for part in (PARTS if not rules else ("all",))
            if found[f"{view}/{part}"].any()
        }
        rows.append(row)
        click.echo(line_of(row))
    return rows


def of_clients(data: Arrays, out: Path) -> dict[str, Any]:
    """Membership of clients behind secure aggregation: 16 of 32 take part."""
    owners = np.arange(len(data.y)) // EACH
    count = 2 * CLIENTS
    known = owners[: count * EACH]
    drawn = ByOwner(Balanced(models=2 * MODELS)).draw(known, SEED)
    rules = {"clients": CLIENTS, "owners": owners}
    candidates = np.arange(count * EACH).reshape(count, EACH)
    make = partial(federation, rules, member_indices(drawn.matrix), candidates, 20, data)
    found = kept(out / "clients.npz", make)
    membership = drawn.matrix[:, ::EACH]
    return {part: auc(found[f"clients/{part}"], membership) for part in PARTS}


def networks(data: Arrays, trained: bool) -> list[Variables]:
    """Networks as the first round begins, or after all rounds of a federation."""
    trainer, phase = trainer_of({"clients": CLIENTS}, 10)
    members = jnp.arange(CLIENTS * EACH // 2)
    epoch = jax.jit(partial(trainer.epoch, OPTIMIZER, phase))
    found = []
    for i in range(NETWORKS):
        key = jax.random.fold_in(jax.random.key(SEED), 500 + i)
        state = trainer.start(OPTIMIZER, phase, None, key, data, members, None)
        for number in range(ROUNDS if trained else 0):
            state, _ = epoch(state, data, members, key, number, number)
        found.append(Variables(state.left().params, {}))
    return found


def of_noise(data: Arrays) -> list[dict[str, Any]]:
    """The mean Bayesian privacy loss of a digit among 50, by region and noise."""
    rows = []
    for when, trained in (("first round", False), ("after 10 rounds", True)):
        each: dict[tuple[str, float], list[tuple[float, float]]] = {}
        for network in networks(data, trained):
            chosen = jnp.arange(CLIENTS * EACH, CLIENTS * EACH + CANDIDATES)
            own = vectors(example_gradients(MODEL, network, data, chosen), 1)
            own = {part: np.asarray(vector) for part, vector in own.items()}
            clip = np.minimum(1, 1 / np.linalg.norm(own["all"], axis=1, keepdims=True))
            for part in PARTS:
                for noise in NOISES:
                    gradients = clip * own[part]
                    loss = mean_privacy_loss(gradients, noise, draws=300, seed=SEED).value
                    bound = most_privacy_loss(gradients, noise)
                    each.setdefault((part, noise), []).append((loss, bound))
        for (part, noise), values in each.items():
            loss, bound = np.array(values).T
            rows.append({"when": when, "part": part, "noise": noise, "bound": bound.mean()})
            rows[-1] |= Estimate.of_mean(loss)._asdict()
    return rows


def of_restoration(data: Arrays) -> list[dict[str, Any]]:
    """The error of digits restored from the gradient of one region, one digit a batch."""
    [network, *_] = networks(data, trained=False)
    rows = jnp.arange(CLIENTS * EACH, CLIENTS * EACH + IMAGES)
    x, y = data.inputs(rows), data.y[rows]
    regions = protect(REGIONS, MODEL.blocks)

    def sent(part: str, regions: RegionMap, images: jax.Array) -> jax.Array:
        def loss(params: Any, image: jax.Array, label: jax.Array) -> jax.Array:
            outputs, _ = MODEL.apply(params, {}, image[None], train=False, key=None)
            return -jax.nn.log_softmax(outputs)[0, label]

        gradients = jax.vmap(jax.grad(loss), (None, 0, 0))(network.params, images, y)
        return region_vectors(gradients, regions, 1)[part]

    known = data.inputs(jnp.arange(CLIENTS * EACH))
    labels = data.y[: CLIENTS * EACH]
    means = jnp.stack([known[labels == label].mean(axis=0) for label in range(10)])[y]
    error = Estimate.of_mean(np.abs(np.asarray(means - x)).mean(axis=(1, 2, 3)))._asdict()
    found = [{"part": "label alone", **error, "images": means[:6, ..., 0].tolist()}]
    for part in PARTS:
        own = partial(sent, part, regions)
        restored = restore_by_descent(
            own, own(x), means, match="squared", smoothness=1e-3, steps=800, learning_rate=0.02
        ).inputs
        error = Estimate.of_mean(np.abs(np.asarray(restored - x)).mean(axis=(1, 2, 3)))._asdict()
        found.append({"part": part, **error, "images": restored[:6, ..., 0].tolist()})
    found.append({"part": "truth", "images": x[:6, ..., 0].tolist()})
    return found


def cell(found: Mapping[str, float]) -> str:
    """A number with its interval."""
    return f"{read_estimate(found):.3f}"


def line_of(row: Mapping[str, Any]) -> str:
    """A condition as a line of a table."""
    found = [row["auc"].get(f"{view}/all") for view in VIEWS]
    aucs = [cell(own[kind]) if own else "-" for own in found for kind in ("alone", "lira")]
    numbers = [cell(row[name]) for name in ("own", "own_difference", "others")]
    return f"| {' | '.join([row['name'], *numbers, *aucs])} |"


def text_of(found: Mapping[str, Any]) -> str:
    """All of it as tables of Markdown."""
    views = [f"{view}{kind}" for view in VIEWS for kind in ("", ", LiRA")]
    lines = [f"| condition | accuracy | difference | others' digits | {' | '.join(views)} |"]
    lines += ["| --- " * 8 + "|", *map(line_of, found["conditions"]), ""]
    lines += [f"| region | {' | '.join(views)} | clients | clients, LiRA |", "| --- " * 7 + "|"]
    shared = found["conditions"][0]["auc"]
    for part in PARTS:
        own = [shared[f"{view}/{part}"] for view in VIEWS] + [found["clients"][part]]
        lines.append(f"| {part} | {' | '.join(cell(o[k]) for o in own for k in o)} |")
    lines += ["", f"| loss | {' | '.join(f'noise {n:g}' for n in NOISES)} |", "| --- " * 7 + "|"]
    for when in ("first round", "after 10 rounds"):
        for part in PARTS:
            own = [o for o in found["noise"] if (o["when"], o["part"]) == (when, part)]
            lines.append(f"| {when}: {part} | {' | '.join(map(cell, own))} |")
    lines += ["", "| restored from | error of a pixel |", "| --- | --- |"]
    lines += [f"| {o['part']} | {cell(o)} |" for o in found["restoration"] if "value" in o]
    return "\n".join(lines)


def bars(axes: Axes, at: Any, found: list[Mapping[str, float]], **style: Any) -> None:
    """Values with their intervals."""
    low, value, high = np.array([[one[k] for k in ("low", "value", "high")] for one in found]).T
    axes.errorbar(at, value, yerr=[value - low, high - value], capsize=3, **style)


def draw(found: Mapping[str, Any], path: Path) -> None:
    """The four questions, a panel each."""
    figure = Figure(figsize=(13, 9.5), layout="constrained", dpi=80)
    [[loss, membership], [restored, cost]] = figure.subplots(2, 2)
    for part in PARTS:
        for when, line in (("first round", "-"), ("after 10 rounds", "--")):
            own = [o for o in found["noise"] if (o["when"], o["part"]) == (when, part)]
            style = {
                "color": f"C{PARTS.index(part)}",
                "linestyle": line,
                "label": f"{part}, {when}",
            }
            bars(loss, NOISES, own, **style)
    loss.axhline(np.log(CANDIDATES), color="k", linestyle=":", label="all there is to know: log 50")
    loss.set(xscale="log", xlabel="noise of the sum, over the clipping norm", ylabel="nats")
    loss.set_title("Bayesian privacy loss: which of 50 digits is in the batch?", fontsize="medium")
    loss.legend(fontsize="x-small")
    places, shared = np.arange(len(PARTS)), found["conditions"][0]["auc"]
    kinds = [(f"digits, {v}", [shared[f"{v}/{p}"] for p in PARTS]) for v in VIEWS]
    kinds.append(("clients, secure aggregation", [found["clients"][p] for p in PARTS]))
    for i, (name, own) in enumerate(kinds):
        for kind, marker in (("alone", "o"), ("lira", "s")):
            at = places + 0.22 * (i - 1) + (0.08 if kind == "lira" else 0)
            words = f"{name}, {'LiRA' if kind == 'lira' else 'alone'}"
            style = {"fmt": marker, "color": f"C{i}", "label": words}
            bars(membership, at, [o[kind] for o in own], **style)
    membership.axhline(0.5, color="k", linewidth=0.8, linestyle=":")
    membership.set(ylim=(0.45, 0.95), xticks=places, xticklabels=PARTS)
    membership.set_title("Membership by the region looked at: AUC", fontsize="medium")
    membership.legend(fontsize="x-small", ncols=2, loc="upper center")
    framed = [np.pad(o["images"], ((0, 0), (1, 1), (1, 1))) for o in found["restoration"]]
    rows = [np.concatenate(own, axis=1) for own in framed]
    restored.imshow(np.concatenate(rows), cmap="gray_r", aspect="auto")
    words = [
        f"{o['part']}: {o['value']:.3f}" if "value" in o else o["part"]
        for o in found["restoration"]
    ]
    restored.set_xticks([])
    restored.set_yticks(10 * np.arange(len(rows)) + 4.5, words)
    restored.set_title(
        "Restored from the gradient of one region, and mean error", fontsize="medium"
    )
    for one in found["conditions"]:
        own = one["own"]
        sent = one["auc"].get(f"{VIEWS[0]}/all")
        auc = sent["alone"] if sent else {"value": 0.5, "low": 0.5, "high": 0.5}
        across = [[own["value"] - own["low"]], [own["high"] - own["value"]]]
        bars(cost, [own["value"]], [auc], xerr=across, fmt="o", label=one["name"])
    cost.set(xlabel="accuracy on a client's own unseen digits", ylabel="AUC, curious server")
    cost.set_title("What is sent, and what it costs", fontsize="medium")
    cost.legend(fontsize="small")
    write(path, lambda file: figure.savefig(file, format="png"))


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/federated_digits"))
def main(out: Path) -> None:
    """Trains the federations, attacks the updates, and draws the leakage."""
    with errors_as_sentences(resumable=True):
        data = Arrays.of(Digits().load())
        found = {
            "noise": of_noise(data),
            "restoration": of_restoration(data),
            "conditions": of_conditions(data, out),
            "clients": of_clients(data, out),
        }
        write_json(out / "federated_digits.json", found)
        write_text(out / "federated_digits.txt", text_of(found) + "\n")
        draw(found, out / "federated_digits.png")
        click.echo(text_of(found))


if __name__ == "__main__":
    main()
