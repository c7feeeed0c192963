"""Convert a user's arrays, of any library, to evidence for the attacks."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Shaped

from pptp_jax.attacks import Evidence
from pptp_jax.attacks.classifier_outputs import check_log_odds, check_no_zeros
from pptp_jax.attacks.finite import check_finite
from pptp_jax.attacks.rows import numbers
from pptp_jax.attacks.signal_registry import KNOWN, axes_of
from pptp_jax.audit.foreign import as_float32, plain
from pptp_jax.audit.odds import base_of_tokens, of_logits, of_losses, of_residuals, of_tokens
from pptp_jax.audit.owner_ids import check_owners
from pptp_jax.audit.signal_bounds import TRUTHS, WITHOUT_MODEL, in_bounds
from pptp_jax.audit.user_arrays import check_inputs, check_labels, check_logits
from pptp_jax.audit.user_targets import PREDICTED, with_targets
from pptp_jax.metrics import owner_membership
from pptp_jax.validation import Refused, at_least, one_of

# What can be handed over; each of the last two stands for φ.
INSTEAD = ("losses", "residuals")
SIGNALS = (*KNOWN, *INSTEAD, *PREDICTED)


class Given(NamedTuple):
    """Arrays that attacks can take, of sizes that fit.

    Attributes:
        signals: arrays by name, with all axes of their signals.
        membership: who trained on what.
        labels: the examples' classes.
        inputs: the examples themselves.
        targets: the models under attack.
        shadows: the models that may help.
        owners: the owner of each example; None if there are none.
    """

    signals: dict[str, Shaped[np.ndarray, "models ..."]]
    membership: Bool[np.ndarray, "models examples"]
    labels: Int[np.ndarray, " examples"] | None
    inputs: Shaped[np.ndarray, "examples ..."] | None
    targets: Int[np.ndarray, " targets"]
    shadows: Int[np.ndarray, " shadows"]
    owners: Shaped[np.ndarray, " examples"] | None = None

    def evidence(self) -> Evidence:
        """The evidence for the attacks."""
        return Evidence.split(
            self.signals,
            self.membership,
            self.targets.tolist(),
            self.shadows.tolist(),
            labels=self.labels,
            inputs=self.inputs,
        )


class _Sizes(NamedTuple):
    """How many models and examples there are, by the membership."""

    models: int
    examples: int


def given_signals(
    signals: Mapping[str, Shaped[np.ndarray, "..."]],
    membership: Bool[np.ndarray, "*models examples"],
    labels: Int[np.ndarray, " examples"] | None = None,
    *,
    inputs: Shaped[np.ndarray, "examples ..."] | None = None,
    targets: Sequence[int] | None = None,
    shadows: Sequence[int] | None = None,
    owners: Shaped[np.ndarray, " examples"] | None = None,
) -> Given:
    """Checks arrays of any library and converts them to evidence for the attacks.

    Args:
        signals: arrays by name. `logits` (models, queries, examples, classes), of which the
            queries, or the models and the queries, may be missing; `confidence`, φ, (models,
            queries, examples) likewise; in its place `losses`, −log p of the label or of all
            labels, or its mean over a sequence's tokens, or `residuals`, answers less targets of a
            regression, or `predictions` with `true_values`; `token_log_prob` with the mask
            `token_present`, (models, queries, examples, tokens), from which φ follows; or any
            other signal that attacks know by name. What is known without the model,
            `base_token_log_prob` (examples, tokens) say, may lack the models.
        membership: (models, examples), or (examples,) of a single model.
        labels: the examples' classes; `logits` need them. Several labels an example, (examples,
            labels) of zeros and ones, belong to a logit each.
        inputs: the examples themselves, for attacks that learn from them.
        targets: the models under attack; None for all.
        shadows: the models that may help; None for all.
        owners: whose each example is, numbers or texts.

    Raises:
        ValueError: saying what is wrong with which array, and what would be right.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> logits, labels = rng.normal(size=(4, 6, 3)), np.array([0, 1, 2, 0, 1, 2])
        >>> membership = np.tile([[True, False], [False, True]], (2, 3))
        >>> given = given_signals({"logits": logits}, membership, labels)
        >>> given.signals["logits"].shape
        (4, 1, 6, 3)
    """
    _check_names(signals)
    membership = plain("membership", membership)
    sizes = _check_membership(membership)
    signals, labels = with_targets(signals, labels, membership)
    same = [name for name in ("confidence", *INSTEAD) if name in signals]
    if len(same) > 1:
        raise Refused(f"{' and '.join(same)} say the same of an example: give one of them")
    given = {name: _shaped(name, plain(name, array), sizes) for name, array in signals.items()}
    logits = given.get("logits")
    if logits is not None:
        given["logits"] = logits = check_logits(logits)
    if labels is not None or logits is not None:
        labels = check_labels(labels, sizes.examples, None if logits is None else logits.shape[-1])
    for name, array in given.items():
        as_float32(name, array)  # refuses, before anything is computed, by the user's names
    given = _with_confidence(given, labels)
    attacked, helping = _models("targets", targets), _models("shadows", shadows)
    if attacked == []:
        raise Refused("targets must be at least one model, got none")
    membership = membership.reshape(sizes)
    found = Given(
        signals={
            name: array if name in TRUTHS else as_float32(name, array)
            for name, array in given.items()
        },
        membership=membership,
        labels=labels,
        inputs=None if inputs is None else check_inputs(inputs),
        targets=numbers(attacked, "target", sizes.models),
        shadows=numbers(helping, "shadow", sizes.models),
        owners=None if owners is None else check_owners(owners, sizes.examples),
    )
    _check_targets(found)
    found.evidence()  # refuses inputs of another number
    return found


def _check_names(signals: Any) -> None:
    if not isinstance(signals, Mapping):
        raise Refused(
            "signals must be arrays by name, as in {'logits': logits} or {'losses': losses}, got "
            f"{type(signals).__name__}"
        )
    if not signals:
        raise Refused("there are no signals: give logits, confidence (φ) or losses")
    for name in signals:
        one_of(SIGNALS, signal=name)


def _with_confidence(
    given: dict[str, np.ndarray], labels: Int[np.ndarray, " examples"] | None
) -> dict[str, np.ndarray]:
    """The signals with φ, where it follows in float64 from others of the user's."""
    found, logits = dict(given), given.get("logits")
    if "losses" in found:
        found["confidence"] = of_losses(found.pop("losses"))
    elif "residuals" in found:
        found |= of_residuals(found.pop("residuals"))
    elif {"token_log_prob", "token_present"} <= set(found):
        found.setdefault("confidence", of_tokens(found["token_log_prob"], found["token_present"]))
    elif logits is not None and labels is not None and logits.dtype.itemsize > 4:
        # Float32 may not hold what tells the classes apart; of the log-odds, it does.
        found.setdefault("confidence", of_logits(logits, labels))
    if {"base_token_log_prob", "token_present"} <= set(found):
        base = base_of_tokens(found["base_token_log_prob"], found["token_present"])
        found.setdefault("base_log_prob", base)
    return found


