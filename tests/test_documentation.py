"""What the documentation shows is what happens, under JAX's default promotion as users have it."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import jax
import pytest

from pptp_jax import regions, transforms

pytestmark = pytest.mark.usefixtures("compile_in_haste")
MODULES = [
    module.name
    for package in (regions, transforms)
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
]
PAGES = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))


@pytest.mark.parametrize("module", MODULES)
def test_docstrings(module: str) -> None:
    with jax.numpy_dtype_promotion("standard"):
        assert doctest.testmod(importlib.import_module(module)).failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages(page: Path) -> None:
    with jax.numpy_dtype_promotion("standard"):
        failed, tried = doctest.testfile(str(page), module_relative=False)
    assert tried and not failed


def test_every_public_name_has_an_example() -> None:
    for package in (regions, transforms):
        for name in package.__all__:
            public = getattr(package, name)
            # Constants need none, nor states, which no caller makes, nor what only types name.
            if callable(public) and not name.endswith("State") and name not in NAMED_ALONE:
                assert ">>>" in public.__doc__, name


NAMED_ALONE = {"Block", "Regions", "Size"}


def test_public_names_are_in_alphabetical_order() -> None:
    for package in (regions, transforms):
        constants = [name for name in package.__all__ if name.isupper()]
        classes = [name for name in package.__all__ if not (name.isupper() or name[0].islower())]
        functions = [name for name in package.__all__ if name[0].islower()]
        assert package.__all__ == sorted(constants) + sorted(classes) + sorted(functions)
