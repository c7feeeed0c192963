"""How many models fit a chip: groups are halved until they do, and the room is on a line."""

import importlib
from collections import Counter
from types import SimpleNamespace

import jax
import pytest

from pptp_jax.training.chip_program import ChipProgram, PhasePrograms
from pptp_jax.training.topology import ChipStrategy

module = importlib.import_module("pptp_jax.study.compile_for")
FIXED, EACH, PASSING, CHIP = 100, 8, 2, 165


class _Lowered:
    """A program whose memory grows with its models."""

    def __init__(self, what: str, models: int, exchanged: int = 0) -> None:
        self.what, self.models, self.exchanged = what, models, exchanged

    def as_text(self) -> str:
        return f"{self.what} of {self.models}"


def _analysed(program: _Lowered) -> ChipProgram:
    arguments = FIXED + EACH * program.models if program.what != "start" else 0
    temporaries = PASSING * program.models
    if arguments + temporaries > CHIP:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: it does not fit")
    return ChipProgram(
        bytes=float(program.models),
        operations=10.0 * program.models,
        arguments=arguments,
        results=0,
        temporaries=temporaries,
        code=0,
        collectives=Counter({"all-reduce": program.exchanged}),
        convolutions=0,
    )


def compiled_with(
    monkeypatch: pytest.MonkeyPatch, width: int, order="vmap", devices: int = 1, fixed=FIXED
):
    def lowered(fleet, strategy, models):
        a_chip = models // strategy.devices
        parts = ("start", 0), ("epoch", 2), ("step", 0)
        yield PhasePrograms(*(_Lowered(what, a_chip, exchanged) for what, exchanged in parts))

    monkeypatch.setattr(module, "lowered_programs", lowered)
    monkeypatch.setattr(module, "compiled", lambda program: program)
    monkeypatch.setattr(module, "analysed", _analysed)
    chips = tuple(SimpleNamespace(process_index=0, id=i) for i in range(devices))
    strategy = ChipStrategy(order=order, devices=devices, chips=chips)
    lines: list[str] = []
    return module._Compiler(log=lines.append).results(None, strategy, width, CHIP), lines


def test_groups_are_halved_until_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    found, lines = compiled_with(monkeypatch, 16)
    assert len(lines) == 2 and found["at_a_time"] == found["a_chip"] == 4
    assert found["memory"] == FIXED + 4 * (EACH + PASSING)
    # Every count that fits, one by one.
    fitting = [n for n in range(1, 20) if FIXED + n * (EACH + PASSING) <= CHIP]
    assert found["room"] == max(fitting) == 6
    assert found["step_bytes"] == found["step_of"] == 4
    assert found["collectives"] == {"all-reduce": 2}


def test_a_chip_has_its_share_and_a_turn_is_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    found, lines = compiled_with(monkeypatch, 8, order="scan", devices=4)
    assert not lines and found["a_chip"] == 2 and found["room"] == 6
    assert found["step_bytes"] == found["step_of"] == 1


def test_what_never_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.FIXED", 1000)
    found, lines = compiled_with(monkeypatch, 8, devices=2)
    assert found == {"fits": False, "at_a_time": 2}
    assert len(lines) == 2
