"""What is measured on a trained fleet: a row of the results, and the scores behind it."""

from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from pptp_jax.attacks import ATTACKS, attack_targets
from pptp_jax.data import Membership
from pptp_jax.metrics import UNRESOLVED, attack_metrics, mean_over, metric_names
from pptp_jax.regions import region_name
from pptp_jax.study.config import Study
from pptp_jax.study.fleets import Fleet
from pptp_jax.study.guarantee import guarantee
from pptp_jax.training import Recipe


class Attacked(NamedTuple):
    """A fleet as the attacks saw it: those of its targets that did not diverge.

    Attributes:
        targets: which models these are.
        membership: who is a member of which of them.
        correct: whether the prediction is the label.
        scores: what each attack makes of them.
        notes: why an attack has no scores.
    """

    targets: Int[np.ndarray, " targets"]
    membership: Bool[np.ndarray, "targets examples"]
    correct: Bool[np.ndarray, "targets examples"]
    scores: dict[str, Float[np.ndarray, "targets examples"]]
    notes: list[str]


def attacked(fleet: Fleet, membership: Membership, attacks: tuple[str, ...]) -> Attacked:
    """Attacks a fleet. Models that diverged neither stand as targets nor help as shadows."""
    kept = np.flatnonzero(fleet.finite)
    targets = np.array([i for i in membership.targets if fleet.finite[i]], int)
    seen = np.ix_(targets, membership.evaluated)
    queries = np.arange(fleet.confidence.shape[1])
    scores, notes = {}, []
    for name in attacks:
        try:
            scores[name] = attack_targets(
                ATTACKS[name],
                fleet.confidence[np.ix_(kept, queries, membership.evaluated)],
                membership.matrix[np.ix_(kept, membership.evaluated)],
                np.searchsorted(kept, targets).tolist(),
                [int(np.searchsorted(kept, i)) for i in membership.shadows if i in kept],
            )
        except ValueError as error:
            notes.append(f"{name}: {error}")
    return Attacked(targets, membership.matrix[seen], fleet.correct[seen], scores, notes)


def white_box(
    study: Study, fleet: Fleet, membership: Membership
) -> dict[str, dict[str, dict[str, Any]]]:
    """What LiRA makes of each block's gradients and features, by an attacker who has the weights.

    The signals are −log ‖∇_b ℓ‖ of a block b, and the margin by which its features speak for the
    label. The shadows' are taken in the same way, so that what a block tells anyhow of an example
    is allowed for.

    Returns:
        What is seen (`gradients`, `features`), then the block, then the metrics.
    """
    # An example that is fitted to the last bit has no gradient left.
    norms = np.maximum(fleet.gradient_norms, np.finfo(np.float32).tiny)
    kinds = {"gradients": -np.log(norms), "features": fleet.feature_margins}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for kind, signals in kinds.items():
        for block, own in zip(study.model.blocks, signals.swapaxes(0, 1), strict=False):
            seen = attacked(fleet._replace(confidence=own[:, None]), membership, ("lira_online",))
            if "lira_online" in seen.scores:
                metrics = attack_metrics(
                    seen.scores["lira_online"],
                    seen.membership,
                    resamples=study.resamples,
                    seed=study.seed,
                )
                by_block = found.setdefault(kind, {})
                by_block[block.name] = {key: value._asdict() for key, value in metrics.items()}
    return found


def row(study: Study, recipe: Recipe, fleet: Fleet, seen: Attacked, members: int) -> dict[str, Any]:
    """A row of the results: what was trained, how well it does, and what the attacks achieve."""
    kept = fleet.loss[fleet.finite]
    truth = seen.membership
    private, said = _epsilon(study, recipe, members)
    found: dict[str, Any] = {
        "recipe": recipe.name,
        "defence": recipe.defence,
        "strength": recipe.strength,
        "release": None if recipe.release is None else recipe.release.name,
        "region": region_name(recipe.region),
        "epochs": recipe.epochs,
        "slug": recipe.slug,
        "diverged": np.flatnonzero(~fleet.finite).tolist(),
        "train_loss": kept.mean(axis=0).tolist() if len(kept) else [],
        "epsilon": private,
        "notes": [*seen.notes, *said],
    }
    for name, chosen in (("train_accuracy", truth), ("test_accuracy", ~truth)):
        found[name] = mean_over(
            seen.correct, chosen, resamples=study.resamples, seed=study.seed
        )._asdict()
    found["attacks"] = {}
    for name in study.attacks:
        metrics = dict.fromkeys(metric_names(), UNRESOLVED)
        if name in seen.scores:
            metrics |= attack_metrics(
                seen.scores[name], truth, resamples=study.resamples, seed=study.seed
            )
        found["attacks"][name] = {key: value._asdict() for key, value in metrics.items()}
    return found


def _epsilon(study: Study, recipe: Recipe, members: int) -> tuple[dict[str, Any] | None, list[str]]:
    """The recipe's ε with what it rests on, None without one, and what the table says of it."""
    try:
        found = guarantee(recipe, study.model, members, study.batch_size)
    except ImportError:
        return None, [f"{recipe.slug}: install pptp-jax[dp] for ε"]
    if found is None:
        return None, []
    return asdict(found), [f"{recipe.slug}: {found}"]
