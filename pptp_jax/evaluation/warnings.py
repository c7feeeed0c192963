"""Warnings of numbers that do not measure a recipe: models that have not learned, and others."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from pptp_jax.attacks.title import attack_name
from pptp_jax.data import Membership
from pptp_jax.evaluation.attack_fleet import Attacked
from pptp_jax.fleets import FleetSignals
from pptp_jax.metrics import Estimate, clopper_pearson
from pptp_jax.metrics.within_targets import auc_within_targets

# Of fewer examples a bootstrap's intervals are too narrow to be believed.
FEW = 20
# Between the AUC over all targets together and that within a target: more than a usual interval.
_OTHER_SCALE = 0.03
# Of fewer pairs of a target and an example chance alone makes such a difference now and then.
_FEW_PAIRS = 400
TRY = (
    "try more epochs, a lower learning rate, standardised inputs, a weaker defence or less noise, "
    "and check the labels"
)


def warnings(
    fleet: FleetSignals,
    membership: Membership,
    seen: Attacked,
    labels: Int[np.ndarray, " examples"] | None,
    accuracy: Estimate,
    compared: str,
) -> list[str]:
    """The reasons why a fleet's results mean little, a sentence each.

    Args:
        fleet: what is left of it.
        membership: who is a member of what.
        seen: the fleet as the attacks saw it.
        labels: the examples' classes; None without any, and then nothing is known of chance.
        accuracy: the estimate of the targets' accuracy on their members, with its interval.
        compared: the attack by which recipes are compared.
    """
    if not len(seen.targets):
        return [f"all targets diverged, and nothing is left to attack: {TRY}"]
    by_compared = {name: own for name, own in seen.scores.items() if name == compared}
    found = [*too_few(seen.membership), *other_scales(by_compared, seen.membership)]
    if labels is None:
        return found
    kept = np.flatnonzero(fleet.finite)
    own = fleet.utility[kept], membership.matrix[kept]
    return [*unlearned(*own, labels, accuracy, kept.tolist()), *found]


def unlearned(
    correct: Bool[np.ndarray, "models examples"],
    membership: Bool[np.ndarray, "models examples"],
    labels: Int[np.ndarray, " examples"],
    accuracy: Estimate,
    models: Sequence[int],
) -> list[str]:
    """Warns of models that are no better on their own members than a constant answer.

    Args:
        correct: whether the label is predicted, by models that did not diverge.
        membership: which examples each of them trained on, at least one.
        labels: the examples' classes.
        accuracy: the estimate of the accuracy on members, with its interval.
        models: the models' numbers.

    Examples:
        >>> labels, membership = np.arange(200) % 2, np.ones((4, 200), bool)
        >>> always_0, found = np.tile(labels == 0, (4, 1)), Estimate(0.5, 0.5, 0.5)
        >>> [warning] = unlearned(always_0, membership, labels, found, range(4))
        >>> warning.split(":")[0]
        'these models have learned nothing'
    """
    if len(np.unique(labels)) == 1:
        return ["all examples have the same class, so that there is nothing to learn"]
    chance = majority_share(membership, labels)
    if accuracy.low is not None and accuracy.low <= chance.mean():
        return [
            f"these models have learned nothing: their accuracy on members is "
            f"{accuracy.value:.3f} ({accuracy.low:.3f} to {accuracy.high:.3f}), that of "
            f"always answering the most frequent class {chance.mean():.3f}. The attacks' numbers "
            f"say nothing of the recipe: {TRY}"
        ]
    right, members = (correct.astype(bool) & membership).sum(axis=1), membership.sum(axis=1)
    low = [clopper_pearson(int(k), int(n)).low for k, n in zip(right, members, strict=True)]
    stuck = np.flatnonzero(np.array(low) <= chance)
    if not 0 < len(stuck) < len(correct):  # each by itself may have too few members to tell
        return []
    return [
        f"models {[models[int(i)] for i in stuck]} have learned nothing: their accuracy on members "
        f"does not differ from that of always answering the most frequent class. As targets and as "
        f"shadows they weaken the attacks: {TRY}"
    ]


def majority_share(
    membership: Bool[np.ndarray, "models examples"], labels: Int[np.ndarray, " examples"]
) -> Float[np.ndarray, " models"]:
    """The share of the most frequent class among each model's members.

    It is what a model gets right that always gives one answer: with 10 classes and 150 members
    nearer to .14 than to .10.

    Examples:
        >>> print(majority_share(np.array([[True, True, True, False]]), np.array([0, 1, 1, 0])))
        [0.66666667]
    """
    counts = np.array([np.bincount(labels[own]).max() for own in membership])
    return counts / membership.sum(axis=1)


def too_few(membership: Bool[np.ndarray, "targets examples"]) -> list[str]:
    """Warns if there are too few pairs of members or of non-members.

    Args:
        membership: which of the attacked examples are members of each target.

    Examples:
        >>> too_few(np.arange(100)[None] < 90)[0][:41]
        'there are only 10 non-members of a target'
    """
    if not len(membership):
        return []
    counts = {"members": membership.sum(axis=1), "non-members": (~membership).sum(axis=1)}
    return [
        f"there are only {count.min()} {kind} of a target: the intervals of so few are too narrow"
        for kind, count in counts.items()
        if count.min() < FEW
    ]


def inverted(auc: Estimate) -> list[str]:
    """Warns of members that a model answers worse than others by far: they may be the others.

    Args:
        auc: that of the attack by the loss.

    Examples:
        >>> inverted(Estimate(0.49, 0.46, 0.52))
        []
        >>> inverted(Estimate(0.43, 0.42, 0.44))[0].partition(":")[0]
        'is membership inverted? Members have a larger loss than non-members'
    """
    if auc.value is None or auc.high is None or 2 * auc.high - auc.value >= 0.5:
        return []
    return [
        "is membership inverted? Members have a larger loss than non-members: the AUC of the loss "
        f"is {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f}). A model is seldom worse on what it "
        "has learned. True must stand for a member"
    ]


def other_scales(
    scores: Mapping[str, Float[np.ndarray, "targets examples"]],
    membership: Bool[np.ndarray, "targets examples"],
) -> list[str]:
    """Warns of attacks whose scores of different targets cannot be compared with each other.

    All metrics take the pairs of all targets together. Where a score means one thing in one target
    and another in the next, they understate what an attacker finds who has a single target.

    Args:
        scores: those of each attack.
        membership: who is a member of which target.

    Examples:
        >>> membership = np.arange(200)[None] % 2 == np.arange(2)[:, None]
        >>> scores = membership + 10.0 * np.arange(2)[:, None]
        >>> print(other_scales({"rmia_online": scores}, membership)[0])
        scores have another scale in each target: RMIA has AUC 0.750 over all targets ...
    """
    found: list[str] = []
    if membership.size < _FEW_PAIRS:
        return found
    for name, own in scores.items():
        within = auc_within_targets(own, membership)
        together = auc_within_targets(own.reshape(1, -1), membership.reshape(1, -1))
        if within is None or together is None or abs(within - together) <= _OTHER_SCALE:
            continue
        found.append(
            f"{attack_name(name)} has AUC {together:.3f} over all targets together, {within:.3f} "
            "within a target on average"
        )
    return [f"scores have another scale in each target: {'; '.join(found)}"] if found else []
