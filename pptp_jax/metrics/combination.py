"""Several attacks as one: a calibrated probability of membership for each record."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from scipy.special import expit, logit

from pptp_jax.metrics.combiner import Classifier, fitted
from pptp_jax.metrics.monotone_log_odds import places_within
from pptp_jax.metrics.roc import checked_scores
from pptp_jax.validation import Refused, at_least

# More models are dealt into as many groups: the fits would grow with the square of their number.
GROUPS = 16
# A combiner learns from about as many pairs at most: more would no longer change it.
PAIRS = 200_000


class Combination(NamedTuple):
    """Several attacks combined: a probability of membership for each pair, and their weights.

    Attributes:
        attacks: their names.
        probability: of membership, of each example in each target.
        base_rate: the share of members among the pairs that each target's combiner learned from:
            what the probability is where the attacks tell nothing.
        weights: of each attack's log-odds, on the average over combiners. Attacks that are
            independent of each other have 1 each, attacks that repeat each other less, and one
            below 0 takes off what another says too much. NaN of a classifier.
        shares: of each attack in the log-odds; they sum to 1, or are all 0 if no attack finds
            anything. NaN of a classifier.
    """

    attacks: tuple[str, ...]
    probability: Float[np.ndarray, "targets examples"]
    base_rate: Float[np.ndarray, " targets"]
    weights: Float[np.ndarray, " attacks"]
    shares: Float[np.ndarray, " attacks"]


class _Teachers(NamedTuple):
    """The training data of combiners: ranks of scores within their models, and membership."""

    places: Int[np.ndarray, "attacks models examples"]
    members: Bool[np.ndarray, "models examples"]


def combine(
    scores: Mapping[str, Real[np.ndarray, "targets examples"]],
    membership: Bool[np.ndarray, "targets examples"],
    *,
    shadow_scores: Mapping[str, Real[np.ndarray, "shadows examples"]] | None = None,
    shadow_membership: Bool[np.ndarray, "shadows examples"] | None = None,
    classifier: Classifier | None = None,
    parts: int = 5,
    seed: int = 0,
) -> Combination:
    r"""One calibrated probability of membership from the scores of several attacks.

    Of each attack, isotonic regression on other models makes the log-odds \(f_a\) that an attacker
    with this attack alone would give; a logistic regression on the same pairs adds them up:
    \(\log \frac{p}{1-p} = c + \sum_a w_a f_a(u_a)\).

    **Scale.** Scores of one attack are not on one scale over models: RMIA counts how many records
    of the *same* model are beaten, and LOSS moves with the confidence of a model. So \(u_a\) is the
    place of a score among those of its model. What raises the scores of an attack, or of a model,
    without changing their order changes nothing, and infinite scores do no harm. The price: a
    record's probability depends on which others are attacked with it, and it is calibrated only
    for targets that have about the share of members that the models have from which is learned.

    **Who learns from whom.** The combiner of a target and a record is fitted on other models *and*
    on other records. Other models alone are not enough: where each record is a member of half of
    the models, the labels of the others tell that of the target, a combiner that knows the record
    again by its scores has learned the opposite of the truth, and AUC falls below .5 where nothing
    leaks. Every combiner of a target has the same mean probability, the share of members in all
    other models, for else the parts of the records would differ by a number that depends on the
    target's own members, and AUC would exceed .5.

    The scores of the other models were perhaps computed with the target among their shadows. What
    its labels of other records do there is not undone; that of the record itself enters at most
    through what an attack pools over all records, such as a variance.

    **Shares** are Shapley values: in a sum an attack's is exactly
    \(w_a (f_a - \bar f_a)\), with the mean over the pairs that were learned from, if absent attacks
    are replaced by independent draws. A share is the mean of its size, of all attacks' sum. Attacks
    that say the same divide their share by chance and by the ridge, and a share is not what the
    AUC falls by if the attack is left out.

    The attacker needs what each attack needs, and one more model whose members he knows.

    Args:
        scores: of each attack, each example against each target; larger means "member".
        membership: who is a member of which target.
        shadow_scores: the same attacks on models whose members the attacker knows, on the same
            examples; None takes, for each target, the others. Of more than 16 targets groups of
            some are left out together.
        shadow_membership: who is a member of which of these.
        classifier: makes an unfitted classifier for a number of pairs, as `boosted_trees` of
            `pptp_jax.data.boosted_trees` does, to learn in place of the weighted sum. It also sees
            what attacks say only together, and what does not rise with a score; it has no shares.
        parts: into how many parts the examples are dealt. Of more than about 200,000 pairs of a
            model and a record, a combiner learns from a sample of this size.
        seed: what the parts depend on.

    Raises:
        Refused: if there are no attacks, shapes or names disagree, a single target comes without
            shadows, or a combiner would learn from members alone or from non-members alone; or as
            `roc` does.

    References:
        Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability
        estimates", 2002 (isotonic regression); Wolpert, "Stacked generalization", 1992; Lundberg
        and Lee, "A unified approach to interpreting model predictions", 2017,
        https://arxiv.org/abs/1705.07874 (Shapley values of linear models).

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> membership = rng.random((8, 500)) < 0.5
        >>> scores = {name: rng.normal(size=(8, 500)) + membership for name in ("a", "b")}
        >>> found = combine(scores, membership)
        >>> print(found.shares.round(1), found.probability[membership].mean().round(1))
        [0.5 0.5] 0.7
    """
    at_least(2, parts=parts)
    at_least(0, seed=seed)
    if not scores:
        raise Refused("there must be at least one attack to combine, got none")
    if (shadow_scores is None) != (shadow_membership is None):
        raise Refused("shadow_scores and shadow_membership must come together")
    own = _teachers(scores, membership)
    targets, examples = membership.shape
    if examples < 2:
        raise Refused("a combiner learns from other records than it judges: give at least 2")
    if shadow_scores is not None and shadow_membership is not None:
        if set(shadow_scores) != set(scores):
            raise Refused(
                f"shadow_scores must be of the same attacks as scores, {sorted(scores)}, got "
                f"{sorted(shadow_scores)}"
            )
        if shadow_membership.shape[1] != examples:
            raise Refused(
                f"shadows must be attacked on the same {examples} examples as the targets, got "
                f"{shadow_membership.shape[1]}"
            )
        from_whom = _teachers({name: shadow_scores[name] for name in scores}, shadow_membership)
        pairs = [(np.arange(targets), np.arange(len(shadow_membership)))]
    elif targets > 1:
        from_whom = own
        group = np.arange(targets) % min(targets, GROUPS)
        pairs = [
            (np.flatnonzero(group == i), np.flatnonzero(group != i)) for i in range(group.max() + 1)
        ]
    else:
        raise Refused(
            "a combiner learns from other models than the target: give two targets at least, or "
            "shadow_scores and shadow_membership"
        )
    dealt = np.random.default_rng(seed).permutation(examples)
    return _cross_fitted(tuple(scores), own.places, from_whom, pairs, (dealt, parts), classifier)


def at_prior(
    probability: Float[np.ndarray, "*shape"],
    base_rate: float | Float[np.ndarray, "*#shape"],
    prior: float,
) -> Float[np.ndarray, "*shape"]:
    """Probabilities for another prior share of members.

    A fleet has as many members as non-members; of the people whom an attacker suspects, perhaps one
    in a hundred is a member. The odds change by the ratio of the odds of both shares.

    Args:
        probability: of membership, where a share `base_rate` are members.
        base_rate: that share, such as `Combination.base_rate[:, None]`.
        prior: the other share, above 0 and below 1.

    Raises:
        Refused: if a share is 0 or 1, or none.

    Examples:
        >>> print(at_prior(np.array([0.5, 0.99]), base_rate=0.5, prior=0.01).round(2))
        [0.01 0.5 ]
    """
    for name, share in (("base_rate", base_rate), ("prior", prior)):
        if not np.all((np.asarray(share) > 0) & (np.asarray(share) < 1)):
            raise Refused(f"{name} must lie above 0 and below 1, got {share}")
    with np.errstate(divide="ignore"):
        return np.asarray(expit(logit(probability) - logit(base_rate) + logit(prior)))


def _teachers(
    scores: Mapping[str, Real[np.ndarray, "models examples"]],
    members: Bool[np.ndarray, "models examples"],
) -> _Teachers:
    return _Teachers(
        np.stack([places_within(checked_scores(found, members)) for found in scores.values()]),
        members,
    )


def _cross_fitted(
    attacks: tuple[str, ...],
    places: Int[np.ndarray, "attacks targets examples"],
    teachers: _Teachers,
    pairs: list[tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]]],
    dealt: tuple[Int[np.ndarray, " examples"], int],
    classifier: Classifier | None,
) -> Combination:
    """Judges each part of the examples on each group of targets by a combiner of its own.

    Args:
        attacks: the names.
        places: the targets'.
        teachers: what is learned from.
        pairs: of each group, the targets that are judged, and the models that are learned from.
        dealt: each example's place in a random order, and into how many parts they are dealt.
        classifier: what learns in place of the weighted sum.
    """
    order, parts = dealt
    shuffled = np.argsort(order)
    probability = np.empty(places.shape[1:])
    base_rate, weights, sizes = np.empty(len(probability)), [], np.zeros(len(attacks))
    for judged, learned in pairs:
        base = float(teachers.members[learned].mean())
        base_rate[judged] = base
        for i in range(min(parts, len(order))):
            here = np.flatnonzero(order % parts == i)
            # Of too many, those that come first in the random order, whatever the data's own is.
            rest = shuffled[order[shuffled] % parts != i][: max(1, PAIRS // len(learned))]
            known = teachers.places[:, learned][:, :, rest]
            combiner = fitted(known, teachers.members[learned][:, rest], base, classifier)
            weights.append(combiner.weights)
            found, part = combiner.log_odds(places[:, judged][:, :, here])
            sizes += part
            probability[np.ix_(judged, here)] = expit(found)
    sizes = sizes / probability.size
    informative = not sizes.sum() <= 1e-9  # and no rounding
    return Combination(
        attacks=attacks,
        probability=probability,
        base_rate=base_rate,
        weights=np.mean(weights, axis=0),
        shares=sizes / sizes.sum() if informative else np.zeros_like(sizes),
    )
