"""Checks of arguments; each message names the argument that fails.

A number of NumPy or JAX is checked as the Python number that it holds, an array by its entries. A
value that JAX is tracing cannot be looked at and passes; it was looked at when it was concrete. So
does what JAX puts in a number's place, such as its shape, and a schedule.
"""

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from numbers import Number
from typing import Any

from pptp_jax.validation.near_names import near_names

# Training computes in float32: what lies beyond is infinite there, or zero.
_LEAST, _LARGEST = 2.0**-126, (2 - 2.0**-23) * 2.0**127


class Refused(ValueError):
    """A user's request is invalid; the message names what is wrong and what would be right.

    Errors of any other type are faults of the code, and nothing takes them for a refusal.
    """


class AttackUnavailable(Refused):
    """An attack cannot be run on the given evidence; others can."""


def positive(**values: object) -> None:
    """Refuses anything but finite numbers above zero, in single precision.

    Examples:
        >>> positive(learning_rate=-1.0)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: learning_rate must be a finite number above 0, got -1.0
        >>> positive(max_norm=1e-50)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: max_norm must be a finite number above 0, got 1e-50, which ...
    """
    _demand("a finite number above 0", lambda number: 0 < number < math.inf, values)
    _demand(
        "a finite number above 0",
        lambda number: _LEAST <= number <= _LARGEST,
        values,
        f", which float32 does not hold: it holds {_LEAST:.2g} to {_LARGEST:.2g}",
    )


def not_negative(**values: object) -> None:
    """Refuses anything but finite numbers of at least zero, in single precision.

    Examples:
        >>> not_negative(weight_decay=float("nan"))
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: weight_decay must be a finite number of at least 0, got nan
    """
    _demand("a finite number of at least 0", lambda number: 0 <= number <= _LARGEST, values)


def finite(**values: object) -> None:
    """Refuses anything but finite numbers, in single precision.

    Examples:
        >>> finite(low=None)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: low must be a finite number, got None
    """
    _demand("a finite number", lambda number: -_LARGEST <= number <= _LARGEST, values)


def fraction(**values: object) -> None:
    """Refuses anything but numbers in [0, 1].

    Examples:
        >>> fraction(momentum=1.5)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: momentum must lie between 0 and 1, got 1.5
    """
    _demand("between 0 and 1", lambda number: 0 <= number <= 1, values, verb="lie")


def at_least(minimum: int, **values: object) -> None:
    """Refuses anything but integers of at least `minimum`.

    Examples:
        >>> at_least(1, batch_size=0)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: batch_size must be an integer of at least 1, got 0
    """
    _demand(
        f"an integer of at least {minimum}",
        lambda number: isinstance(number, int) and number >= minimum,
        values,
    )


def given(**values: object) -> dict[str, object]:
    """The arguments that are not None, for checks of numbers that may be left out.

    Examples:
        >>> at_least(1, **given(examples=None))
    """
    return {name: value for name, value in values.items() if value is not None}


def python_number(value: Any) -> Any:
    """The Python number that a number of NumPy or JAX holds; anything else as it is.

    Examples:
        >>> import numpy as np
        >>> python_number(np.int64(3)), python_number(np.float32(0.5)), python_number("3")
        (3, 0.5, '3')
    """
    return value.item() if _is_array(value) and value.ndim == 0 else value


def with_python_numbers(settings: Any) -> Any:
    """The same settings with Python's numbers in place of NumPy's and JAX's.

    Records, fingerprints and compiled programs are then those of the Python numbers. It looks into
    dataclasses, tuples, lists and mappings; what holds no such number is returned as it is.

    Examples:
        >>> import numpy as np
        >>> with_python_numbers({"seed": np.int64(0), "widths": (np.int64(8), 4)})
        {'seed': 0, 'widths': (8, 4)}
    """
    if is_dataclass(settings) and not isinstance(settings, type):
        changed = _changed({f.name: getattr(settings, f.name) for f in fields(settings) if f.init})
        return replace(settings, **changed) if changed else settings
    if isinstance(settings, Mapping):
        changed = _changed(settings)
        return {**settings, **changed} if changed else settings
    if isinstance(settings, tuple | list):
        changed = _changed(dict(enumerate(settings)))
        parts = [changed.get(i, part) for i, part in enumerate(settings)]
        make = getattr(settings, "_make", type(settings))  # of a named tuple
        return make(parts) if changed else settings
    return python_number(settings)


def keep_python_numbers(settings: Any) -> None:
    """Does what `with_python_numbers` does in place, as a frozen dataclass is made."""
    for name, value in _changed(
        {f.name: getattr(settings, f.name) for f in fields(settings)}
    ).items():
        object.__setattr__(settings, name, value)


def one_of(options: Iterable[str], **values: object) -> None:
    """Refuses a name that is not among `options`, and shows the nearest that is.

    Examples:
        >>> one_of(["stem", "shallow"], region="shalow")
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: region 'shalow' is unknown; did you mean 'shallow'? Known: ...
    """
    known = list(options)
    for name, value in values.items():
        if not isinstance(value, str) or value not in known:
            near = near_names(str(value), known)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            listed = ", ".join(map(repr, known))
            raise Refused(f"{name} {_shown(value)} is unknown{hint} Known: {listed}")


def several(**values: object) -> None:
    """Refuses a single thing where several are expected.

    Examples:
        >>> several(attacks="loss")
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: attacks must be a tuple, as in attacks=(..., ...), got 'loss'
    """
    for name, value in values.items():
        if not isinstance(value, tuple | list):
            raise Refused(f"{name} must be a tuple, as in {name}=(..., ...), got {_shown(value)}")


def _demand(
    what: str,
    holds: Callable[[Any], bool],
    values: Mapping[str, object],
    why: str = "",
    *,
    verb: str = "be",
) -> None:
    for name, value in values.items():
        numbers = _entries(value)
        if numbers is not None and not (numbers and all(_real(n) and holds(n) for n in numbers)):
            raise Refused(f"{name} must {verb} {what}, got {_shown(value)}{why}")


def _changed(parts: Mapping[Any, Any]) -> dict[Any, Any]:
    """Those of the parts that hold a number of NumPy or JAX, with Python's in its place."""
    now = {name: with_python_numbers(part) for name, part in parts.items()}
    return {name: part for name, part in now.items() if part is not parts[name]}


def _entries(value: object) -> list[Any] | None:
    """What a value holds, one by one; None if it cannot be looked at."""
    if _is_array(value):
        return sys.modules["numpy"].ravel(value).tolist()
    if isinstance(value, Number | str | bytes | list | tuple | Mapping | type | None):
        return [value]
    return None


def _is_array(value: Any) -> bool:
    # Without NumPy and JAX there are no arrays of theirs, and the command line loads neither.
    numpy, jax = sys.modules.get("numpy"), sys.modules.get("jax")
    if numpy is not None and isinstance(value, numpy.generic | numpy.ndarray):
        return True
    return (
        jax is not None
        and isinstance(value, jax.Array)
        and not isinstance(value, jax.core.Tracer)
        and value.is_fully_addressable
        and not jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key)
    )


def _shown(value: object) -> str:
    """A value on one line, and not too long."""
    try:
        text = " ".join(repr(python_number(value)).split())
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return "a number of more than 4,300 digits"
    return text if len(text) <= 200 else f"{text[:200]} ..."


def _real(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool)
