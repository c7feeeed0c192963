"""Load a study from a Python file, and narrow it."""

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from pptp_jax.data import moved
from pptp_jax.study.config import Study
from pptp_jax.study.load import load_defined
from pptp_jax.validation import one_of

# The study that comes with the package, by the name under which commands take it.
EMBEDDED = "quickstart"


def load_study(path: Path) -> Study:
    """Runs a Python file and takes its `study`.

    Args:
        path: the file, or `quickstart` for the study that comes with the package.

    Raises:
        ValueError: if there is no such file, it fails, or it has no study.
    """
    if path == Path(EMBEDDED) and not path.exists():
        return import_module(f"pptp_jax.study.{EMBEDDED}").study
    return load_defined(path, "study", Study, embedded=EMBEDDED)


def narrowed(
    study: Study, data: Path | None, recipes: Sequence[str], compared: str | None = None
) -> Study:
    """A study with its data at another place, some of its recipes alone, or another comparison.

    Args:
        study: the study.
        data: where the data lie; None leaves them where they are.
        recipes: names or slugs of recipes; none leaves them all.
        compared: the attack by which recipes are compared; None leaves it.

    Raises:
        ValueError: if the data take no path, the study has no such recipe, or there is no such
            attack.
    """
    if compared is not None:
        study = replace(study, compared=compared)
    if data is not None:
        study = replace(study, data=moved(study.data, data))
    if recipes:
        for recipe in recipes:
            one_of(recipe_names(study), recipe=recipe)
        chosen = tuple(r for r in study.recipes if r.name in recipes or r.slug in recipes)
        study = replace(study, recipes=chosen)
    return study


def recipe_names(study: Study) -> list[str]:
    """The names by which `narrowed` knows a study's recipes: that of the method, and the slug."""
    return list(dict.fromkeys(part for r in study.recipes for part in (r.name, r.slug)))
