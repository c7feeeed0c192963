"""Changes to a study from outside its file: `key=value`, checked against the frozen config."""

import types
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from inspect import signature
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from pptp_jax.models import BUILDERS, Model, rebuilt
from pptp_jax.study.config import Study
from pptp_jax.training import Recipe
from pptp_jax.validation import Refused
from pptp_jax.validation.near_names import near_names

_RECIPES, _MODEL = "recipes", "model"


def overridden(study: Study, changes: Sequence[str]) -> Study:
    """A study with some of its values changed, each as `key=value`.

    A key is a field of the study (`batch_size=32`), a dotted path into one of its parts
    (`optimizer.learning_rate=0.05`, `model.dropout=0.1`), or a field of exactly one part by its
    name alone (`models=8` for `split.models=8`). Of a recipe, by its name or its slug, the epochs
    of its phases and its region can be changed (`recipes.freeze.epochs=2+8`,
    `recipes.freeze.region=head`); a name that several recipes have means all of them. Items of a
    sequence are separated by commas.

    Args:
        study: the study.
        changes: what is changed, in order.

    Raises:
        ValueError: if there is no such key, naming the nearest; if a value is not of its type; or
            if the study that comes out is refused.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import undefended
        >>> model, recipes = mlp([8], num_classes=10), (undefended(1),)
        >>> study = Study(name="mine", data=Digits(), model=model, recipes=recipes)
        >>> changed = overridden(
        ...     study, ["models=8", "model.dropout=0.1", "recipes.undefended.epochs=3"]
        ... )
        >>> changed.split, changed.model.config["dropout"], changed.recipes[0].slug
        (Balanced(models=8), 0.1, 'undefended_3')
        >>> overridden(study, ["batchsize=8"])
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: --set batchsize: there is no such key; did you mean ...
    """
    for change in changes:
        key, given, text = change.partition("=")
        if not given:
            raise Refused(f"--set {change}: write it as key=value")
        try:
            study = _changed(study, key.strip(), text.strip())
        except Refused as error:
            raise Refused(f"--set {key}: {error}") from error
    return study


def _changed(study: Study, key: str, text: str) -> Study:
    first, _, rest = key.partition(".")
    if first == _RECIPES:
        return replace(study, recipes=_recipes(study.recipes, rest, text))
    if first == _MODEL and rest:
        return replace(study, model=_model(study.model, rest, text))
    if key in _fields(study):
        return replace(study, **{key: _parsed(text, get_type_hints(Study)[key])})
    parts = dict(_parts(study))
    if first in parts and rest in _fields(parts[first]):
        return replace(study, **{first: _part(parts[first], rest, text)})
    homes = [name for name, part in parts.items() if key in _fields(part)]
    if len(homes) == 1:
        return replace(study, **{homes[0]: _part(parts[homes[0]], key, text)})
    _refuse(key, _known(study))


def _parts(study: Study) -> Iterator[tuple[str, Any]]:
    """The parts of a study that are frozen configs themselves."""
    for field in fields(study):
        part = getattr(study, field.name)
        if is_dataclass(part) and not isinstance(part, Model):
            yield field.name, part


def _fields(thing: Any) -> list[str]:
    return [field.name for field in fields(thing)]


def _known(study: Study) -> list[str]:
    """Every key that can be set, in full."""
    parts = dict(_parts(study))
    plain = [name for name in _fields(study) if name not in {*parts, _MODEL, _RECIPES}]
    nested = [f"{name}.{field}" for name, part in parts.items() for field in _fields(part)]
    model = [f"{_MODEL}.{name}" for name in study.model.config if name != "name"]
    names = dict.fromkeys(name for r in study.recipes for name in (r.name, r.slug))
    return [*plain, *nested, *model, *(f"{_RECIPES}.{name}.epochs" for name in names)]


def _refuse(key: str, known: Sequence[str]) -> NoReturn:
    last = {name.rpartition(".")[2]: name for name in reversed(known)}
    near = near_names(key, known, 3)
    near += [last[name] for name in near_names(key.rpartition(".")[2], last, 2)]
    hint = ", ".join(map(repr, list(dict.fromkeys(near))[:3]))
    raise Refused(
        "there is no such key; "
        + (f"did you mean {hint}?" if hint else f"there are {', '.join(map(repr, known))}")
    )


