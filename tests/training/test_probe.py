"""The probe: what it times, and that the fastest wins."""

import numpy as np
import pytest

from pptp_jax.data import Digits
from pptp_jax.models import mlp
from pptp_jax.training import Arrays, Strategy, fastest_strategy, probe

MODEL = mlp([8], num_classes=10)
DATA = Arrays.of(Digits().load(lambda n: np.arange(100)))


@pytest.mark.parametrize("seconds", [{"vmap": 1.0, "scan": 2.0}, {"vmap": 4.0, "scan": 0.5}])
def test_the_fastest_wins(monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float]) -> None:
    monkeypatch.setattr(probe, "_seconds", lambda *args: seconds[args[-1].order])
    found = fastest_strategy(MODEL, DATA, batch_size=50, models=5, devices=2)
    assert found.strategy == Strategy(order=min(seconds, key=seconds.__getitem__), devices=2)
    # Six models of four steps of 50 examples: the devices share them in equal parts.
    assert found.speeds == {order: 1200 / second for order, second in seconds.items()}


def test_both_orders_are_timed_on_what_is_there() -> None:
    # A batch larger than the data, which a study would refuse.
    found = fastest_strategy(MODEL, DATA, batch_size=150, models=2)
    assert found.speeds.keys() == {"vmap", "scan"}
    assert all(speed > 0 for speed in found.speeds.values())


def test_bad_numbers() -> None:
    with pytest.raises(ValueError, match="models must be a whole number of at least 1, got 0"):
        fastest_strategy(MODEL, DATA, models=0)
