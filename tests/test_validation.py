"""Every check lets the good pass, and names the argument that fails."""

import jax
import numpy as np
import pytest

from pptp_jax import validation


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


def test_whole_numbers() -> None:
    validation.at_least(2, models=2)
    for value in (1, 2.0, -3):
        with pytest.raises(ValueError, match="models must be a whole number of at least 2"):
            validation.at_least(2, models=value)


def test_what_is_being_traced_passes() -> None:
    def traced(x: jax.Array) -> jax.Array:
        validation.positive(x=x)
        validation.fraction(x=x)
        return x

    assert jax.jit(traced)(-1.0) == -1.0


def test_a_far_name_gets_no_hint() -> None:
    with pytest.raises(ValueError, match=r"region 'xyz' is unknown\. Known: 'stem'"):
        validation.one_of(["stem"], region="xyz")
