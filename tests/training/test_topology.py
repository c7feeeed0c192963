"""Chips that are not there: names, shares and the form of an error; nothing is compiled."""

import pytest

from pptp_jax.training import topology as module
from pptp_jax.training.topology import ChipStrategy, Topology, topology


class _Chip:
    """As much of a device as its order needs."""

    device_kind = "TPU v0"

    def __init__(self, number: int, host: int) -> None:
        self.id, self.process_index = number, host


def test_hosts_have_their_chips() -> None:
    chips = tuple(_Chip(number, number % 2) for number in range(4))
    pod = Topology("v0:2x2", chips)
    assert [[chip.id for chip in host] for host in pod.hosts] == [[0, 2], [1, 3]]
    assert pod.kind == "TPU v0"


def test_too_few_chips() -> None:
    chips = tuple(_Chip(number, 0) for number in range(4))
    assert ChipStrategy(devices=2, data_devices=2, chips=chips).filled(3) == 4
    with pytest.raises(ValueError, match="at most the 4 chips, got 4 times 2"):
        ChipStrategy(devices=4, data_devices=2, chips=chips)


def test_without_libtpu_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'pip install "pptp-jax\[tpu\]"'):
        topology("v5e:2x2")


@pytest.mark.tpu
def test_an_unknown_kind_is_refused_with_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no topology 'v9:2x2'; topologies are v5e:2x2, .*v9"):
        topology("v9:2x2")
