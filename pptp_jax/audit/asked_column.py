"""Query models with each candidate value of one column, for attribute inference."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Real, Shaped

from pptp_jax.audit.foreign import plain
from pptp_jax.audit.imputer import impute
from pptp_jax.audit.odds import of_logits
from pptp_jax.audit.user_arrays import check_inputs, check_labels, check_logits
from pptp_jax.data.blind_scores import label_columns
from pptp_jax.validation import Refused, at_least

# A column of more different values is hardly one of categories.
_VALUES = 32
Ask = Callable[[np.ndarray], Any]


class AskedColumn(NamedTuple):
    """Evidence for guessing one column of the records, with the models and without.

    Attributes:
        log_prob: log p of the true label with each candidate value in the column's place.
        truth: which of the values each record has.
        prior: the share of all records that has each value.
        imputed: how probable each value is by the other columns and the label (`impute`).
        without_label: the same by the other columns alone.

    Examples:
        >>> even = np.full((2, 2), 0.5)
        >>> AskedColumn(np.zeros((1, 2, 2)), np.array([0, 1]), even[0], even, even).prior.tolist()
        [0.5, 0.5]
    """

    log_prob: Float[np.ndarray, "models examples values"]
    truth: Int[np.ndarray, " examples"]
    prior: Float[np.ndarray, " values"]
    imputed: Float[np.ndarray, "examples values"]
    without_label: Float[np.ndarray, "examples values"]


def ask_column(
    ask: Ask,
    x: Shaped[np.ndarray, "examples ..."],
    y: Int[np.ndarray, " examples"],
    column: int,
    *,
    values: Real[np.ndarray, " values"] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> AskedColumn:
    """Queries models on every record with each candidate value, and fits imputers without them.

    Args:
        ask: from records to logits, (models, examples, classes) or (examples, classes) of a single
            model, in eval mode; of probabilities, their logarithms.
        x: the records.
        y: their classes.
        column: the number of the column, of an image that of the number in its flat order.
        values: the candidates; None takes the values that occur, 32 at most.
        folds: into how many parts the records are divided for the imputers (`impute`).
        seed: what the division depends on.

    Raises:
        ValueError: if the column is out of range, constant, or has a value that is no candidate, or
            the answers are no logits of these records.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.integers(0, 2, size=(60, 3))
        >>> y = x[:, 0]
        >>> found = ask_column(lambda x: np.stack([-3 * x[:, 0], 3 * x[:, 0]], axis=1), x, y, 0)
        >>> found.log_prob.shape, bool((found.imputed.argmax(axis=1) == found.truth).all())
        ((1, 60, 2), True)
    """
    x = check_inputs(x)
    y = check_labels(y, len(x), None)
    at_least(0, column=column)
    flat = x.reshape(len(x), -1)
    if column >= flat.shape[1]:
        raise Refused(f"column must be below the {flat.shape[1]} columns of x, got {column}")
    candidates, truth = _candidates(flat[:, column], column, values)
    answers = []
    for value in candidates:
        changed = flat.copy()
        changed[:, column] = value
        answers.append(_log_prob(ask(changed.reshape(x.shape)), y))
    rest = np.delete(flat, column, axis=1)
    known = rest if rest.shape[1] else np.zeros((len(x), 1))
    drawn: dict[str, Any] = {"values": len(candidates), "folds": folds, "seed": seed}
    return AskedColumn(
        log_prob=np.stack(answers, axis=-1),
        truth=truth,
        prior=np.bincount(truth, minlength=len(candidates)) / len(truth),
        imputed=impute(np.hstack([known, label_columns(y)]), truth, **drawn),
        without_label=impute(known, truth, **drawn),
    )


def _candidates(
    own: Real[np.ndarray, " examples"], column: int, values: Any
) -> tuple[Real[np.ndarray, " values"], Int[np.ndarray, " examples"]]:
    """The candidate values, rising, and which of them each record has."""
    occurring = np.unique(own)
    if len(occurring) < 2:
        raise Refused(
            f"column {column} is constant, {occurring[0]} in every record: nothing is to be guessed"
        )
    if values is None:
        if len(occurring) > _VALUES:
            raise Refused(
                f"column {column} has {len(occurring)} different values: a column of categories is "
                f"wanted, of at most {_VALUES}, or candidate `values` for all of them"
            )
        candidates = occurring
    else:
        candidates = np.unique(plain("values", values))
    missing = np.setdiff1d(occurring, candidates)
    if len(missing):
        raise Refused(
            f"values must have every value of column {column} among them, and lack {missing[0]}"
        )
    return candidates, np.searchsorted(candidates, own)


def _log_prob(
    answers: Any, y: Int[np.ndarray, " examples"]
) -> Float[np.ndarray, "models examples"]:
    """Log p of the label, in float64, also where p is nearly 1."""
    logits = plain("the answers", answers)
    logits = logits[None] if logits.ndim == 2 else logits
    if logits.ndim != 3 or logits.shape[1] != len(y):
        raise Refused(
            "the answers of `ask` must be logits of shape (models, examples, classes), or "
            f"(examples, classes), for {len(y)} examples; got {np.shape(answers)}"
        )
    if logits.dtype.kind not in "iuf" or not np.isfinite(logits).all():
        raise Refused("the answers of `ask` must be finite logits, and some are not")
    check_logits(logits[:, None])
    check_labels(y, len(y), logits.shape[-1])
    return -np.logaddexp(0, -of_logits(logits[:, None].astype(np.float64), y)[:, 0])
