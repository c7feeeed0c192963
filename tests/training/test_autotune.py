"""The probe: what it times, and that the fastest wins."""

import numpy as np
import pytest

from pptp_jax.data import Arrays, Digits
from pptp_jax.models import mlp
from pptp_jax.training import Strategy, autotune, fastest_strategy

MODEL = mlp([8], num_classes=10)
DATA = Arrays.of(Digits().load(lambda n: np.arange(100)))


@pytest.mark.parametrize("seconds", [{"vmap": 1.0, "scan": 2.0}, {"vmap": 4.0, "scan": 0.5}])
def test_the_fastest_wins(monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float]) -> None:
    monkeypatch.setattr(autotune, "_seconds", lambda *args: seconds[args[-1].order])
    found = fastest_strategy(MODEL, DATA, batch_size=50, models=5, devices=2)
    assert found.strategy == Strategy(order=min(seconds, key=seconds.__getitem__), devices=2)
    # Six models of four steps of 50 examples: the devices share them in equal parts.
    assert found.speeds == {order: 1200 / second for order, second in seconds.items()}


def test_both_orders_are_timed_on_what_is_there() -> None:
    # A batch larger than the data, which a study would refuse.
    found = fastest_strategy(MODEL, DATA, batch_size=150, models=2)
    assert found.speeds.keys() == {"vmap", "scan"}
    assert all(speed > 0 for speed in found.speeds.values())


def test_a_network_that_fills_the_device_is_timed_in_small_portions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def portion(order: str, limit: float, fitting: int = 16) -> tuple[int, int]:
        monkeypatch.setattr(autotune, "_WORK_CPU", limit)
        monkeypatch.setattr(autotune, "fitting_chunk", lambda *args, **kwargs: fitting)
        return autotune._portion(MODEL, DATA, 50, 16, Strategy(order=order))

    # Two matrix products, and their gradients; the activations and biases are a rest.
    step = autotune._work(MODEL, DATA, 50)
    assert 1 < step / (3 * 2 * 50 * (64 * 8 + 8 * 10)) < 1.2
    for order in ("vmap", "scan"):
        assert portion(order, 100 * step) == (16, 4)
        assert portion(order, 20 * step) == (5, 4)
        assert portion(order, 3 * step) == (3, 1)
        assert portion(order, step / 9) == (2, 1)
        assert portion(order, 100 * step, fitting=3) == (3, 4)
        assert portion(order, step, fitting=1) == (1, 1)


def test_bad_numbers() -> None:
    with pytest.raises(ValueError, match="models must be an integer of at least 1, got 0"):
        fastest_strategy(MODEL, DATA, models=0)
