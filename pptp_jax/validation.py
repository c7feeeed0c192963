"""Checks of arguments, named after what they demand; each names the argument that fails.

A value that JAX is tracing cannot be looked at and passes; it was looked at when it was concrete.
"""

import difflib
import math
from collections.abc import Iterable


class Refused(ValueError):
    """What a user asked for cannot be; the message names what is wrong and what would be right.

    Errors of any other type are faults of the code, and nothing takes them for a refusal.
    """


class AttackUnavailable(Refused):
    """An attack cannot be made from the evidence at hand; the others can."""


def positive(**values: object) -> None:
    """Refuses numbers that are not finite and above zero.

    Examples:
        >>> positive(learning_rate=-1.0)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: learning_rate must be a finite number above 0, got -1.0
    """
    for name, value in values.items():
        if isinstance(value, int | float) and not 0 < value < math.inf:
            raise Refused(f"{name} must be a finite number above 0, got {value}")


def not_negative(**values: object) -> None:
    """Refuses numbers that are not finite or below zero.

    Examples:
        >>> not_negative(weight_decay=float("nan"))
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: weight_decay must be a finite number of at least 0, got nan
    """
    for name, value in values.items():
        if isinstance(value, int | float) and not 0 <= value < math.inf:
            raise Refused(f"{name} must be a finite number of at least 0, got {value}")


def fraction(**values: object) -> None:
    """Refuses numbers outside [0, 1].

    Examples:
        >>> fraction(momentum=1.5)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: momentum must lie between 0 and 1, got 1.5
    """
    for name, value in values.items():
        if isinstance(value, int | float) and not 0 <= value <= 1:
            raise Refused(f"{name} must lie between 0 and 1, got {value}")


def at_least(minimum: int, **values: object) -> None:
    """Refuses anything but whole numbers of at least `minimum`.

    Examples:
        >>> at_least(1, batch_size=0)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: batch_size must be a whole number of at least 1, got 0
    """
    for name, value in values.items():
        if isinstance(value, int | float) and not (isinstance(value, int) and value >= minimum):
            raise Refused(f"{name} must be a whole number of at least {minimum}, got {value}")


def one_of(options: Iterable[str], **values: str) -> None:
    """Refuses a name that is not among `options`, and shows the nearest that is.

    Examples:
        >>> one_of(["stem", "shallow"], region="shalow")
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: region 'shalow' is unknown; did you mean 'shallow'? Known: ...
    """
    known = list(options)
    for name, value in values.items():
        if value not in known:
            near = difflib.get_close_matches(str(value), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            listed = ", ".join(map(repr, known))
            raise Refused(f"{name} {value!r} is unknown{hint} Known: {listed}")


def several(**values: object) -> None:
    """Refuses a single thing where several are asked for.

    Examples:
        >>> several(attacks="loss")
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: attacks must be a tuple, as in attacks=(..., ...), got 'loss'
    """
    for name, value in values.items():
        if not isinstance(value, tuple | list):
            raise Refused(f"{name} must be a tuple, as in {name}=(..., ...), got {value!r}")
