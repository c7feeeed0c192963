"""Optional packages, imported when they are needed."""

from importlib import import_module
from types import ModuleType


def extra(package: str, name: str) -> ModuleType:
    """A package of one of the extras, imported when it is first used.

    Args:
        package: what is imported.
        name: the extra that installs it.

    Raises:
        ImportError: if it is not installed; the message says how to install it.

    Examples:
        >>> extra("ggufff", "language")
        Traceback (most recent call last):
            ...
        ImportError: ggufff is not installed: python -m pip install "pptp-jax[language]"
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(
            f'{package} is not installed: python -m pip install "pptp-jax[{name}]"'
        ) from error
