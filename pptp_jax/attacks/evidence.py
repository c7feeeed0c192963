"""Evidence: what an attacker holds, a container of arrays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from pptp_jax.signals import (
    GRADIENT_NORMS,
    INPUT_GRADIENT_NORM,
    boundary_signal,
    noise_signal,
)
from pptp_jax.tasks import Classification, logit_scaled_confidence
from pptp_jax.validation import AttackUnavailable, Refused, one_of, positive

# What can be read of classifiers; models come first and examples last, but for the logits' classes.
AXES = {
    signal.name: signal.axes
    for signal in (
        *Classification().signals,
        GRADIENT_NORMS,
        INPUT_GRADIENT_NORM,
        boundary_signal(),
        noise_signal(),
    )
    if signal.derive is None
}
_NONE_LEFT = "this attack needs a target and the shadows it asks for, and no model is left"
Statistic = Callable[
    [Float[Array, "models queries examples classes"], Int[Array, " examples"]],
    Shaped[Array, "models queries examples"],
]


@jax.jit
def _confidence(
    logits: Float[Array, "models queries examples classes"], labels: Int[Array, " examples"]
) -> Float[Array, "models queries examples"]:
    return logit_scaled_confidence(logits, jnp.broadcast_to(labels, logits.shape[:-1]))


@jax.jit
def _correct(
    logits: Float[Array, "models queries examples classes"], labels: Int[Array, " examples"]
) -> Bool[Array, "models queries examples"]:
    return logits.argmax(axis=-1) == labels[None, None]


# What lies farther out counts as this: it keeps its order, and differences and sums are finite.
_LARGEST = 1e37

# What follows from the logits and the labels where it is not given.
DERIVED: dict[str, Statistic] = {"confidence": _confidence, "correct": _correct}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What an attacker holds: signals of models, and who is a member of which shadow.

    Attributes:
        signals: arrays by name, any of those in `AXES`; other names are refused. `confidence` and
            `correct` follow from `logits` and `labels` where they are not given.
        membership: who trained on what. A target's own row is never looked at by an attack on it.
        labels: the examples' labels.
        inputs: the examples themselves, for attacks that learn from them.
        targets: the models under attack; None for all.
        shadows: the models that may help; None for all. A target never helps against itself, and
            targets that are not among the shadows do not help against each other.
        examples: the examples under attack; None for all. Of the others, attacks that learn from
            shadows learn as well, as in the split in quarters, where no shadow knows an example
            under attack.
        nonmembers: the examples of which the attacker knows that no target has trained on them, as
            a mask of all there are. They serve to learn from, and should not be under attack.
        population: the examples under attack that serve as population, as a mask; None for all.
        unaware: signals of other models with the same members, trained by another recipe, which
            take the place of all shadows' own. This is an attacker who does not know the defence:
            what it fails to find is no evidence of privacy. None, as it should be, lets shadows be
            models of the target's own recipe.

    Raises:
        Refused: if shapes disagree, a signal, target, shadow or example is unknown, or one of these
            is given several times.

    Examples:
        >>> membership = np.array([[True, False], [False, True], [True, True]])
        >>> phi = np.zeros((3, 1, 2), np.float32)
        >>> evidence = Evidence(signals={"confidence": phi}, membership=membership, targets=[2])
        >>> evidence.own("confidence").shape, evidence.known("confidence").shape
        ((1, 1, 2), (3, 1, 2))
        >>> evidence.itself
        array([2])
        >>> evidence.shadows_of("IN", at_least=1).shape
        (3, 2)
    """

    signals: Mapping[str, Shaped[np.ndarray, "models ..."]]
    membership: Bool[np.ndarray, "models examples"]
    labels: Int[np.ndarray, " examples"] | None = None
    inputs: Shaped[np.ndarray, "examples ..."] | None = None
    targets: Sequence[int] | None = None
    shadows: Sequence[int] | None = None
    examples: Int[np.ndarray, " attacked"] | None = None
    nonmembers: Bool[np.ndarray, " examples"] | None = None
    population: Bool[np.ndarray, " attacked"] | None = None
    unaware: Mapping[str, Shaped[np.ndarray, "models ..."]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.membership.ndim != 2:
            raise Refused(
                f"membership must have shape (models, examples), got {tuple(self.membership.shape)}"
            )
        models, examples = self.membership.shape
        for name, signal in self.signals.items():
            self._check_signal(name, signal)
        for name, signal in self.unaware.items():
            if name in self.signals and signal.shape != self.signals[name].shape:
                raise Refused(
                    "an unaware attacker's signals must have the shape of the targets' own, "
                    f"{self.signals[name].shape}, got {signal.shape}"
                )
            self._check_signal(name, signal)
        for what, array in (("labels", self.labels), ("inputs", self.inputs)):
            if array is not None and len(array) != examples:
                raise Refused(f"there are {examples} examples, but {len(array)} {what}")
        for what, numbers, total, of in (
            ("target", self.targets, models, "models"),
            ("shadow", self.shadows, models, "models"),
            ("example", self.examples, examples, "examples"),
        ):
            numbers = () if numbers is None else numbers
            for number in numbers:
                if not 0 <= number < total:
                    raise Refused(f"{what} must be one of the {of} 0 to {total - 1}, got {number}")
            found, times = np.unique(np.asarray(numbers, int), return_counts=True)
            for number in found[times > 1].tolist():
                raise Refused(f"{what} {number} is given several times: give each of them once")
        under_attack = examples if self.examples is None else len(self.examples)
        for what, mask, total, of in (
            ("nonmembers", self.nonmembers, examples, "examples"),
            ("population", self.population, under_attack, "examples under attack"),
        ):
            if mask is None:
                continue
            if mask.shape != (total,) or mask.dtype != bool:
                raise Refused(
                    f"{what} must be a mask of the {total} {of}, got {mask.dtype} of shape "
                    f"{mask.shape}"
                )
            positive(**{what: int(mask.sum())})

    def _check_signal(self, name: str, signal: Shaped[np.ndarray, "models ..."]) -> None:
        one_of(AXES, signal=name)
        axes = AXES[name]
        if signal.ndim != len(axes):
            raise Refused(f"{name} must have shape ({', '.join(axes)}), got {signal.shape}")
        if signal.dtype != bool and not np.can_cast(signal.dtype, np.longdouble, "same_kind"):
            raise Refused(f"{name} must hold real numbers, got an array of {signal.dtype}")
        found = (signal.shape[0], signal.shape[axes.index("examples")])
        if found != self.membership.shape:
            raise Refused(
                f"membership must have shape (models, examples) = {found} to fit {name} of shape "
                f"{signal.shape}, got {tuple(self.membership.shape)}"
            )

    def has(self, name: str) -> bool:
        """Whether a signal, or anything else that attacks read, is there or follows from it."""
        if name in ("labels", "inputs", "nonmembers"):
            return getattr(self, name) is not None
        derived = name in DERIVED and "logits" in self.signals and self.labels is not None
        return name in self.signals or derived

    @property
    def target_rows(self) -> Int[np.ndarray, " targets"]:
        """The models under attack."""
        return _numbers(self.targets, len(self.membership))

    @property
    def shadow_rows(self) -> Int[np.ndarray, " shadows"]:
        """The models that may help."""
        return _numbers(self.shadows, len(self.membership))

    @property
    def itself(self) -> Int[np.ndarray, " targets"]:
        """Where each target stands among the shadows, to be left out; −1 where it is none."""
        place = np.full(len(self.membership), -1)
        place[self.shadow_rows] = np.arange(len(self.shadow_rows))
        return place[self.target_rows]

    def own(
        self, signal: str | Statistic, *, everywhere: bool = False
    ) -> Shaped[Array, "targets ..."]:
        """A signal of the targets on the examples under attack, or on all there are.

        Args:
            signal: its name, or what computes it from the logits and labels.
            everywhere: on all there are.

        Raises:
            AttackUnavailable: if it is not there.
        """
        chosen = None if everywhere else self.examples
        return self._taken(self.signals, signal, self.target_rows, chosen)

    def known(
        self, signal: str | Statistic, *, everywhere: bool = False
    ) -> Shaped[Array, "shadows ..."]:
        """A signal of the shadows on the examples under attack, or on all there are.

        Args:
            signal: its name, or what computes it from the logits and labels.
            everywhere: on all there are.

        Raises:
            AttackUnavailable: if it is not there.
        """
        chosen = None if everywhere else self.examples
        return self._taken(self.unaware or self.signals, signal, self.shadow_rows, chosen)

    def members(self, *, everywhere: bool = False) -> Bool[np.ndarray, "shadows examples"]:
        """Who is a member of which shadow, of the examples under attack or of all there are."""
        matrix = np.asarray(self.membership)[self.shadow_rows]
        return matrix if everywhere or self.examples is None else matrix[:, self.examples]

    def shadows_of(
        self, kind: Literal["IN", "OUT"], *, at_least: int
    ) -> Bool[Array, "shadows attacked"]:
        """Which shadows are IN (or OUT) shadows of which example under attack.

        Args:
            kind: those that trained on it, or those that did not.
            at_least: how many each example needs, whichever target is left out.

        Raises:
            AttackUnavailable: if some example has fewer.
        """
        chosen = self.members() if kind == "IN" else ~self.members()
        counts = chosen.sum(axis=0, dtype=np.int32)
        itself = self.itself
        if not len(itself):
            raise AttackUnavailable(_NONE_LEFT)
        left = [(counts - chosen[place]).min() for place in itself[itself >= 0]]
        fewest = min(left) if len(left) == len(itself) else min([counts.min(), *left])
        if fewest < at_least:
            raise AttackUnavailable(
                f"this attack needs at least {at_least} {kind} shadows for every example, and some "
                f"example has {fewest}: train more models"
            )
        return jnp.asarray(chosen)

    def needed(
        self, what: Literal["labels", "inputs", "nonmembers"], *, everywhere: bool = False
    ) -> Shaped[np.ndarray, "examples ..."]:
        """The labels or inputs of the examples under attack or of all there are, or a mask of them.

        Raises:
            AttackUnavailable: if they are not there.
        """
        array = getattr(self, what)
        if array is None:
            raise AttackUnavailable(f"this attack needs the examples' {what}: Evidence({what}=...)")
        chosen = everywhere or self.examples is None
        return np.asarray(array if chosen else array[self.examples])

    def _taken(
        self,
        signals: Mapping[str, Shaped[np.ndarray, "models ..."]],
        signal: str | Statistic,
        rows: Int[np.ndarray, " rows"],
        examples: Int[np.ndarray, " attacked"] | None,
    ) -> Shaped[Array, "rows ..."]:
        def picked(name: str, rows: Int[np.ndarray, " rows"]) -> Shaped[Array, "rows ..."]:
            array = signals[name]
            whole = len(rows) == len(array) and (rows == np.arange(len(rows))).all()
            array = array if whole else array[rows]
            if examples is not None:
                array = array.take(examples, AXES[name].index("examples"))
            return jnp.asarray(_in_range(array))

        if not len(rows):
            raise AttackUnavailable(_NONE_LEFT)
        if isinstance(signal, str) and signal in signals:
            return picked(signal, rows)
        statistic = DERIVED.get(signal) if isinstance(signal, str) else signal
        if statistic is None or "logits" not in signals:
            there = ", ".join(map(repr, sorted(signals))) or "none"
            missing = repr(signal) if isinstance(signal, str) else "'logits'"
            raise AttackUnavailable(
                f"this attack reads the signal {missing}, and there are only: {there}"
            )
        labels = jnp.asarray(self.needed("labels", everywhere=examples is None))
        # Model by model: all logits at once may be more than the memory holds.
        return jnp.concatenate(
            [statistic(picked("logits", rows[i : i + 1]), labels) for i in range(len(rows))]
        )


def _in_range(signal: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """The signal as float32, in which attacks compute; booleans as they are."""
    if signal.dtype == bool:
        return signal
    if signal.dtype.kind == "f" and signal.dtype.itemsize > 4:
        signal = np.clip(signal, -_LARGEST, _LARGEST)
    return np.asarray(signal).astype(np.float32, copy=False)


def _numbers(chosen: Sequence[int] | None, total: int) -> Int[np.ndarray, " chosen"]:
    return np.arange(total) if chosen is None else np.array(chosen, int)
