"""Signals that are taken of models themselves, at the stops on the way as at the end."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_fleets import spec_of

from pptp_jax.fleets import Runtime, StoredFleet, run_fleet
from pptp_jax.signals import GRADIENT_NORMS
from pptp_jax.training import SGD, undefended

pytestmark = pytest.mark.usefixtures("compile_in_haste")


def test_gradients_at_a_stop_are_those_of_networks_that_end_there(tmp_path: Path) -> None:
    def trained(epochs: int, stops: tuple[int, ...], home: str) -> StoredFleet:
        spec = spec_of(undefended(epochs), stops=stops, optimizer=SGD(schedule="constant"))
        norms = replace(GRADIENT_NORMS, at="stops")
        return run_fleet(replace(spec, signals=(norms,)), tmp_path / home, Runtime())

    along = trained(3, (1, 2), "along")
    assert list(along) == [1, 2, 3]
    for epochs in (1, 2):
        alone = trained(epochs, (), str(epochs)).end
        np.testing.assert_allclose(
            along[epochs]["gradient_norms"], alone["gradient_norms"], rtol=1e-5, atol=1e-7
        )
    assert not np.array_equal(along[1]["gradient_norms"], along[2]["gradient_norms"])
