"""Can communities be found in a graph whose nodes flip edges at random, or do not?

Command: `python experiments/communities.py` (no download; the real graph needs networkx, of the
extra `graphs`). It goes on where it was stopped. Into `runs/communities` it writes
`communities.json`, `.txt` and `.png`.

Made-up graphs: degree-corrected block models of 240 nodes, 3 communities and 12 layers, in half of
which edges are denser within communities and in half between them. The real graph is Zachary's
karate club: 34 members, whose weights (in how many contexts two of them met) become 4 layers, of
the edges with weights of at least 1, 2, 3 and 4, and whose communities are known from outside the
graph: the two clubs that it split into. Edges are flipped by the budgets of their ends, those of
all nodes or of a random half, while the others give privacy up.

Result: docs/findings.md. One minute on two CPU cores, six where they are busy.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.evaluation import read_estimate
from pptp_jax.metrics import Estimate
from pptp_jax.release import (
    block_model,
    communities,
    debias_edges,
    edge_advantage,
    flip_edges,
    misclassification,
)
from pptp_jax.storage.files import write, write_json, write_text
from pptp_jax.validation import Refused

NODES, COUNT, LAYERS = 240, 3, 12
BUDGETS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
REPEATS = {"made-up": 10, "karate club": 60}
# The method, and whether the coins' mean is subtracted first.
ESTIMATES = (("tensor", True), ("squares", True), ("sum", True), ("tensor", False))
OPEN = {"all protected": False, "half open": True}
COLOURS = {"tensor": "#1f5fb3", "squares": "#2f8f4e", "sum": "#b3421f"}


def made_up(seed: int) -> tuple[Array, Array]:
    """A graph and its communities."""
    rng = np.random.default_rng(seed)
    labels = jnp.asarray(rng.permutation(np.arange(NODES) % COUNT))
    degrees = jnp.asarray(rng.uniform(0.5, 1, NODES), jnp.float32)
    within = np.eye(COUNT)
    layers = [0.2 + 0.3 * (within if i % 2 else 1 - within) for i in range(LAYERS)]
    connectivity = jnp.asarray(np.array(layers), jnp.float32)
    return block_model(labels, degrees, connectivity, jax.random.key(seed)), labels


def karate_club() -> tuple[Array, Array]:
    """The layers of the karate club, and who joined which club."""
    try:
        import networkx as nx
    except ImportError:
        raise Refused(
            "the karate club comes with networkx: pip install 'pptp-jax[graphs]'"
        ) from None
    graph = nx.karate_club_graph()
    weights = nx.to_numpy_array(graph)
    labels = np.array([graph.nodes[node]["club"] == "Officer" for node in graph], int)
    return jnp.asarray([weights >= least for least in (1, 2, 3, 4)], jnp.float32), jnp.asarray(
        labels
    )


def budgets_of(nodes: int, epsilon: float, half: bool, seed: int) -> Array:
    """ε of each node; if `half`, a random half gives privacy up."""
    gives_up = np.random.default_rng(seed).permutation(nodes) < (nodes // 2 if half else 0)
    return jnp.asarray(np.where(gives_up, np.inf, epsilon), jnp.float32)


def errors(name: str, epsilon: float, half: bool) -> dict[str, Any]:
    """Misclassification by each estimate, and the advantage on pairs of each kind."""
    found: dict[str, list[float]] = {f"{method} {debiased}": [] for method, debiased in ESTIMATES}
    advantages: dict[str, list[float]] = {}
    for seed in range(REPEATS[name]):
        edges, labels = made_up(seed) if name == "made-up" else karate_club()
        budgets = budgets_of(len(labels), epsilon, half, seed)
        published = flip_edges(edges, budgets, jax.random.key(1000 + seed))
        for method, debiased in ESTIMATES:
            seen = debias_edges(published, budgets) if debiased else published
            count = COUNT if name == "made-up" else 2
            groups = communities(seen, count, jax.random.key(seed), method)
            found[f"{method} {debiased}"].append(misclassification(groups, labels))
        for kind, value in _advantages(edges, published, budgets):
            advantages.setdefault(kind, []).append(value)
    return {
        "graph": name,
        "epsilon": epsilon,
        "half": half,
        "errors": {
            key: Estimate.of_mean(np.array(values))._asdict() for key, values in found.items()
        },
        "advantages": {
            key: Estimate.of_mean(np.array(values))._asdict() for key, values in advantages.items()
        },
        "exact": _exact(epsilon, half),
    }


def _advantages(edges: Array, published: Array, budgets: Array) -> Iterator[tuple[str, float]]:
    """True positives minus false ones of who believes what is published, by kind of pair."""
    truth, seen = np.asarray(edges) > 0, np.asarray(published) > 0
    gives_up = np.isinf(np.asarray(budgets))
    count = gives_up[:, None].astype(int) + gives_up
    for kind, of_kind in enumerate((count == 0, count == 1)):
        pairs = np.triu(of_kind, 1)[None]
        if pairs.any():
            yield str(kind), float(seen[truth & pairs].mean() - seen[~truth & pairs].mean())


def _exact(epsilon: float, half: bool) -> dict[str, float]:
    pair = edge_advantage(jnp.array([epsilon, jnp.inf if half else epsilon], jnp.float32))
    return {"0": float(pair[0, 0]), **({"1": float(pair[0, 1])} if half else {})}


def text_of(points: Sequence[dict[str, Any]]) -> str:
    """A table of Markdown."""
    names = [f"{m}{'' if debiased else ', not debiased'}" for m, debiased in ESTIMATES]
    lines = [
        f"| graph | protected | ε | {' | '.join(names)} | advantage on a protected pair: exact | "
        "simulated |",
        "| --- " * (len(names) + 5) + "|",
    ]
    for one in points:
        found = [shown(value) for value in one["errors"].values()]
        lines.append(
            f"| {one['graph']} | {'half' if one['half'] else 'all'} | {one['epsilon']:g} | "
            f"{' | '.join(found)} | {one['exact']['0']:.3f} | {shown(one['advantages']['0'])} |"
        )
    return "\n".join(lines)


def shown(one: dict[str, float]) -> str:
    """A mean with its interval."""
    return f"{read_estimate({**one, 'low': max(0.0, one['low'])}):.3f}"


def draw(points: Sequence[dict[str, Any]], path: Path) -> None:
    """Misclassification on both graphs, which share a legend, and the advantage on an edge."""
    figure = Figure(figsize=(15, 4.8), layout="constrained", dpi=80)
    *graphs, last = figure.subplots(1, 3)
    for axes, name in zip(graphs, REPEATS, strict=True):
        for title, half in OPEN.items():
            own = [one for one in points if one["graph"] == name and one["half"] is half]
            _misclassified(axes, own, title)
        axes.set_title(f"{name}: nodes in a wrong community", fontsize="medium")
        axes.set_ylabel("misclassification")
        axes.set_ylim(bottom=-0.02)
    _exposed(last, [one for one in points if one["graph"] == "made-up" and one["half"]])
    last.set_title("Best attacker on one bit of one pair", fontsize="medium")
    last.set_ylabel("advantage")
    for axes in (*graphs, last):
        axes.set_xscale("log")
        axes.set_xticks(BUDGETS, [f"{one:g}" for one in BUDGETS])
        axes.minorticks_off()
        axes.set_xlabel("ε of the protected nodes, one layer")

    graphs[0].legend(fontsize="x-small", loc=(0.55, 0.5))
    last.legend(fontsize="x-small")
    write(path, lambda file: figure.savefig(file, format="png"))


def _misclassified(axes: Axes, points: Sequence[dict[str, Any]], title: str) -> None:
    budgets = [one["epsilon"] for one in points]
    for method, debiased in ESTIMATES:
        found = [one["errors"][f"{method} {debiased}"] for one in points]
        if points[0]["half"] is False and (method != "tensor" or not debiased):
            continue  # a curve is enough to compare with
        values = np.array([[one[end] for end in ("low", "value", "high")] for one in found]).T
        axes.errorbar(
            budgets,
            values[1],
            yerr=[values[1] - values[0], values[2] - values[1]],
            color="#555555" if points[0]["half"] is False else COLOURS[method],
            linestyle="-" if debiased else ":",
            marker="o",
            markersize=3,
            capsize=2,
            label=f"{title}: {method}{'' if debiased else ', not debiased'}",
        )


def _exposed(axes: Axes, points: Sequence[dict[str, Any]]) -> None:
    budgets = [one["epsilon"] for one in points]
    kinds = {"0": "two protected nodes", "1": "a protected node and an open one"}
    for (kind, title), colour in zip(kinds.items(), ("#1f5fb3", "#b3421f"), strict=True):
        axes.plot(budgets, [one["exact"][kind] for one in points], color=colour, label=title)
        axes.plot(
            budgets,
            [one["advantages"][kind]["value"] for one in points],
            "o",
            color=colour,
            label=f"{title}, simulated",
        )


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/communities"))
def main(out: Path) -> None:
    """Publishes the graphs at each budget, finds communities, and draws both."""
    with errors_as_sentences(resumable=True):
        points = []
        for name in REPEATS:
            for half in OPEN.values():
                for epsilon in BUDGETS:
                    place = out / "points" / f"{name.replace(' ', '_')}_{half}_{epsilon:g}.json"
                    if not place.exists():
                        write_json(place, errors(name, epsilon, half))
                    points.append(json.loads(place.read_text()))
        write_json(out / "communities.json", {"points": points})
        write_text(out / "communities.txt", text_of(points) + "\n")
        draw(points, out / "communities.png")
        click.echo(text_of(points))


if __name__ == "__main__":
    main()
