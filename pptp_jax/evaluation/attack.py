"""Attack models by arrays alone: one call, with typed results."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from pptp_jax.attacks import ATTACKS, Attack, Evidence, attack_of
from pptp_jax.attacks.classifier_outputs import check_signals
from pptp_jax.attacks.rows import check_membership, numbers
from pptp_jax.data import Membership
from pptp_jax.evaluation.impossible import by_reason, reason_of_missing
from pptp_jax.evaluation.results import AttackResult
from pptp_jax.evaluation.warnings import inverted, other_scales
from pptp_jax.metrics import attack_metrics
from pptp_jax.models import full_float32
from pptp_jax.validation import AttackUnavailable, Refused, at_least, one_of, several

# What `attack` passes on to `Evidence.split`.
_EVIDENCE = (
    "targets",
    "shadows",
    "mismatched_shadow_signals",
    "declared",
    "inputs",
    "examples",
    "nonmembers",
    "population",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class AttackResults(Mapping[str, AttackResult]):
    """The metrics of several attacks on the same models, by the attacks' names.

    Attributes:
        results: the metrics of the attacks that were possible, by their names.
        scores: those of every target; a larger one means "more likely a member".
        targets: the models under attack.
        membership: who is a member of which target.
        notes: why each other attack was not possible.
        warnings: what makes the numbers doubtful, such as a membership that looks inverted.
    """

    results: Mapping[str, AttackResult]
    scores: Mapping[str, Float[np.ndarray, "targets examples"]]
    targets: Int[np.ndarray, " targets"]
    membership: Bool[np.ndarray, "targets examples"]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> AttackResult:
        """The metrics of an attack."""
        return self.results[name]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self.results)

    def __len__(self) -> int:
        """How many attacks were possible."""
        return len(self.results)

    def __str__(self) -> str:
        """The warnings, one line an attack, then the reasons why others were not possible."""
        lines = [f"warning: {warning}" for warning in self.warnings]
        lines += [f"{name}: AUC {found.auc:.3f}" for name, found in self.results.items()]
        lines += [f"not possible: {reason}" for reason in by_reason(self.notes)]
        return "\n".join(lines)

    __repr__ = __str__


@full_float32
def attack(
    signals: Mapping[str, Shaped[np.ndarray, "..."]],
    membership: Bool[np.ndarray, "*models examples"] | Membership,
    labels: Int[np.ndarray, " examples"] | None = None,
    attacks: Sequence[str | Attack] = tuple(ATTACKS),
    *,
    resamples: int = 500,
    seed: int = 0,
    **evidence: Any,
) -> AttackResults:
    """Attacks models by their signals, and measures what each attack finds.

    Args:
        signals: arrays by name, models first: `logits`, `confidence` (φ), `log_prob` or others;
            without a query axis they hold one query. Those of a single model may lack the models.
        membership: who trained on what, (models, examples), or (examples,) of a single model; a
            `Membership` names targets, shadows and the examples under attack as well.
        labels: the examples' classes; `logits` need them.
        attacks: the attacks, or their names; by default all of them.
        resamples: the number of bootstrap resamples of targets and examples behind each interval.
        seed: what the bootstrap depends on.
        **evidence: the models that are `targets` and `shadows`, all unless they are named, and what
            else the attacker holds: `inputs`, `nonmembers`, `population`, `examples`, `declared`;
            see `pptp_jax.attacks.Evidence.split`.

    Returns:
        The scores and metrics of each attack that is possible, and why the others are not.

    Raises:
        Refused: if shapes disagree, logits are probabilities, labels are none of their classes, an
            attack or an argument is unknown, or no attack is possible.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> membership = np.arange(8)[:, None] % 2 == np.arange(200) % 2
        >>> phi = rng.normal(size=(8, 200)) + 2 * membership
        >>> gammas = [ATTACKS["rmia_online"].using(gamma=gamma) for gamma in (1.0, 2.0)]
        >>> found = attack({"confidence": phi}, membership, attacks=["entropy", *gammas])
        >>> list(found), found["rmia_online(gamma=1.0)"].auc.value > 0.8
        (['rmia_online(gamma=1.0)', 'rmia_online(gamma=2.0)'], True)
        >>> found.notes
        ('entropy: it reads logits and labels, which were not given',)

        One model, whose shadows nobody has:

        >>> list(attack({"confidence": phi[0]}, membership[0], resamples=50))
        ['loss', 'confidence', 'attack_p']
    """
    for name in evidence:
        one_of((*_EVIDENCE, "labels", "attacks", "resamples", "seed"), argument=name)
    chosen = _distinct(attacks)
    if isinstance(membership, Membership):
        named = {"targets": membership.targets, "shadows": membership.shadows}
        evidence = {**named, "examples": membership.evaluated, **evidence}
        membership = membership.matrix
    membership = _matrix(membership)
    check_membership(membership)
    check_signals(signals, labels, len(membership))
    evidence = {"targets": None, "shadows": None, **evidence}
    own = [signal for one in chosen for signal in one.declared]
    declared = (*evidence.pop("declared", ()), *own)
    held = Evidence.split(signals, membership, declared=declared, labels=labels, **evidence)
    rows = numbers(evidence["targets"], "target", len(membership))
    truth = membership[rows]
    truth = truth if held.examples is None else truth[:, held.examples]
    scores, notes = _scores(held, chosen)
    results = {
        name: AttackResult(attack_metrics(found, truth, resamples=resamples, seed=seed))
        for name, found in scores.items()
    }
    doubts = other_scales(scores, truth)
    if "loss" in results:
        doubts += inverted(results["loss"].auc)
    return AttackResults(
        results=results,
        scores=scores,
        targets=rows,
        membership=truth,
        notes=tuple(notes),
        warnings=tuple(doubts),
    )


def _matrix(membership: Any) -> Shaped[np.ndarray, "models ..."]:
    """The membership, of a single model with the axis of models."""
    try:
        found = np.asarray(membership)
    except ValueError as error:  # NumPy's word for lists of different lengths
        raise Refused(
            "membership must be a boolean array of shape (models, examples), not a list of the "
            "members of each model"
        ) from error
    return found[None] if found.ndim == 1 else found


def _distinct(attacks: Sequence[str | Attack]) -> list[Attack]:
    if isinstance(attacks, str | Attack):
        several(attacks=attacks)
    at_least(1, attacks=len(attacks))
    chosen = [attack_of(one) for one in attacks]
    names = [one.name for one in chosen]
    for name in names:
        if names.count(name) > 1:
            raise Refused(f"the attack {name} is given several times: give each of them once")
    return chosen


def _scores(
    evidence: Evidence, attacks: Sequence[Attack]
) -> tuple[dict[str, Float[np.ndarray, "targets examples"]], list[str]]:
    """The scores of each attack, and the reasons why others were not possible."""
    scores, notes = {}, []
    for attack in attacks:
        missing = reason_of_missing(attack, evidence)
        if missing is not None:
            notes.append(f"{attack.name}: {missing}")
            continue
        try:
            found = attack(evidence)
        except AttackUnavailable as error:
            notes.append(f"{attack.name}: {error}")
            continue
        if np.isnan(found).any():
            notes.append(f"{attack.name}: its scores are not all numbers on these signals")
            continue
        scores[attack.name] = found
    if not scores:
        raise Refused("no attack is possible on these signals:\n" + "\n".join(by_reason(notes)))
    return scores, notes
