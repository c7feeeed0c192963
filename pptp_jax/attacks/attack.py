"""The class `Attack`, and a short way to run one on confidences alone."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Array, Bool, Float

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.tasks import Signal
from pptp_jax.tasks.signal import Access
from pptp_jax.validation import AttackUnavailable, one_of


@dataclass(frozen=True, kw_only=True)
class Attack:
    """An attack: a pure function from evidence to scores, with the signals that it needs.

    The function is called for one target at a time, with evidence in which that target's
    membership is not contained: it cannot look at it by mistake. Only an attack that
    `leaves_out` each target itself, from sums over all shadows say, gets all targets at once.

    Attributes:
        name: its key in `ATTACKS` and in results.
        title: what tables call it.
        access: what the attacker gets of a model: predicted `labels`, `scores` for every class,
            all of it (`white-box`), or the `samples` of a generative model.
        reads: the signals it looks at, by name or, of its own, by declaration; `labels`, `inputs`
            and known `nonmembers` among them.
        min_in_shadows: how many IN shadows it needs of every example.
        min_out_shadows: how many OUT shadows it needs of every example.
        min_shadows: how many shadows in all it needs that have members as well as non-members.
        leaves_out: whether it takes all targets at once and leaves each out of its shadows.
        source: the paper it is from.
        deviations: where it departs from its source.
        options: what `using` has set.
        function: the attack.

    Examples:
        >>> from pptp_jax.attacks import ATTACKS
        >>> ATTACKS["rmia_online"].access, ATTACKS["rmia_online"].min_in_shadows
        ('scores', 1)
        >>> membership = np.array([[True, False], [False, True], [True, False], [False, True]])
        >>> phi = np.where(membership, 4.0, 1.0)
        >>> evidence = Evidence.leave_one_out({"confidence": phi}, membership)
        >>> ATTACKS["rmia_online"](evidence).shape
        (4, 2)
    """

    name: str
    title: str
    access: Access
    reads: tuple[str | Signal, ...]
    source: str
    function: Callable[..., Float[Array | np.ndarray, "targets attacked"]]
    min_in_shadows: int = 0
    min_out_shadows: int = 0
    min_shadows: int = 0
    leaves_out: bool = False
    deviations: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, Any]:
        """The configuration of the attack, for records and hashes."""
        return {"name": self.name, "options": self.options}

    @property
    def declared(self) -> tuple[Signal, ...]:
        """The signals it reads that it declares itself."""
        return tuple(signal for signal in self.reads if isinstance(signal, Signal))

    def __call__(self, evidence: Evidence, **options: Any) -> Float[np.ndarray, "targets attacked"]:
        """The scores of every target; a larger one means "more likely a member".

        Args:
            evidence: what the attacker holds.
            **options: what the attack's function takes.

        Raises:
            AttackUnavailable: if a signal is missing or some example has too few shadows.
        """
        if self.leaves_out:
            return np.asarray(self.function(evidence, **options))
        for kind, number in (("IN", self.min_in_shadows), ("OUT", self.min_out_shadows)):
            if number:
                evidence.shadows_of(kind, at_least=number)  # type: ignore[arg-type]
        targets = list(evidence.with_derived(self.reads).alone())
        if not targets:
            raise AttackUnavailable("this attack needs a target, and no model is left")
        return np.concatenate([np.asarray(self.function(one, **options)) for one in targets])

    def using(self, **options: Any) -> "Attack":
        """The same attack with other options, under a name of its own.

        Raises:
            Refused: if the attack has no such option.

        Examples:
            >>> from pptp_jax.attacks import ATTACKS
            >>> [ATTACKS["rmia_online"].using(gamma=gamma).name for gamma in (1.0, 2.0)]
            ['rmia_online(gamma=1.0)', 'rmia_online(gamma=2.0)']
        """
        _, *known = inspect.signature(self.function).parameters.values()
        if not any(one.kind is one.VAR_KEYWORD for one in known):
            for name in options:
                one_of([one.name for one in known], **{f"{self.name}: option": name})
        before, after = _words(self.options), _words({**self.options, **options})
        return replace(
            self,
            name=self.name.removesuffix(before) + after,
            title=self.title.removesuffix(f" {before}") + f" {after}",
            options={**self.options, **options},
            function=partial(self.function, **options),
        )


def _words(options: Mapping[str, Any]) -> str:
    return f"({', '.join(f'{name}={value}' for name, value in options.items())})"


def attack_targets(
    attack: Attack,
    signals: Float[np.ndarray, "models queries examples"],
    membership: Bool[np.ndarray, "models examples"],
    targets: Sequence[int],
    *,
    mismatched_shadow_signals: Float[np.ndarray, "models queries examples"] | None = None,
) -> Float[np.ndarray, "targets examples"]:
    """Attacks several models by their confidences; short for `attack(evidence)`.

    Args:
        attack: the attack.
        signals: φ.
        membership: who trained on what.
        targets: the models under attack; the others help, and a target never against itself.
        mismatched_shadow_signals: signals of other models with the same members, trained by another
            recipe, which take the place of all shadows: an attacker who does not know the defence.

    Raises:
        AttackUnavailable: if the attack cannot be made, for example because of too few shadows.
        Refused: if shapes disagree.

    Examples:
        >>> from pptp_jax.attacks import ATTACKS
        >>> membership = np.array([[True, False], [False, True]])
        >>> phi = np.array([[4.0, 1.0], [0.0, 5.0]])
        >>> attack_targets(ATTACKS["loss"], phi, membership, targets=[0, 1]).argmax(axis=1)
        array([0, 1])
    """
    others = mismatched_shadow_signals
    return attack(
        Evidence.leave_one_out(
            {"confidence": signals},
            membership,
            targets=targets,
            mismatched_shadow_signals=None if others is None else {"confidence": others},
        )
    )
