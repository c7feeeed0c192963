"""What the fuzz of all commands shares."""

from typing import Any

import pytest

from pptp_jax.training import Probe, Strategy


@pytest.fixture
def no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run that measures nothing: that takes seconds, and its speed is not what is tested."""
    found = Probe(Strategy(order="scan"), {"scan": 1000.0, "vmap": 1000.0})

    def quick(model: Any, data: Any, **options: Any) -> Probe:
        return found

    monkeypatch.setattr("pptp_jax.training.fastest_strategy", quick)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command keeps for its user must not be the tester's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/nowhere")
