"""Guess a column without the model: a classifier that was fitted to other records."""

import numpy as np
from jaxtyping import Float, Int, Shaped

from pptp_jax.audit.foreign import plain
from pptp_jax.data.boosted_trees import boosted_trees, on_one_thread
from pptp_jax.validation import Refused, at_least, given


def impute(
    known: Shaped[np.ndarray, "examples ..."],
    truth: Int[np.ndarray, " examples"],
    *,
    values: int | None = None,
    folds: int = 5,
    seed: int = 0,
) -> Float[np.ndarray, "examples values"]:
    """The probability of each value for each record, by a classifier fitted to other records.

    It is the mean of two: a logistic regression on standardised columns, and boosted trees. All
    records but those of one fold train the classifier of that fold, members and non-members alike.

    Args:
        known: what is known of each record.
        truth: which value it has, from 0.
        values: how many values there are; None takes those that occur.
        folds: into how many parts the records are divided, each with its share of every value.
        seed: what the division depends on.

    Returns:
        The probabilities; each record's sum to 1.

    Raises:
        ValueError: if shapes disagree, numbers are not finite, or fewer than `folds` records differ
            from the commonest value.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> known = rng.normal(size=(200, 3))
        >>> truth = (known[:, 0] > 0).astype(int)
        >>> bool((impute(known, truth).argmax(axis=1) == truth).mean() > 0.9)
        True
    """
    at_least(2, folds=folds, **given(values=values))
    at_least(0, seed=seed)
    known, truth = plain("known", known), plain("truth", truth)
    if known.dtype.kind not in "buif" or known.ndim < 2 or not known.size:
        raise Refused(
            "known must be numbers of shape (records, columns), got an array of "
            f"{known.dtype} of shape {known.shape}"
        )
    if truth.shape != (len(known),) or truth.dtype.kind not in "iu" or truth.min() < 0:
        raise Refused(
            f"truth must hold an integer from 0 for each of {len(known)} records, got an array "
            f"of {truth.dtype} of shape {truth.shape}"
        )
    columns = known.reshape(len(known), -1).astype(np.float64)
    if not np.isfinite(columns).all():
        raise Refused("what is known of the records must be finite, and some is NaN or infinite")
    counts = np.bincount(truth, minlength=values or 0)
    if values is not None and len(counts) > values:
        raise Refused(f"truth must be below the {values} values, got {truth.max()}")
    rare = len(truth) - int(counts.max())
    if rare < folds:
        raise Refused(
            f"{rare} of {len(truth)} records differ from the commonest value: an imputer with "
            f"{folds} folds learns nothing of fewer than {folds}"
        )
    found = np.zeros((len(truth), len(counts)))
    order = np.lexsort((np.random.default_rng(seed).permutation(len(truth)), truth))
    for fold in range(folds):  # neighbours in the order, equal values mostly, are in other folds
        test = order[fold::folds]
        found[test] = _probabilities(
            columns, truth, np.delete(np.arange(len(truth)), test), test, len(counts)
        )
    return found


def _probabilities(
    columns: Float[np.ndarray, "examples columns"],
    truth: Int[np.ndarray, " examples"],
    train: Int[np.ndarray, " train"],
    test: Int[np.ndarray, " test"],
    values: int,
) -> Float[np.ndarray, "test values"]:
    from sklearn.linear_model import LogisticRegression

    own = columns[train]
    deviation = own.std(axis=0)
    varies = deviation > 1e-9 * np.abs(own).max(axis=0, initial=0)
    seen = np.zeros((len(columns), 1))
    if varies.any():
        seen = (columns[:, varies] - own[:, varies].mean(axis=0)) / deviation[varies]
    logistic = LogisticRegression(C=1 / seen.shape[1], max_iter=2000)
    found = np.zeros((len(test), values))
    for classifier in (logistic, boosted_trees(len(train))):
        with on_one_thread():
            classifier.fit(seen[train], truth[train])
            found[:, classifier.classes_] += classifier.predict_proba(seen[test]) / 2
    return found
