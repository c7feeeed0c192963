"""Attacks against their naive twins, against known ROCs, and against themselves."""

import jax
import jax.numpy as jnp
import naive
import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm

from pptp_jax import attacks
from pptp_jax.attacks import ATTACKS, attack_targets
from pptp_jax.data import Balanced
from pptp_jax.metrics import attack_metrics, auc, roc


def fleet(models: int, examples: int, queries: int = 1, gap: float = 1.0, seed: int = 0):
    """Synthetic signals: every example has a level of its own, members lie `gap` above it."""
    rng = np.random.default_rng(seed)
    membership = Balanced(models).draw(examples, seed).matrix
    level = rng.normal(size=(1, queries, examples)) * 2
    noise = rng.normal(size=(models, queries, examples))
    return (level + noise + gap * membership[:, None]).astype(np.float32), membership


SIGNALS, MEMBERSHIP = fleet(8, 60, queries=2)


def check(score: jax.Array, known: np.ndarray, tolerance: float = 1e-4) -> None:
    assert score.shape == (60,)
    np.testing.assert_allclose(score, known, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("target", [0, 5])
def test_loss(target: int) -> None:
    known = naive.loss(np.float64(SIGNALS), MEMBERSHIP, target)
    check(attacks.loss(jnp.array(SIGNALS), MEMBERSHIP, target), known)


@pytest.mark.parametrize("target", [0, 5])
@pytest.mark.parametrize("variance", ["global", "per_example"])
@pytest.mark.parametrize("name", ["lira_online", "lira_offline"])
def test_lira(name: str, variance: str, target: int) -> None:
    known = getattr(naive, name)(np.float64(SIGNALS), MEMBERSHIP, target, variance == "per_example")
    ours = ATTACKS[name](jnp.array(SIGNALS), MEMBERSHIP, target, variance=variance)
    check(ours, known, 1e-3)


@pytest.mark.parametrize("variance", ["global", "per_example"])
@pytest.mark.parametrize("name", ["lira_online", "lira_offline"])
def test_lira_as_published(name: str, variance: str) -> None:
    known = naive.published_lira(
        np.float64(SIGNALS), MEMBERSHIP, 3, variance == "global", name == "lira_online"
    )
    ours = ATTACKS[name](
        jnp.array(SIGNALS), MEMBERSHIP, 3, variance=variance, reference_compat=True
    )
    check(ours, known, 1e-3)


@pytest.mark.parametrize("models", [62, 64])
def test_the_variance_is_each_examples_own_from_64_models_up(models: int) -> None:
    signals, membership = fleet(models, 10)
    run = attacks.lira_online
    auto, own, pooled = (
        run(jnp.array(signals), membership, 0, variance=v)
        for v in ("auto", "per_example", "global")
    )
    np.testing.assert_array_equal(auto, own if models == 64 else pooled)


@pytest.mark.parametrize("gamma", [1.0, 2.0])
@pytest.mark.parametrize("population", [None, np.arange(0, 60, 3)])
@pytest.mark.parametrize("name", ["rmia_online", "rmia_offline"])
def test_rmia_by_sorting_is_rmia_by_pairs(name: str, population, gamma: float) -> None:
    known = getattr(naive, name)(
        np.float64(SIGNALS), MEMBERSHIP, 2, gamma=gamma, population=population
    )
    ours = ATTACKS[name](jnp.array(SIGNALS), MEMBERSHIP, 2, gamma=gamma, population=population)
    # With γ = 1 an example meets itself as z; rounding decides over that one comparison.
    check(ours, known, 1.01 / (60 if population is None else 20) if gamma == 1.0 else 1e-6)


def test_rmia_tells_confidences_apart_that_a_probability_would_round_to_one() -> None:
    signals = np.float32([[[18.0, 20.0, 22.0]], [[5.0] * 3], [[5.0] * 3]])
    membership = np.array([[True] * 3, [True] * 3, [False] * 3])
    assert (np.float32(expit(signals[0])) == 1).all()
    score = attacks.rmia_online(jnp.array(signals), membership, 0, gamma=1.0)
    signals[0, 0] -= 30
    low = attacks.rmia_online(jnp.array(signals), membership, 0, gamma=1.0)
    np.testing.assert_array_equal(score, low)
    np.testing.assert_allclose(np.unique(low), [1 / 3, 2 / 3, 1])


@pytest.mark.parametrize("name", ["lira_online", "rmia_online"])
def test_known_gaussians_give_their_known_roc(name: str) -> None:
    """Where all examples share one level, the best test is φ itself: AUC Φ(gap/√2)."""
    rng = np.random.default_rng(1)
    membership = Balanced(64).draw(1000, 0).matrix
    signals = np.float32(rng.normal(size=(64, 1, 1000)) + 1.5 * membership[:, None])
    targets = range(0, 64, 8)
    scores = attack_targets(ATTACKS[name], signals, membership, targets)
    found = attack_metrics(scores, membership[list(targets)])
    # The fits come from 31 shadows of either kind, which costs a little of the ideal.
    ideal = norm.cdf(1.5 / np.sqrt(2))
    assert ideal - 0.03 < found["auc"].value < ideal + 0.01
    ideal_tpr = norm.sf(norm.isf(0.01) - 1.5)
    assert ideal_tpr - 0.06 < found["tpr@0.01"].value < ideal_tpr + 0.03


def test_lira_with_many_shadows_is_the_likelihood_ratio() -> None:
    signals, membership = fleet(400, 30, gap=1.0)
    own = signals[0, 0]
    level = np.where(membership, signals[:, 0] - 1, signals[:, 0])[1:].mean(0)
    ideal = norm.logpdf(own, level + 1) - norm.logpdf(own, level)
    ours = attacks.lira_online(jnp.array(signals), membership, 0, variance="global")
    np.testing.assert_allclose(ours, ideal, atol=0.5)


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_nothing_leaks_into_the_attack(name: str) -> None:
    """Signals that know nothing of membership give AUC .5 within the interval."""
    signals, membership = fleet(16, 1000, gap=0.0, seed=3)
    found = attack_metrics(
        attack_targets(ATTACKS[name], signals, membership, range(16)), membership
    )
    assert found["auc"].low < 0.5 < found["auc"].high


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_a_silent_target_is_not_given_away_by_its_shadows(name: str) -> None:
    """Leaky shadows against a target that says the same of everything.

    In a balanced fleet a member of the target has one IN shadow fewer than a non-member; an attack
    that weighs shadows by their number would see that.
    """
    signals, membership = fleet(16, 2000, gap=4.0, seed=4)
    aucs = []
    for target in range(16):
        silent = signals.copy()
        silent[target] = 0.0
        score = np.asarray(ATTACKS[name](jnp.array(silent), jnp.array(membership), target))
        aucs.append(auc(roc(score, membership[target])))
    spread = np.std(aucs) / 4
    assert abs(np.mean(aucs) - 0.5) < 3 * spread + 0.002, (np.mean(aucs), spread)


def test_a_plain_mean_over_all_shadows_would_give_a_silent_target_away() -> None:
    """Why RMIA weighs IN and OUT shadows alike here."""
    signals, membership = fleet(16, 2000, gap=4.0, seed=4)
    p = expit(np.float64(signals[:, 0]))
    plain = [
        auc(roc(0.5 / np.delete(p, target, axis=0).mean(axis=0), membership[target]))
        for target in range(16)
    ]
    assert np.mean(plain) > 0.53


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_order_does_not_matter(name: str) -> None:
    rng = np.random.default_rng(5)
    models, examples = rng.permutation(8), rng.permutation(60)
    straight = ATTACKS[name](jnp.array(SIGNALS), MEMBERSHIP, int(models[2]))
    shuffled = ATTACKS[name](
        jnp.array(SIGNALS[models][:, :, examples]), MEMBERSHIP[models][:, examples], 2
    )
    np.testing.assert_allclose(shuffled, straight[examples], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_jitted_with_a_traced_target(name: str) -> None:
    run = jax.jit(ATTACKS[name])
    for target in (1, 6):
        eager = ATTACKS[name](jnp.array(SIGNALS), jnp.array(MEMBERSHIP), target)
        np.testing.assert_allclose(run(SIGNALS, MEMBERSHIP, target), eager, rtol=1e-4, atol=1e-5)


def test_targets_outside_the_shadows_do_not_help_each_other() -> None:
    shadows = [2, 3, 4, 5, 6, 7]
    both = attack_targets(attacks.lira_offline, SIGNALS, MEMBERSHIP, [0, 1], shadows)
    rows = [1, *shadows]
    alone = attacks.lira_offline(jnp.array(SIGNALS[rows]), jnp.array(MEMBERSHIP[rows]), 0)
    np.testing.assert_array_equal(both[1], alone)


def test_an_attacker_unaware_of_the_defence_has_the_shadows_of_another_recipe() -> None:
    other, _ = fleet(8, 60, queries=2, gap=9.0)
    ours = attack_targets(ATTACKS["lira_online"], SIGNALS, MEMBERSHIP, [1, 4], unaware=other)
    for scores, target in zip(ours, (1, 4), strict=True):
        seen = np.where(np.arange(8)[:, None, None] == target, SIGNALS, other)
        known = ATTACKS["lira_online"](jnp.array(seen), MEMBERSHIP, target)
        np.testing.assert_allclose(scores, known, rtol=1e-6)
    aware = attack_targets(ATTACKS["lira_online"], SIGNALS, MEMBERSHIP, [1, 4])
    assert not np.allclose(ours, aware)
    with pytest.raises(ValueError, match=r"targets' own, \(8, 2, 60\), got \(7, 2, 60\)"):
        attack_targets(ATTACKS["loss"], SIGNALS, MEMBERSHIP, [1], unaware=other[:7])


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_a_perfect_leak_is_found(name: str) -> None:
    signals, membership = fleet(16, 200, gap=12.0)
    scores = attack_targets(ATTACKS[name], signals, membership, range(16))
    # RMIA compares probabilities, and these lie all close to 1 for examples that are easy anyway.
    least = 0.95 if "rmia" in name else 0.99
    assert attack_metrics(scores, membership)["auc"].value > least


def test_confidences_that_do_not_vary_are_no_division_by_zero() -> None:
    membership = Balanced(8).draw(20, 0).matrix
    signals = np.float32(logit(np.where(membership, 0.9, 0.6)))[:, None]
    for name in ATTACKS:
        assert not np.isnan(ATTACKS[name](jnp.array(signals), membership, 0)).any(), name


@pytest.mark.parametrize(
    ("name", "args", "options", "message"),
    [
        ("loss", (SIGNALS[0], MEMBERSHIP, 0), {}, r"\(models, queries, examples\), got \(2, 60\)"),
        ("loss", (SIGNALS, MEMBERSHIP[:4], 0), {}, r"= \(8, 60\) to fit .* got \(4, 60\)"),
        ("loss", (SIGNALS, MEMBERSHIP, 8), {}, "target must be one of the models 0 to 7, got 8"),
        ("lira_online", (SIGNALS[:3], MEMBERSHIP[:3], 0), {}, "at least 2 IN shadows"),
        ("lira_offline", (SIGNALS[:2], MEMBERSHIP[:2], 0), {}, "at least 2 OUT shadows"),
        ("lira_online", (SIGNALS, MEMBERSHIP, 0), {"variance": "gobal"}, "did you mean 'global'"),
        ("rmia_online", (SIGNALS, MEMBERSHIP, 0), {"gamma": 0.0}, "gamma must be .* above 0"),
        ("rmia_offline", (SIGNALS, MEMBERSHIP, 0), {"a": 1.5}, "a must lie between 0 and 1"),
    ],
)
def test_bad_input(name: str, args, options, message: str) -> None:
    signals, membership, target = args
    with pytest.raises(ValueError, match=message):
        ATTACKS[name](jnp.array(signals), membership, target, **options)
