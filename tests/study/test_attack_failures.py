"""What an attack cannot be made from becomes a note; a fault of its code does not."""

import numpy as np
import pytest

from pptp_jax.attacks import ATTACKS, Attack
from pptp_jax.audit import audit_signals
from pptp_jax.data import Balanced
from pptp_jax.evaluation.attack_fleet import attacked
from pptp_jax.fleets import FleetSignals
from pptp_jax.validation import Refused

DRAWN = Balanced(4).draw(20, 0)
PHI = np.random.default_rng(0).normal(size=(4, 1, 20)).astype(np.float32)
FLEET = FleetSignals({"confidence": PHI, "utility": PHI[:, 0] > 0, "finite": np.ones(4, bool)})


def in_a_study(name: str) -> list[str]:
    return attacked(FLEET, DRAWN, (name,)).notes


def in_an_audit(name: str) -> list[str]:
    found = audit_signals(
        {"confidence": PHI},
        DRAWN.matrix,
        attacks=[*dict.fromkeys((name, "correctness", "loss"))],
        resamples=5,
    )
    return found["rows"][0]["notes"]


@pytest.mark.parametrize("run", [in_a_study, in_an_audit])
def test_too_few_shadows_are_a_note(run) -> None:
    assert run("lira_online")[0].startswith("lira_online: this attack needs at least 2 IN shadows")


@pytest.mark.parametrize("error", [ValueError, Refused, TypeError, IndexError])
@pytest.mark.parametrize("run", [in_a_study, in_an_audit])
def test_a_fault_of_the_code_is_no_note(run, error: type[Exception], monkeypatch) -> None:
    def broken(evidence: object) -> None:
        raise error("operands could not be broadcast together")

    made = Attack(
        name="loss", title="", access="scores", reads=("confidence",), source="", function=broken
    )
    monkeypatch.setitem(ATTACKS, "loss", made)
    with pytest.raises(error, match="could not be broadcast"):
        run("loss")


def test_a_fleet_of_which_every_model_diverged_is_not_attacked() -> None:
    diverged = FleetSignals({**FLEET, "finite": np.zeros(4, bool)})
    seen = attacked(diverged, DRAWN, ("loss", "lira_online", "attack_r"))
    assert not seen.scores and not len(seen.targets)
