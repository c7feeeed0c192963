"""Screen one model without shadows: is a fleet of them worth its time?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from pptp_jax.attacks.loss import loss
from pptp_jax.audit.blind_report import blind_report
from pptp_jax.audit.user_signals import Given, given_signals
from pptp_jax.audit.verdict import verdict
from pptp_jax.evaluation.schema import plain
from pptp_jax.metrics import Bootstrap, attack_metrics, bootstrap_mean
from pptp_jax.training.single_precision import in_single_precision
from pptp_jax.validation import Refused, at_least, given, several

TAILS = (0.1, 0.01)


@in_single_precision
def screen_signals(
    signals: Mapping[str, Shaped[np.ndarray, "..."]],
    membership: Bool[np.ndarray, "*models examples"],
    labels: Int[np.ndarray, " examples"] | None = None,
    *,
    parameters: int | None = None,
    identifying: Sequence[int] = (),
    resamples: int = 500,
    seed: int = 0,
    **evidence: Any,
) -> dict[str, Any]:
    """Screens one model before a fleet of shadows is trained for it.

    Args:
        signals: arrays by name, as `audit_signals` takes them, of a single model.
        membership: (examples,), or (1, examples): who is a member.
        labels: the examples' classes; `logits` need them.
        parameters: how many the model has.
        identifying: the columns of `inputs` that somebody may know of a person, for the smallest
            group of records that are equal in all of them.
        resamples: the number of bootstrap resamples of examples behind each interval.
        seed: what the bootstrap depends on.
        **evidence: `inputs`, the examples themselves.

    Returns:
        Plain data: `accuracy` and `loss` on members, on non-members, and the gap between them;
        `loss_auc`; `tail`, the true negative rate of the loss attack at false negative rates of 10
        % and 1 %; `parameters`, with how many there are for each member; `smallest_class`,
        `smallest_group` and `blind`, or None where they are not known; and the `verdict`, one of
        `worth it`, `little to find`, `not yet`, `too few` and `inverted`, with a `sentence` that
        says why.

    Raises:
        ValueError: saying what is wrong with which array, and what would be right.

    References:
        "Tail tells all", https://arxiv.org/abs/2510.19773 (the true negative rate of a loss attack
        as a predictor of what LiRA finds).

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> membership = np.arange(400) % 2 == 0
        >>> losses = rng.exponential(size=400) * np.where(membership, 0.3, 1.0)
        >>> found = screen_signals({"losses": losses}, membership, parameters=10_000)
        >>> found["verdict"], found["parameters"]["per_member"]
        ('worth it', 50.0)
    """
    handed = given_signals(signals, membership, labels, **evidence)
    return screen_given(
        handed,
        blind_report(handed, seed=seed),
        parameters=parameters,
        identifying=identifying,
        resamples=resamples,
        seed=seed,
    )


def screen_given(
    handed: Given,
    blind: Mapping[str, Any] | None,
    *,
    parameters: int | None = None,
    identifying: Sequence[int] = (),
    resamples: int = 500,
    seed: int = 0,
) -> dict[str, Any]:
    """`screen_signals` of arrays that were checked, with their blind baseline."""
    at_least(1, resamples=resamples, **given(parameters=parameters))
    at_least(0, seed=seed)
    several(identifying=identifying)
    if len(handed.membership) != 1:
        raise Refused(
            f"a screen looks at one model, and there are {len(handed.membership)}: hand over the "
            "answers and the membership of one; several models are what `audit` is for"
        )
    held, members = handed.evidence(), handed.membership
    if not held.has("log_prob"):
        raise Refused("a screen reads the loss: hand over logits and labels, confidence or losses")
    losses = -np.asarray(held.target_signal("log_prob"), np.float64).mean(axis=1)
    draws = Bootstrap(1, losses.shape[1], resamples, seed)
    metrics = attack_metrics(
        np.asarray(loss(held)),
        members,
        fprs=(),
        fnrs=TAILS,
        priors=(),
        resamples=resamples,
        seed=seed,
    )
    accuracy = None
    if held.has("correct"):
        accuracy = _sides(
            np.asarray(held.target_signal("correct"))[:, 0], members, draws, higher_is_better=True
        )
    count = int(members.sum())
    found: dict[str, Any] = {
        "members": count,
        "nonmembers": int((~members).sum()),
        "accuracy": accuracy,
        "loss": _sides(losses, members, draws, higher_is_better=False),
        "loss_auc": metrics["auc"],
        "tail": [{"fnr": fnr, "tnr": metrics[f"tnr@{fnr:g}"]} for fnr in TAILS],
        "parameters": None
        if parameters is None
        else {"count": parameters, "per_member": parameters / count},
        "smallest_class": _smallest_class(handed),
        "smallest_group": _smallest_group(handed, identifying),
        "blind": blind,
    }
    return plain(found | verdict(found))


def _sides(
    values: Float[np.ndarray, "one examples"] | Bool[np.ndarray, "one examples"],
    members: Bool[np.ndarray, "one examples"],
    draws: Bootstrap,
    *,
    higher_is_better: bool,
) -> dict[str, Any]:
    """A mean on members, on non-members, and by how much the model is better on members."""
    inside, outside = (
        bootstrap_mean(values, side, draws, np.arange(1)) for side in (members, ~members)
    )
    gap = inside - outside if higher_is_better else outside - inside
    return {
        "members": inside.estimate(),
        "nonmembers": outside.estimate(),
        "gap": gap.estimate(),
    }


def _smallest_class(handed: Given) -> dict[str, int] | None:
    """The class with the fewest members, of those that have any."""
    if handed.labels is None:
        return None
    classes, counts = np.unique(handed.labels[handed.membership[0]], return_counts=True)
    least = int(counts.argmin())
    return {"label": int(classes[least]), "members": int(counts[least]), "classes": len(classes)}


def _smallest_group(handed: Given, identifying: Sequence[int]) -> dict[str, Any] | None:
    """The k of k-anonymity: how many members are equal in what identifies them, at least."""
    if not len(identifying):
        return None
    inputs = handed.inputs
    if inputs is None or inputs.ndim != 2:
        has = "there are none" if inputs is None else f"they have shape {inputs.shape}"
        raise Refused(
            f"identifying columns are those of inputs of shape (records, columns), and {has}"
        )
    at_least(0, **{f"identifying[{i}]": column for i, column in enumerate(identifying)})
    columns = sorted({int(column) for column in identifying})
    if columns[-1] >= inputs.shape[1]:
        raise Refused(
            f"identifying columns must be below {inputs.shape[1]}, the columns of the inputs, got "
            f"{columns[-1]}"
        )
    known = inputs[handed.membership[0]][:, columns]
    _, counts = np.unique(known, axis=0, return_counts=True)
    return {
        "columns": columns,
        "records": int(counts.min()),
        "alone": int((counts == 1).sum()),
        "groups": len(counts),
    }
