"""What is measured on a trained fleet: a row of the results, and the scores behind it."""

from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from pptp_jax.attacks import ATTACKS, Evidence
from pptp_jax.attacks.evidence import AXES
from pptp_jax.data import Dataset, Membership
from pptp_jax.metrics import UNRESOLVED, attack_metrics, mean_over, metric_names
from pptp_jax.regions import region_name
from pptp_jax.study.config import Study
from pptp_jax.study.guarantee import guarantee
from pptp_jax.study.kept import Fleet
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


def attacked(
    fleet: Fleet, membership: Membership, attacks: tuple[str, ...], data: Dataset | None = None
) -> Attacked:
    """Attacks a fleet. Models that diverged neither stand as targets nor help as shadows.

    Args:
        fleet: what is left of it.
        membership: who is a member of what, and which examples are attacked. Attacks that learn
            from shadows also learn from the other examples that some model trained on; those that
            learn from non-members, from all that are not attacked and that no target trained on.
        attacks: the names of the attacks; none is made where every target diverged.
        data: the examples, for attacks that need labels or inputs.
    """
    targets = np.array([i for i in membership.targets if fleet.finite[i]], int)
    learned = np.union1d(np.flatnonzero(membership.matrix.any(axis=0)), membership.evaluated)
    # The attacker may know who is nobody's member, as long as that is not the question.
    nonmembers = np.logical_not(membership.matrix[list(membership.targets)].any(axis=0))
    nonmembers[membership.evaluated] = False
    scores, notes = {}, []
    for name in attacks if len(targets) else ():
        apart = "nonmembers" in ATTACKS[name].reads and nonmembers.any()
        columns = np.union1d(learned, np.flatnonzero(nonmembers)) if apart else learned
        try:
            evidence = Evidence(
                signals=_signals(fleet, ATTACKS[name].reads, columns),
                membership=membership.matrix[:, columns],
                labels=None if data is None else data.y[columns],
                inputs=None if data is None else data.x[columns],
                targets=targets.tolist(),
                shadows=[i for i in membership.shadows if fleet.finite[i]],
                nonmembers=nonmembers[columns] if apart else None,
                examples=np.searchsorted(columns, membership.evaluated),
            )
            scores[name] = ATTACKS[name](evidence)
        except ValueError as error:
            notes.append(f"{name}: {error}")
    seen = np.ix_(targets, membership.evaluated)
    return Attacked(targets, membership.matrix[seen], fleet.correct[seen], scores, notes)


def _signals(
    fleet: Fleet, reads: tuple[str, ...], columns: Int[np.ndarray, " columns"]
) -> dict[str, Shaped[np.ndarray, "models ..."]]:
    """The signals that an attack reads, as far as they were kept, on some of the examples."""
    there: dict[str, Shaped[np.ndarray, "models ..."]] = {
        "confidence": fleet.confidence,
        "gradient_norms": fleet.gradient_norms,
        **fleet.probed,
    }
    if fleet.logits is None:
        there["correct"] = fleet.correct[:, None]
    else:
        there["logits"] = fleet.logits
    # Whether each query is answered right follows from the logits.
    read = {"logits" if name == "correct" and "logits" in there else name for name in reads}
    return {
        name: signal.take(columns, AXES[name].index("examples"))
        for name, signal in there.items()
        if name in read and signal.shape[1]
    }


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
    if not study.white_box:
        return {}
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
    said = f"{recipe.slug}: {found}"
    if study.model.config.get("name") == "standardized":
        said += ", which leaves out the mean and deviation that inputs are standardised by"
    return asdict(found), [said]
