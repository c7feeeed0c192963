"""Warnings of models that have not learned: attacks on them do not measure a recipe."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from pptp_jax.data import Membership
from pptp_jax.evaluation.attack_fleet import Attacked
from pptp_jax.fleets import FleetSignals
from pptp_jax.metrics import Estimate, clopper_pearson

# Of fewer examples a bootstrap's intervals are too narrow to be believed.
FEW = 20
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
) -> list[str]:
    """The reasons why a fleet's results mean little, a sentence each.

    Args:
        fleet: what is left of it.
        membership: who is a member of what.
        seen: the fleet as the attacks saw it.
        labels: the examples' classes; None without any, and then nothing is known of chance.
        accuracy: the estimate of the targets' accuracy on their members, with its interval.
    """
    if not len(seen.targets):
        return [f"all targets diverged, and nothing is left to attack: {TRY}"]
    if labels is None:
        return too_few(seen.membership)
    kept = np.flatnonzero(fleet.finite)
    own = fleet.utility[kept], membership.matrix[kept]
    return [*unlearned(*own, labels, accuracy, kept.tolist()), *too_few(seen.membership)]


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
