"""A signal waits for the end of an epoch, where that is near."""

import signal
import time

import pytest

from pptp_jax.cli.interrupt import Interruption


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_waits_for_the_end_of_the_epoch(number: signal.Signals, code: int) -> None:
    before = signal.getsignal(number)
    with Interruption() as interruption:
        assert not interruption.requested()
        signal.raise_signal(number)
        assert interruption.requested() and interruption.exit_code == code
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert interruption.exit_code == code  # the first one's
    assert signal.getsignal(number) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_nothing_is_waited_for_where_no_epoch_ends() -> None:
    with Interruption() as interruption, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert interruption.exit_code == 143
    with Interruption(grace=0.05) as interruption:
        interruption.requested()
        time.sleep(0.1)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_an_epoch_that_takes_too_long_is_not_waited_for() -> None:
    with Interruption(grace=0.05) as interruption:
        interruption.requested()
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            time.sleep(10)
    assert interruption.exit_code == 143
