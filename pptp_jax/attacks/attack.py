"""What every attack is, and running one on confidences alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from jaxtyping import Array, Bool, Float

from pptp_jax.attacks.evidence import Evidence

Access = Literal["labels", "scores", "white-box"]


@dataclass(frozen=True, kw_only=True)
class Attack:
    """An attack and what it asks for: a pure function from evidence to scores.

    Attributes:
        name: its key in `ATTACKS`.
        title: what tables call it.
        access: what the attacker gets of a model: predicted `labels`, `scores` for every class, or
            all of it (`white-box`).
        reads: the signals it looks at, `labels`, `inputs` and known `nonmembers`
            among them.
        inside: how many IN shadows it needs of every example.
        outside: how many OUT shadows it needs of every example.
        shadows: how many shadows in all it needs that have members as well as non-members.
        source: the paper it is from.
        deviations: where it departs from its source.
        function: the attack.

    Examples:
        >>> from pptp_jax.attacks import ATTACKS
        >>> ATTACKS["rmia_online"].access, ATTACKS["rmia_online"].inside
        ('scores', 1)
        >>> membership = np.array([[True, False], [False, True], [True, False], [False, True]])
        >>> phi = np.where(membership, 4.0, 1.0)[:, None].astype(np.float32)
        >>> evidence = Evidence(signals={"confidence": phi}, membership=membership)
        >>> ATTACKS["rmia_online"](evidence).shape
        (4, 2)
    """

    name: str
    title: str
    access: Access
    reads: tuple[str, ...]
    source: str
    function: Callable[..., Float[Array | np.ndarray, "targets attacked"]]
    inside: int = 0
    outside: int = 0
    shadows: int = 0
    deviations: str = ""

    def __call__(self, evidence: Evidence, **options: Any) -> Float[np.ndarray, "targets attacked"]:
        """The scores of every target; a larger one means "more likely a member".

        Args:
            evidence: what the attacker holds.
            **options: what the attack's function takes.

        Raises:
            AttackUnavailable: if a signal is missing or some example has too few shadows.
        """
        return np.asarray(self.function(evidence, **options))

    def using(self, **options: Any) -> "Attack":
        """The same attack with other options.

        Examples:
            >>> from pptp_jax.attacks import ATTACKS
            >>> ATTACKS["rmia_online"].using(gamma=1.0).name
            'rmia_online'
        """
        return replace(self, function=partial(self.function, **options))


def attack_targets(
    attack: Attack,
    signals: Float[np.ndarray, "models queries examples"],
    membership: Bool[np.ndarray, "models examples"],
    targets: Sequence[int],
    *,
    unaware: Float[np.ndarray, "models queries examples"] | None = None,
) -> Float[np.ndarray, "targets examples"]:
    """Attacks several models by their confidences: the short way to `attack(Evidence(...))`.

    Args:
        attack: the attack.
        signals: φ.
        membership: who trained on what.
        targets: the models under attack; the others help, and a target never against itself.
        unaware: signals of other models with the same members, trained by another recipe, which
            take the place of all shadows: an attacker who does not know the defence.

    Raises:
        AttackUnavailable: if the attack cannot be made, for example because of too few shadows.
        Refused: if shapes disagree.

    Examples:
        >>> from pptp_jax.attacks import ATTACKS
        >>> membership = np.array([[True, False], [False, True]])
        >>> phi = np.array([[[4.0, 1.0]], [[0.0, 5.0]]], np.float32)
        >>> attack_targets(ATTACKS["loss"], phi, membership, targets=[0, 1]).argmax(axis=1)
        array([0, 1])
    """
    return attack(
        Evidence(
            signals={"confidence": signals},
            membership=membership,
            targets=targets,
            unaware={} if unaware is None else {"confidence": unaware},
        )
    )
