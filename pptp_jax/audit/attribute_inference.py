"""Attribute inference: guess a column of the members' records from a model's answers."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from pptp_jax.audit.asked_column import AskedColumn
from pptp_jax.audit.out_control import judged_by_out_models
from pptp_jax.metrics import GuessComparison, compare_guesses, right_share
from pptp_jax.validation import Refused, one_of

WEIGHTS = ("prior", "none", "imputer")


def attribute_inference(
    columns: Sequence[AskedColumn],
    membership: Bool[np.ndarray, "*models examples"],
    *,
    weights: str = "prior",
    targets: Sequence[int] | None = None,
    shadows: Sequence[int] | None = None,
    resamples: int = 500,
    seed: int = 0,
) -> dict[str, GuessComparison]:
    """Guesses a column of the records: the value that makes the true label most probable.

    The attacker knows all of a record but one column, and its label; tries each value, and guesses
    the one with the highest p(label | record with the value) times a weight. Such a guess is often
    right without anything having leaked: the value follows from the other columns, or nearly all
    records have it. Hence the controls.

    Of several columns the share of right guesses is averaged. Equal scores are guessed with equal
    chances.

    Args:
        columns: what `ask_column` returns, of each column.
        membership: who trained on what; (examples,) of one model.
        weights: of a value, its share of all records (`prior`, as of Fredrikson et al.); nothing
            (`none`); or how probable the other columns make it (`imputer`). The last is an attacker
            who imputes and asks the model: p(value | others) p(label | value, others), by Bayes.
        targets: the models under attack; None for all.
        shadows: the models that may be a control; None for all but the target.
        resamples: the number of bootstrap resamples of targets and records.
        seed: what the bootstrap depends on.

    Returns:
        A comparison for each control: `prior` guesses the commonest value; `imputer` guesses by the
        other columns and the label; `out_models`, where there are any, is the same attack on single
        models that did not train on the record, averaged. Against `out_models` the difference on
        non-members is 0 in expectation, and 0 exactly where every model is a target and a control.
        Against the others it may have any sign, since a model may know more or less of everybody
        than an imputer. `excess`, of members over non-members, is then what membership adds.

    Raises:
        ValueError: if there is no column, shapes do not fit, or there are fewer than 20 records on
            either side.

    References:
        Fredrikson et al., "Privacy in Pharmacogenetics: An End-to-End Case Study of Personalized
        Warfarin Dosing", USENIX Security 2014; Yeom, Giacomelli, Fredrikson and Jha, "Privacy Risk
        in Machine Learning: Analyzing the Connection to Overfitting", CSF 2018,
        https://arxiv.org/abs/1709.01604; Jayaraman and Evans, "Are Attribute Inference Attacks Just
        Imputation?", CCS 2022, https://arxiv.org/abs/2209.01292.

    Examples:
        >>> from pptp_jax.audit import ask_column
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.integers(0, 2, size=(80, 3)), rng.integers(0, 2, 80)
        >>> known = np.arange(80) < 40
        >>> def memorised(queried):  # sure of the label of a member whose column 0 is right
        ...     sure = 9 * (known & (queried[:, 0] == x[:, 0]))
        ...     return sure[:, None] * np.eye(2)[y]
        >>> found = attribute_inference([ask_column(memorised, x, y, 0)], known)["imputer"]
        >>> found.members.attack.value, found.excess.low > 0.2
        (1.0, True)
    """
    one_of(WEIGHTS, weights=weights)
    if not len(columns):
        raise Refused("there is no column to guess: hand over what `ask_column` returns, in a list")
    models, examples = np.atleast_2d(membership).shape
    shapes = {column.log_prob.shape[:2] for column in columns}
    if shapes != {(models, examples)}:
        raise Refused(
            f"the columns come from {' and of '.join(map(str, sorted(shapes)))} (models, "
            f"examples); membership has {(models, examples)}"
        )
    truths = [np.eye(len(column.prior))[column.truth] for column in columns]
    pairs = list(zip(columns, truths, strict=True))
    right = np.mean(
        [
            right_share(scores, np.broadcast_to(truth, scores.shape))
            for scores, truth in ((_scores(column, weights), truth) for column, truth in pairs)
        ],
        axis=0,
    )
    judged = judged_by_out_models(right, membership, targets, shadows)
    controls = {
        "prior": np.mean(
            [right_share(np.broadcast_to(one.prior, own.shape), own) for one, own in pairs], axis=0
        )[None],
        "imputer": np.mean([right_share(one.imputed, own) for one, own in pairs], axis=0)[None],
    }
    if np.isfinite(judged.control).any():
        controls["out_models"] = judged.control
    return {
        name: compare_guesses(
            judged.right, control, judged.membership, resamples=resamples, seed=seed
        )
        for name, control in controls.items()
    }


def _scores(column: AskedColumn, weights: str) -> Float[np.ndarray, "models examples values"]:
    """The logarithm of p(label) times the weight of each value."""
    if weights == "none":
        return column.log_prob
    weight = column.prior if weights == "prior" else column.without_label
    with np.errstate(divide="ignore"):  # a value that no record has is never guessed
        return column.log_prob + np.log(weight)
