"""Every check lets the good pass, and names the argument that fails."""

from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax import validation
from pptp_jax.validation import Refused


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (validation.positive, [1e-9, 5], [0, -1, np.inf, np.nan]),
        (validation.not_negative, [0, 0.5], [-1e-9, np.inf, np.nan]),
        (validation.fraction, [0, 0.5, 1], [-0.1, 1.1, np.nan]),
    ],
)
def test_numbers(check, good, bad) -> None:
    for value in good:
        check(width=value)
    for value in bad:
        with pytest.raises(ValueError, match="width must"):
            check(width=value)


FORMS = {
    "python": lambda number: number,
    "numpy": lambda number: np.asarray(number)[()],
    "float32": np.float32,
    "array": np.asarray,
    "stack": lambda number: np.array([0.5, number]),
    "jax": jnp.asarray,
    "bfloat16": lambda number: jnp.asarray(number, jnp.bfloat16),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_numbers_of_numpy_and_jax_are_checked_as_those_of_python(form) -> None:
    for check in (validation.positive, validation.not_negative, validation.fraction):
        check(width=form(0.5))
        for bad in (-1.0, np.nan, np.inf):
            with pytest.raises(Refused, match="width must"):
                check(width=form(bad))


@pytest.mark.parametrize("form", [np.int64, np.uint8, np.asarray, jnp.asarray])
def test_counts_of_numpy_and_jax_are_checked_as_those_of_python(form) -> None:
    validation.at_least(2, models=form(2))
    for bad in (form(1), np.float64(2.0), np.bool_(True), jnp.array(3.0)):
        with pytest.raises(Refused, match="models must be an integer of at least 2, got"):
            validation.at_least(2, models=bad)


@pytest.mark.parametrize("bad", ["0.5", None, True, (0.5,), {}, 0.5j, np.array([]), np.str_("1")])
def test_what_is_no_number_is_refused(bad) -> None:
    checks = [validation.positive, validation.not_negative, validation.finite, validation.fraction]
    for check in (*checks, partial(validation.at_least, 1)):
        with pytest.raises(Refused, match="width must"):
            check(width=bad)


def test_the_message_shows_the_number_itself() -> None:
    with pytest.raises(Refused, match=r"got -1\.0$"):
        validation.positive(width=np.float32(-1))
    with pytest.raises(Refused, match=r"got '3'$"):
        validation.at_least(1, models="3")


@pytest.mark.parametrize("number", [1e-50, 1e-40, 1e39, 10**400])
def test_what_single_precision_cannot_hold_is_not_positive(number) -> None:
    with pytest.raises(Refused, match=r"above 0, got 1.*, which float32 does not hold: it holds"):
        validation.positive(width=number)


def test_what_may_be_left_out() -> None:
    assert validation.given(a=None, b=0) == {"b": 0}


@dataclass(frozen=True)
class Inner:
    rate: object
    twice: object = field(init=False, default=None)


@dataclass(frozen=True)
class Outer:
    seed: object
    parts: object
    names: object = ("a",)

    def __post_init__(self) -> None:
        validation.keep_python_numbers(self)


class Pair(NamedTuple):
    left: object
    right: object


def test_settings_hold_the_numbers_of_python() -> None:
    given = Outer(np.int64(3), {"inner": (Inner(np.float32(0.5)), Pair(jnp.array(2), [np.True_]))})
    assert given == Outer(3, {"inner": (Inner(0.5), Pair(2, [True]))})
    assert type(given.seed) is int
    inner, pair = given.parts["inner"]
    assert [type(inner.rate), type(pair.left), type(pair.right[0])] == [float, int, bool]


def test_settings_without_such_numbers_are_the_same_object() -> None:
    stack = np.ones(3)
    settings = Outer(3, {"inner": (Inner(0.5), Pair(stack, None))})
    assert validation.with_python_numbers(settings) is settings


def test_a_name_is_a_word() -> None:
    for value in (np.array(["stem", "head"]), None, ["stem"]):
        with pytest.raises(Refused, match=r"region .* is unknown"):
            validation.one_of(["stem"], region=value)


def test_integers() -> None:
    validation.at_least(2, models=2)
    for value in (1, 2.0, -3):
        with pytest.raises(ValueError, match="models must be an integer of at least 2"):
            validation.at_least(2, models=value)


def test_what_is_being_traced_passes() -> None:
    def traced(x: jax.Array) -> jax.Array:
        validation.positive(x=x)
        validation.fraction(x=x)
        return x

    assert jax.jit(traced)(-1.0) == -1.0


def test_what_jax_puts_in_the_place_of_a_number_passes() -> None:
    validation.positive(x=jax.ShapeDtypeStruct((), "float32"), y=object())


def test_a_far_name_gets_no_hint() -> None:
    with pytest.raises(ValueError, match=r"region 'xyz' is unknown\. Known: 'stem'"):
        validation.one_of(["stem"], region="xyz")


@pytest.mark.parametrize("name", ["ste", "STEM", "setm", "Stemm"])
def test_a_near_name_is_hinted_at(name: str) -> None:
    with pytest.raises(ValueError, match=rf"region '{name}' is unknown; did you mean 'stem'\? Kn"):
        validation.one_of(["head", "stem"], region=name)


@pytest.mark.parametrize("name", ["", "s", "st"])
def test_a_few_letters_are_no_beginning(name: str) -> None:
    with pytest.raises(ValueError, match=rf"region '{name}' is unknown\. Known: 'shallow'"):
        validation.one_of(["shallow", "stemming"], region=name)
