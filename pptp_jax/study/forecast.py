"""Forecast what a study will train, and the time and memory that it needs."""

from pathlib import Path
from typing import Any

from pptp_jax.data import Arrays
from pptp_jax.fleets.shared_phases import plan_sharing
from pptp_jax.models import precision_in_words
from pptp_jax.regions import region_name
from pptp_jax.study.config import Study
from pptp_jax.study.likeness import likeness
from pptp_jax.study.notices import notices
from pptp_jax.study.standardize import prepared
from pptp_jax.training import Private, Probe, Recipe, Strategy, chunks, fitting_chunk, needed_memory


def forecast(study: Study, strategy: Strategy, probe: Probe) -> dict[str, Any]:
    """Predicts the fleets of a study, their training time and their memory.

    The time is that of plain steps at the probe's speed: a prediction, without compilation,
    attacks, the search for the region `auto`, and what a defence computes besides.

    Args:
        study: the study; its data are read.
        strategy: how its fleets will be trained.
        probe: the speed of plain training, as measured.

    Returns:
        The data, and for each recipe its phases, those that it shares with an earlier recipe,
        examples seen in its own training, seconds (None where the strategy's order was not
        measured), and the bytes of the models that are trained side by side.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import undefended
        >>> model, recipes = mlp([8], num_classes=10), (undefended(2),)
        >>> study = Study(name="mine", data=Digits(), model=model, recipes=recipes, examples=400)
        >>> scan = Strategy(order="scan")
        >>> found = forecast(study, scan, Probe(scan, {"scan": 9600.0}))
        >>> found["recipes"][0]["examples_seen"], found["seconds"]
        (6144, 0.64)
    """
    study, data = prepared(study)
    division, membership = study.division(len(data)), study.membership(data)
    members = int(membership.matrix[0].sum())
    arrays = Arrays.of(data, division.reference, study.augmentation)
    speed = probe.speeds.get(strategy.order)
    specs = [study.fleet_spec(recipe, data, membership) for recipe in study.recipes]
    slugs = [recipe.slug for recipe in study.recipes]
    shared = dict(zip(slugs, plan_sharing(specs, [Path(slug) for slug in slugs]), strict=True))

    def of(recipe: Recipe) -> dict[str, Any]:
        one = study.model, arrays, recipe.places(members, study.batch_size)
        models, networks = study.split.models, recipe.networks
        size = fitting_chunk(*one, models, networks, strategy)
        groups = chunks(models, size)
        trunk = next(iter(shared[recipe.slug].trunks), None)
        begun = 0 if trunk is None else trunk.phases
        own = range(begun, len(recipe.phases))
        seen = models * sum(_seen(study, recipe, i, members) for i in own)
        return {
            "slug": recipe.slug,
            "recipe": recipe.name,
            "region": None if recipe.region is None else region_name(recipe.region),
            "defence": None if recipe.defence == "none" else recipe.defence,
            "strength": recipe.strength,
            "phases": [_phase(recipe, i) for i in range(len(recipe.phases))],
            "shared": None if trunk is None else {"phases": begun, "of": trunk.spec.recipe.slug},
            "models": models,
            "at_a_time": len(groups[0]),
            "examples_seen": seen,
            "seconds": None if speed is None else seen / speed,
            "bytes": needed_memory(*one, len(groups[0]), networks, strategy),
        }

    recipes = [of(recipe) for recipe in study.recipes]
    return {
        "study": study.name,
        "data": data.name,
        "examples": len(data),
        "likeness": likeness(data, membership),
        "notices": notices(study, membership),
        "classes": data.num_classes,
        "members": members,
        "model": dict(study.model.config),
        "precision": precision_in_words(study.model.precision),
        "strategy": strategy.order,
        "devices": strategy.devices,
        "recipes": recipes,
        "seconds": None if speed is None else sum(recipe["seconds"] for recipe in recipes),
        "bytes": max(recipe["bytes"] for recipe in recipes),
    }


def _seen(study: Study, recipe: Recipe, i: int, members: int) -> int:
    """The number of examples that one model sees in a phase."""
    phase = recipe.phases[i]
    examples = study.reference if phase.examples == "reference" else members
    whole = phase.part(examples) // study.batch_size * study.batch_size
    passes = 1 if phase.clients is None else phase.clients.local_epochs
    return phase.networks * whole * passes * int(phase.epochs)


def _phase(recipe: Recipe, i: int) -> dict[str, Any]:
    phase = recipe.phases[i]
    named = {
        "frozen": phase.frozen,
        "rewound": phase.rewound,
        "restored": tuple(f"{part.region} of epoch {part.after}" for part in phase.restored),
        "perturbed": tuple(phase.perturbed),
    }
    decays = {region: float(number) for region, number in phase.decayed.items()}
    return {
        "epochs": int(phase.epochs),
        "objectives": {region: part.name for region, part in phase.by_region.items()},
        **{what: list(regions) for what, regions in named.items() if regions},
        **({"schedule": phase.schedule} if phase.schedule else {}),
        **({"weight_decay": decays} if decays else {}),
        **({"private": True} if isinstance(phase.gradient, Private) else {}),
        **({"networks": phase.networks} if phase.networks > 1 else {}),
        **({"clients": phase.clients.words} if phase.clients else {}),
    }