def _check_targets(given: Given) -> None:
    """Refuses targets with members or non-members alone, and owners that are half in."""
    for target in given.targets:
        own = given.membership[target]
        if own.all() and len(given.membership) == 1:
            raise Refused(
                "the model was trained on all examples, so that no attack on it can be judged: "
                "hand over examples that it was not trained on as well. If there are none, only "
                "other models can tell: take `pptp table`, or shadows"
            )
        if own.all() or not own.any():
            raise Refused(
                f"model {target} has {'no non-members' if own.all() else 'no members'} among the "
                "examples, so that no attack on it can be judged: hand over both, or name the "
                "models to attack as targets"
            )
    if given.owners is not None:
        owner_membership(given.membership[given.targets], given.owners)


def _models(name: str, numbers: Any) -> list[int] | None:
    """The numbers of different models as Python's; None for all."""
    if numbers is None:
        return None
    found = plain(name, numbers)
    if found.ndim != 1:
        raise Refused(f"{name} must be numbers of models, as in {name}=[0, 1], got {numbers!r:.80}")
    # As they were given: in an array with others, a Boolean has become a number.
    given = numbers if isinstance(numbers, list | tuple) else found.tolist()
    at_least(0, **{f"{name}[{i}]": number for i, number in enumerate(given)})
    models = [int(number) for number in found.tolist()]
    if len(set(models)) != len(models):
        raise Refused(f"{name} must be different models, got {models}")
    return models


def _check_membership(membership: np.ndarray) -> _Sizes:
    if membership.dtype != bool:
        hint = ": if it holds 0 and 1, hand over membership.astype(bool)"
        raise Refused(
            f"membership must be boolean, got an array of {membership.dtype}"
            + hint * (membership.dtype.kind in "iuf")
        )
    if membership.ndim not in (1, 2) or not membership.size:
        raise Refused(
            "membership must have shape (models, examples), or (examples,) of one model, got "
            f"{membership.shape}"
        )
    return _Sizes(1 if membership.ndim == 1 else len(membership), membership.shape[-1])


def _shaped(name: str, array: np.ndarray, sizes: _Sizes) -> np.ndarray:
    """The array with all axes that its signal has."""
    axes = axes_of("confidence" if name in INSTEAD else name)
    optional = [axis for axis in axes if axis in ("models", "queries")]
    # Of what may be missing the queries are missing first.
    known = [axes]
    for missing in ("queries", "models"):
        if missing in optional:
            known.append(tuple(axis for axis in known[-1] if axis != missing))
    own = next((axes for axes in known if len(axes) == array.ndim), None)
    forms = " or ".join(f"({', '.join(axes)})" for axes in known)
    if own is None:
        raise Refused(f"{name} must have shape {forms}, got {array.shape}")
    if array.dtype.kind not in "biuf":
        raise Refused(f"{name} must hold numbers, got an array of {array.dtype}")
    if name in WITHOUT_MODEL and "models" not in own:
        array, own = np.broadcast_to(array, (sizes.models, *array.shape)), axes
    found = dict(zip(own, array.shape, strict=True))
    has = _Sizes(found.get("models", 1), found["examples"])
    if has != sizes:
        raise Refused(
            f"{name} of shape {array.shape}, read as ({', '.join(own)}), has {_words(has)}; "
            f"membership has {_words(sizes)}" + _hint(has, sizes, array.shape)
        )
    if name == "logits":
        check_no_zeros(array)
    check_finite(name, array, by_model="models" in own)
    if name == "confidence":
        check_log_odds(array)
    array = in_bounds(name, array)
    return array.reshape(tuple(found.get(axis, 1) for axis in axes))


def _words(sizes: _Sizes) -> str:
    models = f"{sizes.models} model" + "s" * (sizes.models != 1)
    return f"{models} and {sizes.examples} examples"


def _hint(has: _Sizes, sizes: _Sizes, shape: tuple[int, ...]) -> str:
    if has == sizes[::-1]:
        return ": membership is transposed, hand over membership.T"
    if has.models == sizes.models and sizes.examples in shape:
        return ": its axes are in another order"
    if has.examples == sizes.models or sizes.examples == has.models:
        return ": the axes of one of the two are in another order"
    return ": hand over one row of membership for each model, and one column for each example"
