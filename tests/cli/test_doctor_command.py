"""`pptp doctor`."""

import json
from importlib.util import find_spec

import jax
import pytest
from invoking import pptp

from pptp_jax.cli import doctor
from pptp_jax.cli.doctor import EXTRAS


def test_devices_versions_and_extras() -> None:
    found = json.loads(pptp("doctor", "--json").stdout)
    assert found["versions"]["jax"] == jax.__version__
    assert len(found["devices"]) == jax.local_device_count()
    assert found["extras"] == {name: find_spec(EXTRAS[name][0]) is not None for name in EXTRAS}


def test_what_is_missing_is_said_with_its_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "search", ("no_such_module", "pptp search"))
    missing = [name for name, (module, _) in EXTRAS.items() if find_spec(module) is None]
    shown = pptp("doctor").stdout
    assert "search         missing    pptp search" in shown
    assert f"pip install 'pptp-jax[{','.join(missing)}]'" in shown and "search" in missing
    assert "accelerator    none" in shown
    assert all(len(line) <= 80 for line in shown.splitlines() if "pip install" not in line)


def test_extras_are_those_of_the_project() -> None:
    from importlib.metadata import metadata

    offered = set(metadata("pptp-jax").get_all("Provides-Extra") or ())
    assert offered - {"browser", "docs", "bench", "test"} == set(doctor.EXTRAS)
