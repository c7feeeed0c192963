"""An estimate's format is that of its numbers."""

import pytest

from pptp_jax.metrics import UNRESOLVED, Coarse, Estimate


@pytest.mark.parametrize("kind", [Estimate, Coarse])
def test_a_format_is_that_of_the_three_numbers(kind: type[Estimate]) -> None:
    assert f"{kind(0.25, -0.5, 1):+.1f}" == "+0.2 [-0.5, +1.0]"


def test_what_is_not_known_is_not_shown() -> None:
    assert f"{UNRESOLVED:.3f}" == "n/a"
    assert f"{Estimate(0.5, None, 1.0):.2f}" == "0.50"


def test_without_a_format_it_is_shown_by_its_names() -> None:
    assert f"{Estimate(0.5, 0.25, 1.0)}" == "Estimate(value=0.5, low=0.25, high=1.0)"
    assert f"{Coarse(0.5, 0.25, 1.0)!s}" == "Coarse(value=0.5, low=0.25, high=1.0)"


def test_a_format_of_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="format"):
        f"{Estimate(0.5, 0.25, 1.0):nonsense}"
