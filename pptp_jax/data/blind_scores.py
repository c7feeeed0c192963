"""Cross-validated scores of membership from inputs and labels, without a model."""

import numpy as np
from jaxtyping import Bool, Float, Int, Real, Shaped
from scipy import sparse
from scipy.stats import rankdata

from pptp_jax.data.boosted_trees import boosted_trees, on_one_thread

# More columns take long and change little.
_COLUMNS = 100
Columns = Float[np.ndarray, "examples columns"]


def input_columns(x: Shaped[np.ndarray, "examples ..."]) -> Columns:
    """The numbers of each input, their mean and deviation: brightness and contrast of images."""
    columns = x.reshape(len(x), -1).astype(np.float64)
    if columns.shape[1] < 2:
        return columns
    largest = np.abs(columns).max() or 1.0  # squares of what float64 just holds would overflow
    columns = columns / largest
    return np.column_stack([columns, columns.mean(axis=1), columns.std(axis=1)])


def label_columns(y: Real[np.ndarray, "examples ..."]) -> Columns:
    """A column for each class; numbers as they are."""
    if y.ndim > 1 or y.dtype.kind == "f":
        return y.reshape(len(y), -1).astype(np.float64)
    classes, own = np.unique(y, return_inverse=True)
    return np.eye(len(classes))[own] if len(classes) <= 1000 else own[:, None].astype(float)


def column_scores(
    columns: Columns,
    members: Bool[np.ndarray, " examples"],
    held_out: list[Int[np.ndarray, " test"]],
    *,
    trees: bool,
) -> Float[np.ndarray, " examples"]:
    """The rank of each example among those of its fold, by what was learned from the others."""
    from sklearn.linear_model import Ridge

    scores = np.empty(len(members))
    for test in held_out:
        train = np.delete(np.arange(len(members)), test)
        seen, truth = _chosen(columns, train, members[train]), members[train]
        ridge = Ridge(alpha=max(seen.shape[1], 1)).fit(seen[train], truth.astype(float))
        ranks = rankdata(ridge.predict(seen[test]).round(9))  # equal inputs are ties
        if trees:
            boosted = boosted_trees(len(train))
            with on_one_thread():
                own = boosted.fit(seen[train], truth).decision_function(seen[test])
            ranks = ranks + rankdata(own)
        scores[test] = (rankdata(ranks) - 0.5) / len(test)
    return scores


def _chosen(
    columns: Columns, train: Int[np.ndarray, " train"], truth: Bool[np.ndarray, " train"]
) -> Columns:
    """The columns in which the training examples differ most, in mean or in spread, scaled."""
    own = columns[train]
    deviation = own.std(axis=0)
    varies = deviation > 1e-9 * np.abs(own).max(axis=0, initial=0)
    if not varies.any():
        return np.zeros((len(columns), 1))
    scaled = (columns[:, varies] - own[:, varies].mean(axis=0)) / deviation[varies]
    if scaled.shape[1] <= _COLUMNS:
        return scaled
    sign = truth / truth.mean() - ~truth / (~truth).mean()
    signs = [np.abs(sign @ part) / _spread(part) for part in (scaled[train], scaled[train] ** 2)]
    best = np.argsort(-np.maximum(*signs), kind="stable")[:_COLUMNS]
    return scaled[:, np.sort(best)]


def _spread(part: Columns) -> Float[np.ndarray, " columns"]:
    return np.maximum(part.std(axis=0), 1e-9)


def token_scores(
    x: Int[np.ndarray, "records tokens"],
    labels: Columns | None,
    members: Bool[np.ndarray, " records"],
    held_out: list[Int[np.ndarray, " test"]],
) -> Float[np.ndarray, " records"]:
    """The rank of each record in its fold, by a logistic regression on the tokens that it has."""
    from sklearn.linear_model import LogisticRegression

    _, number = np.unique(x, return_inverse=True)
    there = x.ravel() >= 0
    rows = np.repeat(np.arange(len(x)), x.shape[1])[there]
    shape = len(x), int(number.max()) + 1
    bag = sparse.csr_array((np.ones(len(rows)), (rows, number.ravel()[there])), shape)
    bag.sum_duplicates()
    bag.data[:] = 1
    among = np.bincount(bag.indices, minlength=bag.shape[1])
    kept = np.flatnonzero((among > 1) & (among < len(x)))  # what one record has tells nothing
    rare = np.log(len(x) / np.maximum(among[kept], 1))
    weighed = bag[:, kept] @ sparse.diags_array(rare)
    length = np.sqrt(np.asarray((weighed**2).sum(axis=1)).ravel())
    parts = [sparse.diags_array(1 / np.maximum(length, 1e-9)) @ weighed]
    parts += [] if labels is None else [sparse.csr_array(labels)]
    seen = sparse.hstack(parts, format="csr")
    scores = np.full(len(members), 0.5)
    if not seen.shape[1]:
        return scores
    for test in held_out:
        train = np.delete(np.arange(len(members)), test)
        known = LogisticRegression(C=10.0, max_iter=2000).fit(seen[train], members[train])
        ranks = rankdata(known.decision_function(seen[test]).round(9))
        scores[test] = (ranks - 0.5) / len(test)
    return scores
