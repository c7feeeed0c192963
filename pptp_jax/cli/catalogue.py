"""A catalogue of recipes, attacks, models and more, taken from the public names."""

import inspect
from dataclasses import is_dataclass
from types import ModuleType
from typing import Any, get_type_hints

from pptp_jax import data, objectives, training
from pptp_jax.attacks import ATTACKS
from pptp_jax.models import BUILDERS
from pptp_jax.objectives import Objective
from pptp_jax.regions import PARTS, PRESETS
from pptp_jax.tasks import TASKS
from pptp_jax.training import Recipe


def catalogue() -> dict[str, list[dict[str, Any]]]:
    """Recipes, objectives, attacks, models, tasks, data and words for regions, each with its name.

    Examples:
        >>> known = catalogue()
        >>> [entry["name"] for entry in known["data"]]
        ['Digits', 'Distinct', 'Emails', 'Npz', 'Shrunk', 'Table', 'Text', 'Tfds', 'Topics']
        >>> [entry for entry in known["attacks"] if entry["name"] == "rmia_offline"][0]["shadows"]
        '1 OUT'
    """
    made = [
        thing
        for thing in _public(training)
        if inspect.isfunction(thing) and get_type_hints(thing).get("return") is Recipe
    ]
    losses = [
        thing
        for thing in _public(objectives)
        if inspect.isclass(thing) and issubclass(thing, Objective) and thing is not Objective
    ]
    sources = [
        thing
        for thing in _public(data)
        if inspect.isclass(thing) and is_dataclass(thing) and hasattr(thing, "load")
    ]
    return {
        "recipes": [_described(thing, arguments=_parameters(thing)) for thing in made],
        "objectives": [
            _described(
                thing,
                arguments=_parameters(thing),
                needs=[
                    what
                    for what, needed in (
                        ("reference examples", thing.needs_reference),
                        ("a teacher", thing.needs_teacher),
                    )
                    if needed
                ],
            )
            for thing in losses
        ],
        "attacks": [
            {
                "name": attack.name,
                "access": attack.access,
                "shadows": _shadows(
                    attack.min_in_shadows, attack.min_out_shadows, attack.min_shadows
                ),
                "reads": [r if isinstance(r, str) else r.name for r in attack.reads],
                "source": attack.source,
            }
            for attack in ATTACKS.values()
        ],
        "models": [_described(thing, arguments=_parameters(thing)) for thing in BUILDERS.values()],
        "tasks": [_described(type(t), arguments=_parameters(type(t))) for t in TASKS],
        "data": [_described(thing, arguments=_parameters(thing)) for thing in sources],
        "regions": [{"name": name, "what": what} for name, what in {**PRESETS, **PARTS}.items()],
    }


def _public(module: ModuleType) -> list[Any]:
    return [getattr(module, name) for name in module.__all__]


def _described(thing: Any, **more: Any) -> dict[str, Any]:
    return {"name": thing.__name__, "what": str(inspect.getdoc(thing)).splitlines()[0]} | more


def _parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def _shadows(inside: int, outside: int, either: int) -> str:
    needed = [f"{n} {which}" for n, which in ((inside, "IN"), (outside, "OUT")) if n]
    return ", ".join(needed) or (str(either) if either else "none")
