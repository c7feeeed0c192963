"""Label inference: does a model predict its members' labels better than an OUT model?"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from pptp_jax.audit.foreign import plain
from pptp_jax.audit.out_control import judged_by_out_models
from pptp_jax.audit.user_signals import given_signals
from pptp_jax.metrics import GuessComparison, compare_guesses, right_share
from pptp_jax.validation import Refused


def label_inference(
    logits: Float[np.ndarray, "*models examples classes"],
    labels: Int[np.ndarray, " examples"],
    membership: Bool[np.ndarray, "*models examples"],
    *,
    control: Float[np.ndarray, "examples classes"] | None = None,
    targets: Sequence[int] | None = None,
    shadows: Sequence[int] | None = None,
    resamples: int = 500,
    seed: int = 0,
) -> GuessComparison:
    """Guesses the label of a record, by the model's likeliest class, and counts the right guesses.

    The attacker has a record without its label and asks the model. Any model that classifies well
    guesses well, so what counts is the difference from a control that has not seen the record: the
    same guess of single models that did not train on it, averaged, or of a classifier.

    Single models are compared with single models, so that on non-members the difference is 0 in
    expectation. Where every model is a target and all others are its control, it is 0 exactly: each
    OUT model is compared with the other OUT models of the same record. With `targets` and `shadows`
    apart it is a check. An ensemble, handed over as `control`, guesses better than its models, and
    then `excess` is what to read.

    Args:
        logits: of each model, or (examples, classes) of one; of probabilities, their logarithms.
        labels: the true classes.
        membership: who trained on what; (examples,) of one model.
        control: the scores of a classifier that saw no record that it answers for, such as
            `impute(x, labels)`; None takes the models that did not train on a record.
        targets: the models under attack; None for all.
        shadows: the models that may be a control; None for all but the target.
        resamples: the number of bootstrap resamples of targets and records.
        seed: what the bootstrap depends on.

    Raises:
        ValueError: if arrays do not fit, there is no control, or there are fewer than 20 records on
            either side.

    References:
        Feldman, "Does Learning Require Memorization? A Short Tale about a Long Tail", STOC 2020,
        https://arxiv.org/abs/1906.05271 (the same difference, of one record, as its memorization).

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> labels = rng.integers(0, 3, 100)
        >>> membership = rng.permuted(np.tile(np.arange(4) < 2, (100, 1)), axis=1).T
        >>> logits = rng.normal(size=(4, 100, 3)) + 5 * membership[..., None] * np.eye(3)[labels]
        >>> found = label_inference(logits, labels, membership)
        >>> found.members.difference.low > 0.4, round(found.nonmembers.difference.value, 9)
        (True, 0.0)
    """
    handed = given_signals({"logits": logits}, membership, labels, targets=targets, shadows=shadows)
    answers = handed.signals["logits"][:, 0]
    truth = np.eye(answers.shape[-1])[handed.labels]
    right = right_share(answers.astype(np.float64), np.broadcast_to(truth, answers.shape))
    judged = judged_by_out_models(right, membership, targets, shadows)
    if control is None:
        if not np.isfinite(judged.control).any():
            raise Refused(
                "no other model can be a control, since none left a record out: hand over the "
                "scores of a classifier that saw no record that it answers for, as in "
                "control=impute(x, labels), or the answers of shadows"
            )
        beside = judged.control
    else:
        scores = plain("control", control)
        if scores.shape != truth.shape or not np.isfinite(scores).all():
            raise Refused(
                f"control must be finite scores of shape {truth.shape}, as (examples, classes), "
                f"got shape {scores.shape}"
            )
        beside = right_share(scores.astype(np.float64), truth)[None]
    return compare_guesses(judged.right, beside, judged.membership, resamples=resamples, seed=seed)
