"""Evidence: the arrays that an attacker has."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Shaped

from pptp_jax.attacks.rows import (
    check_membership,
    check_same_shapes,
    indices,
    mask_of,
    numbers,
    rows_of,
)
from pptp_jax.attacks.shadow_counts import check_shadow_counts
from pptp_jax.attacks.signal_derivation import OnExamples, Signals, derived, follows
from pptp_jax.attacks.signal_registry import PARTS, declaration, shaped
from pptp_jax.tasks import Signal
from pptp_jax.validation import AttackUnavailable, Refused

_NONE_LEFT = "this attack needs a target and the shadows it asks for, and no model is left"


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """The attacker's arrays: signals of targets and shadows, and the shadows' membership.

    Made by `leave_one_out` or `split`. It does not contain a target's own membership, unless the
    target is a shadow as well, as in `leave_one_out`; then `target_among_shadows` names the shadow
    that an attack on it must not use, and `alone` hands out each target without that shadow.

    Attributes:
        target: the targets' signals by name, (targets, ...).
        shadows: the shadows' signals by name, (shadows, ...).
        membership: who is a member of which shadow.
        target_among_shadows: which shadow each target is itself, to be left out; −1 for none.
        declared: declarations of signals, beside or in the place of those that
            `pptp_jax.attacks.signal_registry.KNOWN` has.
        labels: the examples' labels.
        inputs: the examples themselves, for attacks that learn from them.
        examples: the examples under attack; None for all. Of the others, attacks that learn from
            shadows learn as well, as in the split in quarters, where no shadow knows an example
            under attack.
        nonmembers: the examples of which the attacker knows that no target has trained on them, as
            a mask of all there are. They serve to learn from, and should not be under attack.
        population: the examples under attack that serve as population, as a mask; None for all.

    Raises:
        Refused: if shapes disagree, a signal or example is unknown, or an example is given twice.

    Examples:
        >>> membership = np.array([[True, False], [False, True], [True, True]])
        >>> phi = np.zeros((3, 2), np.float32)
        >>> held = Evidence.split({"confidence": phi}, membership, targets=[2], shadows=[0, 1])
        >>> held.target_signal("confidence").shape, held.shadow_signal("confidence").shape
        ((1, 1, 2), (2, 1, 2))
        >>> held.membership.shape, held.target_among_shadows
        ((2, 2), array([-1]))
        >>> held.shadows_of("IN", at_least=1).shape
        (2, 2)
    """

    target: Mapping[str, Shaped[np.ndarray, "targets ..."]]
    shadows: Mapping[str, Shaped[np.ndarray, "shadows ..."]]
    membership: Bool[np.ndarray, "shadows examples"]
    target_among_shadows: Int[np.ndarray, " targets"]
    declared: Sequence[Signal] = ()
    labels: Int[np.ndarray, " examples"] | None = None
    inputs: Shaped[np.ndarray, "examples ..."] | None = None
    examples: Int[np.ndarray, " attacked"] | None = None
    nonmembers: Bool[np.ndarray, " examples"] | None = None
    population: Bool[np.ndarray, " attacked"] | None = None

    def __post_init__(self) -> None:
        models, examples = self.membership.shape
        for field, count in (("target", len(self.target_among_shadows)), ("shadows", models)):
            arrays = shaped(getattr(self, field), self.declared, count, examples)
            object.__setattr__(self, field, arrays)
        for what, array in (("labels", self.labels), ("inputs", self.inputs)):
            if array is not None and len(array) != examples:
                raise Refused(f"there are {examples} examples, but {len(array)} {what}")
        if self.examples is not None:
            rows = indices(self.examples, "example", examples, "examples")
            object.__setattr__(self, "examples", rows)
        attacked = examples if self.examples is None else len(self.examples)
        masks = ("nonmembers", examples, ""), ("population", attacked, " under attack")
        for field, count, which in masks:
            if (mask := getattr(self, field)) is not None:
                object.__setattr__(self, field, mask_of(mask, field, count, f"examples{which}"))

    @classmethod
    def leave_one_out(
        cls,
        signals: Signals,
        membership: Bool[np.ndarray, "models examples"],
        *,
        targets: Sequence[int] | None = None,
        **rest: Any,
    ) -> "Evidence":
        """Every model a shadow, and each target attacked with all models but itself.

        Args:
            signals: arrays by name, models first; without a query axis they hold one query.
            membership: who trained on what.
            targets: the models under attack; None for all.
            **rest: as `split` takes it.

        Raises:
            Refused: if shapes disagree, or a signal or model is unknown or given several times.

        Examples:
            >>> membership = np.array([[True, False], [False, True]])
            >>> held = Evidence.leave_one_out({"confidence": np.zeros((2, 2))}, membership)
            >>> held.target_among_shadows
            array([0, 1])
        """
        return cls.split(signals, membership, targets, None, **rest)

    @classmethod
    def split(
        cls,
        signals: Signals,
        membership: Bool[np.ndarray, "models examples"],
        targets: Sequence[int] | None,
        shadows: Sequence[int] | None,
        *,
        mismatched_shadow_signals: Signals | None = None,
        declared: Sequence[Signal] = (),
        **rest: Any,
    ) -> "Evidence":
        """Some models under attack, and some that may help; a model may be both.

        Args:
            signals: arrays by name, models first; without a query axis they hold one query.
            membership: who trained on what.
            targets: the models under attack; None for all.
            shadows: the models that may help; None for all. Targets that are not among them do not
                help against each other.
            mismatched_shadow_signals: signals of other models with the same members, trained by
                another recipe, in the place of the shadows' own. This is an attacker who does not
                know the defence: what it fails to find is no evidence of privacy. None, as it
                should be, lets shadows be models of the target's own recipe.
            declared: declarations of signals that attacks do not know by name.
            **rest: `labels`, `inputs`, `examples`, `nonmembers`, `population`; see `Evidence`.

        Raises:
            Refused: if shapes disagree, or a signal or model is unknown or given several times.

        Examples:
            >>> phi, membership = np.zeros((3, 2)), np.eye(3, 2, dtype=bool)
            >>> held = Evidence.split({"confidence": phi}, membership, [0, 1], [1, 2])
            >>> held.target_among_shadows
            array([-1,  0])
        """
        membership = np.asarray(membership)
        check_membership(membership)
        models = len(membership)
        arrays = shaped(signals, declared, *membership.shape)
        others = shaped(mismatched_shadow_signals or {}, declared, *membership.shape)
        check_same_shapes(others, arrays)
        of_target = numbers(targets, "target", models)
        of_shadow = numbers(shadows, "shadow", models)
        place = np.full(models, -1)
        place[of_shadow] = np.arange(len(of_shadow))
        return cls(
            target={name: rows_of(array, of_target) for name, array in arrays.items()},
            shadows={name: rows_of(array, of_shadow) for name, array in (others or arrays).items()},
            membership=rows_of(membership, of_shadow),
            target_among_shadows=place[of_target],
            declared=tuple(declared),
            **rest,
        )

    def alone(self) -> Iterator["Evidence"]:
        """Each target by itself, with the shadows that it is not: nothing tells its membership.

        Examples:
            >>> membership = np.array([[True, False], [False, True]])
            >>> held = Evidence.leave_one_out({"confidence": np.zeros((2, 2))}, membership)
            >>> [one.membership.tolist() for one in held.alone()]
            [[[False, True]], [[True, False]]]
        """
        for target, place in enumerate(self.target_among_shadows):
            others = np.flatnonzero(np.arange(len(self.membership)) != place)
            yield replace(
                self,
                target={name: array[target : target + 1] for name, array in self.target.items()},
                shadows={name: rows_of(array, others) for name, array in self.shadows.items()},
                membership=rows_of(self.membership, others),
                target_among_shadows=np.array([-1]),
            )

    def with_derived(self, signals: Sequence[str | Signal]) -> "Evidence":
        """The same with these signals computed, as far as they follow from those there are."""
        target, shadows = dict(self.target), dict(self.shadows)
        for signal in signals:
            if signal in PARTS or not self.has(signal):
                continue
            name = declaration(signal, self.declared).name
            target[name] = np.asarray(self.target_signal(signal, all_examples=True))
            shadows[name] = np.asarray(self.shadow_signal(signal, all_examples=True))
        extra = tuple(signal for signal in signals if isinstance(signal, Signal))
        return replace(self, target=target, shadows=shadows, declared=(*self.declared, *extra))

    def has(self, signal: str | Signal) -> bool:
        """Whether a signal, or anything else that attacks read, is there or follows from it."""
        if isinstance(signal, str) and signal in PARTS:
            return getattr(self, signal) is not None
        return follows(signal, self.declared, self.target, self.labels is not None)

    @property
    def log_prob_order(self) -> Literal["confidence", "log_prob"]:
        """Which signal ranks as `log_prob` does, with the finest steps.

        Where it is that of a label, log sigmoid(φ), φ itself keeps the order of what float32 rounds
        to probabilities of 0 and 1.
        """
        given = "log_prob" in self.target
        of_label = declaration("log_prob", self.declared).needs == ("confidence",)
        return "confidence" if of_label and not given else "log_prob"

    def target_signal(
        self, signal: str | Signal, *, all_examples: bool = False
    ) -> Shaped[Array, "targets ..."]:
        """A signal of the targets on the examples under attack, or on all there are.

        Args:
            signal: its name, or its declaration.
            all_examples: on all there are.

        Raises:
            AttackUnavailable: if it is not there, nor what it is derived from.
        """
        return self._taken(self.target, signal, all_examples)

    def shadow_signal(
        self, signal: str | Signal, *, all_examples: bool = False
    ) -> Shaped[Array, "shadows ..."]:
        """A signal of the shadows, as `target_signal` gives one of the targets."""
        return self._taken(self.shadows, signal, all_examples)

    def shadow_membership(self, *, all_examples: bool = False) -> Bool[np.ndarray, "shadows _"]:
        """Who is a member of which shadow, of the examples under attack or of all there are."""
        every = all_examples or self.examples is None
        return self.membership if every else self.membership[:, self.examples]

    def shadows_of(
        self, kind: Literal["IN", "OUT"], *, at_least: int
    ) -> Bool[Array, "shadows attacked"]:
        """Which shadows are IN (or OUT) shadows of which example under attack.

        Args:
            kind: those that trained on it, or those that did not.
            at_least: how many each example needs, whichever target is left out.

        Raises:
            AttackUnavailable: if some example has fewer; the message says which.
        """
        members = self.shadow_membership()
        chosen = members if kind == "IN" else ~members
        itself = self.target_among_shadows
        if not len(itself):
            raise AttackUnavailable(_NONE_LEFT)
        left_out = chosen[itself[itself >= 0]]
        check_shadow_counts(
            chosen.sum(axis=0, dtype=np.int32) - left_out.any(axis=0),
            kind,
            at_least=at_least,
            examples=np.arange(chosen.shape[1]) if self.examples is None else self.examples,
            leaves_out=len(left_out) > 0,
        )
        return jnp.asarray(chosen)

    def require(
        self, what: Literal["labels", "inputs", "nonmembers"], *, all_examples: bool = False
    ) -> Shaped[np.ndarray, "examples ..."]:
        """The labels or inputs of the examples under attack or of all there are, or a mask of them.

        Raises:
            AttackUnavailable: if they are not there.
        """
        array = getattr(self, what)
        if array is None:
            raise AttackUnavailable(f"this attack needs the examples' {what}: hand over {what}=")
        return np.asarray(array if all_examples or self.examples is None else array[self.examples])

    def _taken(
        self, arrays: Signals, signal: str | Signal, all_examples: bool
    ) -> Shaped[Array, "models ..."]:
        if not len(self.target_among_shadows) or not all(map(len, arrays.values())):
            raise AttackUnavailable(_NONE_LEFT)
        known = self.labels is not None
        labels = self.require("labels", all_examples=all_examples) if known else None
        if not all_examples and self.examples is not None:
            arrays = OnExamples(arrays, self.examples, self.declared)
        return derived(signal, self.declared, arrays, labels)