def _part(part: Any, name: str, text: str) -> Any:
    return replace(part, **{name: _parsed(text, get_type_hints(type(part))[name])})


def _model(model: Model, name: str, text: str) -> Model:
    builder = BUILDERS.get(str(model.config.get("name")))
    if builder is None:
        return rebuilt(model, **{name: text})  # which says why not
    parameters = signature(builder).parameters
    if name not in parameters:
        _refuse(f"{_MODEL}.{name}", [f"{_MODEL}.{known}" for known in parameters])
    return rebuilt(model, **{name: _parsed(text, get_type_hints(builder)[name])})


def _recipes(recipes: tuple[Recipe, ...], rest: str, text: str) -> tuple[Recipe, ...]:
    # A slug may hold dots: `split_30_relaxloss_0.5`.
    who, _, field = rest.rpartition(".")
    known = [name for recipe in recipes for name in (recipe.name, recipe.slug)]
    if who not in known or field not in ("epochs", "region"):
        keys = [f"{_RECIPES}.{name}.{end}" for name in known for end in ("epochs", "region")]
        _refuse(f"{_RECIPES}.{rest}", keys)
    change = _epochs if field == "epochs" else _region
    return tuple(change(r, text) if who in (r.name, r.slug) else r for r in recipes)


def _epochs(recipe: Recipe, text: str) -> Recipe:
    numbers = [_parsed(part, int) for part in text.split("+")]
    if len(numbers) != len(recipe.phases):
        raise Refused(
            f"{recipe.slug} has {len(recipe.phases)} phases, so their epochs are written as "
            f"{'+'.join(str(phase.epochs) for phase in recipe.phases)}; got {text}"
        )
    phases = zip(recipe.phases, numbers, strict=True)
    return replace(recipe, phases=tuple(replace(phase, epochs=n) for phase, n in phases))


def _region(recipe: Recipe, text: str) -> Recipe:
    if recipe.region is None:
        raise Refused(f"{recipe.slug} trains the entire network and has no region")
    blocks = tuple(text.split(","))
    return replace(recipe, region=text if len(blocks) == 1 else blocks)


def _parsed(text: str, kind: Any) -> Any:
    """A value of a type, from its text.

    Raises:
        ValueError: if it is none, or values of the type cannot be written on a line.
    """
    choices = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    tried = [choice for choice in choices if _writable(choice)]
    for choice in tried:
        try:
            return _of(choice, text)
        except ValueError:
            continue
    if not tried:
        raise Refused("this is no plain value: change it in the study's file, or one of its parts")
    raise Refused(f"must be {' or '.join(map(_called, tried))}, got {text!r:.80}")


def _writable(kind: Any) -> bool:
    if get_origin(kind) in (tuple, list) or getattr(get_origin(kind), "__name__", "") == "Sequence":
        return _writable(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return any(map(_writable, get_args(kind)))
    return get_origin(kind) is Literal or kind in (int, float, bool, str, type(None))


def _of(kind: Any, text: str) -> Any:
    if kind is type(None) or kind is bool:
        words = {"none": None} if kind is type(None) else {"true": True, "false": False}
        if text.lower() not in words:
            raise ValueError
        return words[text.lower()]
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ValueError
        return text
    if get_origin(kind) in (Union, types.UnionType):
        return _of(next(filter(_writable, get_args(kind))), text)
    if get_origin(kind) is not None:
        return tuple(_of(get_args(kind)[0], part.strip()) for part in text.split(",") if part)
    return kind(text)


def _called(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    if get_origin(kind) in (Union, types.UnionType):
        return _called(next(filter(_writable, get_args(kind))))
    if get_origin(kind) is not None:
        return f"{_called(get_args(kind)[0])}, or several with commas between them"
    words = {int: "an integer", float: "a number", bool: "true or false", str: "a word"}
    return words.get(kind, "none")
