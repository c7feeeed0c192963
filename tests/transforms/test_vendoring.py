"""Regions and transforms can be copied into another project: they import nearly nothing."""

import ast
import sys
from pathlib import Path

import pytest

import pptp_jax

ROOT = Path(pptp_jax.__file__).parent
ALLOWED = {
    "regions": (
        "jax",
        "jaxtyping",
        "numpy",
        "optax",
        "pptp_jax.pytree",
        "pptp_jax.regions",
        "pptp_jax.validation",
    ),
    "transforms": (
        "jax",
        "jaxtyping",
        "optax",
        "pptp_jax.regions",
        "pptp_jax.transforms",
        "pptp_jax.validation",
    ),
}


@pytest.mark.parametrize("package", ALLOWED)
def test_imports(package: str) -> None:
    for file in (ROOT / package).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            for name in names:
                known = name.split(".")[0] in sys.stdlib_module_names or any(
                    name == allowed or name.startswith(f"{allowed}.")
                    for allowed in ALLOWED[package]
                )
                assert known, f"{file.name} imports {name}"
