"""Make a row of the results: the recipe, its utility, and the metrics of the attacks."""

from collections import Counter
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from pptp_jax.data import Dataset, Membership
from pptp_jax.evaluation.attack_fleet import Attacked
from pptp_jax.evaluation.combination import Combined
from pptp_jax.evaluation.results import AttackResult, RecipeResult
from pptp_jax.evaluation.schema import typed
from pptp_jax.evaluation.slices import slices
from pptp_jax.evaluation.warnings import warnings
from pptp_jax.evaluation.white_box import white_box
from pptp_jax.fleets import FleetSignals, FleetSpec
from pptp_jax.fleets.plan import resolved_regions
from pptp_jax.metrics import UNRESOLVED, attack_metrics, masked_mean, metric_names
from pptp_jax.regions import region_name
from pptp_jax.study.config import Study
from pptp_jax.study.guarantee import guarantee
from pptp_jax.study.individual_guarantee import individual_guarantees
from pptp_jax.study.owners import found_by_owner
from pptp_jax.study.robustness_accuracy import robustness
from pptp_jax.study.sample_worth import sample_worth
from pptp_jax.training import Recipe
from pptp_jax.validation import Refused


def row(
    study: Study, recipe: Recipe, fleet: FleetSignals, seen: Attacked, members: int
) -> RecipeResult:
    """A row of the results: the recipe, its utility, and the metrics of the attacks."""
    kept = fleet.loss[fleet.finite]
    truth = seen.membership
    draws: dict[str, Any] = {"resamples": study.resamples, "seed": study.seed}
    private, said = _epsilon(study, recipe, members)
    attacks = {}
    for name in (attack.name for attack in study.chosen_attacks):
        metrics = dict.fromkeys(metric_names(), UNRESOLVED)
        if name in seen.scores:
            metrics |= attack_metrics(seen.scores[name], truth, **draws)
        attacks[name] = AttackResult(metrics)
    return RecipeResult(
        recipe=recipe.name,
        defence=recipe.defence,
        strength=recipe.strength,
        release=None if recipe.release is None else recipe.release.name,
        region=region_name(recipe.region),
        epochs=recipe.epochs,
        slug=recipe.slug,
        diverged=tuple(np.flatnonzero(~fleet.finite).tolist()),
        train_loss=tuple(kept.mean(axis=0).tolist() if len(kept) else ()),
        epsilon=private,
        notes=(*seen.notes, *said),
        utility=masked_mean(seen.utility, ~truth, **draws),
        train_utility=masked_mean(seen.utility, truth, **draws),
        attacks=attacks,
    )


def full_row(
    study: Study,
    spec: FleetSpec,
    data: Dataset,
    membership: Membership,
    fleet: FleetSignals,
    seen: Attacked,
    together: Combined,
    predicted: int | None,
) -> RecipeResult:
    """`row` with slices, owners, the attacks together, and what else a study has measured.

    Args:
        study: the study.
        spec: the fleet of the recipe.
        data: the examples.
        membership: who is a member of which model.
        fleet: the signals of the finished models.
        seen: the attacks on them.
        together: these attacks, combined.
        predicted: the bytes that the fleet's plan predicts.
    """
    draws: dict[str, Any] = {"resamples": study.resamples, "seed": study.seed}
    plain = row(study, spec.recipe, fleet, seen, spec.members.shape[1])
    owners = found_by_owner(study, data, membership, seen)
    doubts = warnings(fleet, membership, seen, data.labels, plain.train_utility, study.compared)
    regions = resolved_regions(spec)
    blocks = [block.name for block in study.model.blocks]
    more = {
        **slices(fleet, membership, seen, study.compared, labels=data.labels, **draws),
        "warnings": [*doubts, *(owners["notes"] if owners else ())],
        "owners": owners,
        "combined": together.record,
        "notes": [*plain.notes, *filter(None, [together.note])],
        "regions": None if regions is None else regions.to_json(),
        "white_box": white_box(fleet, membership, blocks, **draws) if study.white_box else {},
        "robustness": robustness(study, fleet, membership),
        "sample_quality": sample_worth(study, data, membership, fleet),
        "predicted_bytes": predicted,
    }
    return replace(plain, **typed(more))


def _epsilon(study: Study, recipe: Recipe, members: int) -> tuple[dict[str, Any] | None, list[str]]:
    """The recipe's ε with its assumptions, None without one, and its text in the table."""
    try:
        found = guarantee(recipe, study.model, members, study.batch_size)
    except ImportError:
        return None, [f"{recipe.slug}: install pptp-jax[dp] for ε"]
    except Refused as refusal:
        return None, [f"{recipe.slug}: no ε: {refusal}"]
    if found is None:
        return None, []
    said, each = f"{recipe.slug}: {found}", None
    if own := individual_guarantees(recipe, study.model, members, study.batch_size):
        spent = Counter(one.epsilon for one in own)
        each = [{"epsilon": budget, "members": spent[budget]} for budget in sorted(spent)]
        said += f"; single members spend {min(spent):.3g} to {max(spent):.3g}"
    if study.model.config.get("name") == "standardized":
        said += ", which leaves out the mean and deviation that inputs are standardised by"
    return asdict(found) | ({} if each is None else {"individual": each}), [said]
