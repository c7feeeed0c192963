"""`experiments/generative_stability.py` in miniature."""

import importlib.util
from pathlib import Path
from types import ModuleType

import jax
import numpy as np
import pytest
from scipy.stats import norm

from pptp_jax.data import Arrays
from pptp_jax.models import discriminator_mlp, gan, generator_mlp
from pptp_jax.training import SGD


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = Path(__file__).parents[1] / "experiments" / "generative_stability.py"
    spec = importlib.util.spec_from_file_location("generative_stability", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(importlib.import_module("sys").modules, spec.name, module)
    spec.loader.exec_module(module)
    for name, number in {"PAIRS": 4, "POOL": 40, "MEMBERS": 20, "RESAMPLES": 20}.items():
        monkeypatch.setattr(module, name, number)
    small = gan(generator_mlp([4], module.SHAPE), discriminator_mlp([4]), module.CLASSES)
    monkeypatch.setattr(module, "network", lambda kind: small)
    return module


def test_trainings_of_a_pair_differ_by_the_replaced_digit_alone(study: ModuleType) -> None:
    digits = study.shuffled()
    pairs, data = study.Pairs.drawn(digits.y), Arrays.of(digits)
    assert (digits.y[pairs.replaced] == digits.y[pairs.instead]).all()
    assert ((pairs.members[:, 0] != pairs.members[:, 1]).sum(axis=1) == 1).all()
    for row, both, out, into in zip(
        pairs.membership.matrix, pairs.members, pairs.replaced, pairs.instead, strict=True
    ):
        assert set(both[0]) == set(np.flatnonzero(row))
        assert set(both[1]) == {*both[0], into} - {out}
    # The last pair has nothing replaced.
    members = pairs.members.copy()
    members[-1, 1] = members[-1, 0]
    rule = SGD(learning_rate=0.1, momentum=0.0, schedule="constant")
    given = pairs._replace(members=members), data, (2, 4), rule, 20
    [(_, _, early), (_, end, seen)] = study.trained("GAN", *given)
    for player in ("discriminator", "generator"):
        assert seen.apart[player].shape == (4, 4)
        assert (seen.apart[player][-1] == 0).all() and (seen.relative[player] < 1).all()
        np.testing.assert_array_equal(seen.apart[player][:, :2], early.apart[player])
        leaves = jax.tree.leaves(end.params[player])
        naive = sum(
            np.square(np.subtract(leaf[:, 0], leaf[:, 1])).reshape(4, -1).sum(1) for leaf in leaves
        )
        np.testing.assert_allclose(seen.apart[player][:, -1], np.sqrt(naive), rtol=1e-4)
    # The generator sees no digit: it follows a step later.
    assert (seen.apart["discriminator"][:-1] > 0).all()
    assert (seen.apart["generator"][:, 0] == 0).all()
    assert (seen.apart["generator"][:-1, 1:] > 0).all()


def test_changes_of_a_score_foretell_the_attack(study: ModuleType, monkeypatch) -> None:
    """Scores that are Gaussian, and larger by 1.5 of their spread where a digit was learned."""
    monkeypatch.setattr(study, "PAIRS", 40)
    monkeypatch.setattr(study, "POOL", 200)
    monkeypatch.setattr(study, "MEMBERS", 100)
    pairs, rng = study.Pairs.drawn(np.arange(200) % 10), np.random.default_rng(0)
    learned = np.zeros((40, 2, 200))
    for pair, both in enumerate(pairs.members):
        for side in (0, 1):
            learned[pair, side, both[side]] = 1
    shared = rng.normal(size=(40, 1, 200))
    found = study.of_score(3 * (shared + 1.5 * learned), pairs)
    assert found["effect"]["value"] == pytest.approx(1.5, abs=0.1)
    assert found["others"] == 0
    assert found["foretold"]["value"] == pytest.approx(norm.cdf(1.5 / 2**0.5), abs=0.02)
    assert found["lira"]["value"] == pytest.approx(found["foretold"]["value"], abs=0.03)


def test_orders_of_growth_are_found(study: ModuleType) -> None:
    steps = np.arange(1.0, 21.0)
    found = study.order(np.stack([steps**2, 3 * steps**2]))
    assert found["value"] == pytest.approx(2) and found["low"] == pytest.approx(2)
