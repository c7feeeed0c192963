"""Every attack against its naive twin, and every option."""

import fleets
import naive
import naive_likelihood
import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm, t

from pptp_jax.attacks import ATTACKS, Evidence, lira_online, rmia_offline, rmia_online
from pptp_jax.attacks.lira import _deviate
from pptp_jax.attacks.probabilities import taylor_margin
from pptp_jax.data import Balanced
from pptp_jax.metrics import auc, roc

MADE = fleets.fleet(8, 60, queries=2)
TARGETS = (0, 5)
# What they learn is tested in test_folds.py.
LEARNED = {"augmentation", "quantile_nonmembers", "quantile_regression", "shadow_network"}
LEARNED |= {"distilled_trajectory", "gsa1", "gsa2", "metric_sequence", "secmi_nns", "trajectory"}

pytestmark = pytest.mark.usefixtures("compile_in_haste")


def check(found: np.ndarray, twin, tolerance: float = 1e-4) -> None:
    assert found.shape == (len(TARGETS), 60)
    for scores, target in zip(found, TARGETS, strict=True):
        np.testing.assert_allclose(scores, twin(MADE, target), rtol=tolerance, atol=tolerance)


def test_every_attack_with_a_closed_form_has_a_twin() -> None:
    assert set(ATTACKS) - set(naive.TWINS) == LEARNED


@pytest.mark.parametrize("name", sorted(naive.TWINS))
def test_attacks_are_their_twins(name: str) -> None:
    check(ATTACKS[name](MADE.held(targets=TARGETS)), naive.TWINS[name], 1e-3)


@pytest.mark.parametrize("name", ["lira_online", "lira_multivariate", "lira_offline"])
def test_lira_with_each_examples_own_variance(name: str) -> None:
    found = ATTACKS[name](MADE.held(targets=TARGETS), variance="per_example")
    check(found, lambda made, target: naive.TWINS[name](made, target, per_example=True), 2e-3)


def test_lira_by_token_with_a_covariance_of_each_kind() -> None:
    found = ATTACKS["lira_tokens"](MADE.held(targets=TARGETS), covariance="by_kind")
    check(found, lambda made, target: naive.lira_tokens(made, target, by_kind=True), 2e-3)


# Every example by a coin of its own, and at least 3 of either kind.
UNEVEN = np.random.default_rng(3).random((15, 60)) < np.linspace(0.3, 0.7, 60)
UNEVEN[:6] = np.arange(6)[:, None] % 2 == 0


@pytest.mark.parametrize("variance", ["global", "per_example"])
@pytest.mark.parametrize("name", ["lira_online", "lira_offline"])
@pytest.mark.parametrize("membership", [None, UNEVEN], ids=["balanced", "uneven"])
def test_lira_as_published(name: str, variance: str, membership) -> None:
    made = fleets.fleet(8 if membership is None else 15, 60, queries=2, membership=membership)
    found = ATTACKS[name](made.held(), variance=variance, reference_compat=True)
    for target, scores in enumerate(found):
        twin = naive_likelihood.published_lira(
            made, target, variance == "global", name == "lira_online"
        )
        np.testing.assert_allclose(scores, twin, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", sorted(naive.TWINS))
def test_attacks_are_their_twins_in_uneven_fleets(name: str) -> None:
    made = fleets.fleet(15, 60, queries=2, membership=UNEVEN)
    found = ATTACKS[name](made.held(targets=[0, 1, 12], shadows=[*range(12), 13, 14]))
    for scores, target in zip(found, (0, 1, 12), strict=True):
        rows = [target, *(m for m in (*range(12), 13, 14) if m != target)]
        twin = naive.TWINS[name](made.taken(rows), 0)
        np.testing.assert_allclose(scores, twin, rtol=2e-3, atol=2e-3)


def test_student_by_wallace() -> None:
    """From 7 shadows up the deviate of Student's t is right to 1 % out to 4 deviations."""
    for freedom in (6, 15, 31):
        values = norm.ppf(np.linspace(norm.cdf(-4), norm.cdf(4), 1001))
        off = np.float32(t.ppf(norm.cdf(values), freedom))[None]
        found = _deviate(off, np.float32([[freedom]]))[0]
        np.testing.assert_allclose(found, values, rtol=0.01, atol=1e-6)


@pytest.mark.parametrize("models", [62, 64])
def test_the_variance_is_each_examples_own_from_64_models_up(models: int) -> None:
    held = fleets.fleet(models, 10).held(targets=[0])
    auto, own, pooled = (
        lira_online(held, variance=variance) for variance in ("auto", "per_example", "global")
    )
    np.testing.assert_array_equal(auto, own if models == 64 else pooled)


@pytest.mark.parametrize("gamma", [1.0, 2.0])
@pytest.mark.parametrize("population", [None, np.arange(0, 60, 3)])
@pytest.mark.parametrize("name", ["rmia_online", "rmia_offline"])
def test_rmia_by_sorting_is_rmia_by_pairs(name: str, population, gamma: float) -> None:
    mask = None if population is None else np.isin(np.arange(60), population)
    found = ATTACKS[name](MADE.held(targets=TARGETS, population=mask), gamma=gamma)
    # With γ = 1 an example meets itself as z; rounding decides over that one comparison.
    tolerance = 1.01 / (60 if population is None else 20) if gamma == 1.0 else 1e-6
    check(
        found, lambda *made: naive.TWINS[name](*made, gamma=gamma, population=population), tolerance
    )


@pytest.mark.parametrize(
    "options", [{"margin": 0.2}, {"order": 3}, {"temperature": 0.5}], ids=lambda own: str(*own)
)
def test_taylor_margins_of_other_numbers(options) -> None:
    odds = [naive.taylor_odds(MADE.logits[0, 0, x], MADE.labels[x], **options) for x in range(60)]
    found = taylor_margin(MADE.logits[:1, :1], MADE.labels, **options)
    np.testing.assert_allclose(found[0, 0], odds, rtol=1e-3, atol=1e-4)


def test_rmia_with_taylor_margins() -> None:
    odds = np.array(
        [
            [
                [naive.taylor_odds(MADE.logits[m, q, x], MADE.labels[x]) for x in range(60)]
                for q in range(2)
            ]
            for m in range(8)
        ]
    )
    np.testing.assert_allclose(taylor_margin(MADE.logits, MADE.labels), odds, rtol=1e-3, atol=1e-4)
    found = rmia_online(MADE.held(targets=TARGETS), probability="taylor")
    for scores, target in zip(found, TARGETS, strict=True):
        twin = naive.rmia_online(MADE._replace(phi=odds), target)
        np.testing.assert_allclose(scores, twin, atol=1.01 / 60)


@pytest.mark.parametrize("truth", [0.0, 0.6])
def test_a_is_tuned_by_attacking_a_shadow_with_the_others(truth: float) -> None:
    """Neither the target's answers nor its members are looked at."""
    made = fleets.fleet(8, 200, gap=3.0)
    phi = made.phi + (0 if truth else 3.0)
    made = made.with_phi(phi)
    found = np.asarray(rmia_offline(made.held(targets=[0]), a="tuned"))
    aucs = {}
    for a in np.round(np.linspace(0, 1, 11), 1):
        # The stand-in is model 1, and model 0 takes no part at all.
        rest = made._replace(phi=made.phi[1:], membership=made.membership[1:])
        score = naive.rmia_offline(rest, 0, a=a)
        member = rest.membership[0]
        above = score[member][:, None] - score[~member][None]
        aucs[a] = (above > 0).mean() + (above == 0).mean() / 2
    best = max(aucs, key=lambda a: round(aucs[a], 6))
    np.testing.assert_allclose(
        found, rmia_offline(made.held(targets=[0]), a=float(best)), atol=1e-6
    )
    changed = made.membership.copy()
    changed[0] = ~changed[0]
    other = np.asarray(rmia_offline(made._replace(membership=changed).held(targets=[0]), a="tuned"))
    np.testing.assert_array_equal(found, other)


def test_rmia_tells_confidences_apart_that_a_probability_would_round_to_one() -> None:
    phi = np.float32([[[18.0, 20.0, 22.0]], [[5.0] * 3], [[5.0] * 3]])
    assert (np.float32(expit(phi[0])) == 1).all()
    membership = np.array([[True] * 3, [True] * 3, [False] * 3])
    labels, nothing = np.zeros(3, int), np.zeros((3, 1))
    made = fleets.Made(phi, np.zeros((3, 1, 3, 2)), labels, membership, nothing)
    score = rmia_online(made.held(targets=[0]), gamma=1.0)
    phi[0, 0] -= 30
    low = rmia_online(made.held(targets=[0]), gamma=1.0)
    np.testing.assert_array_equal(score, low)
    np.testing.assert_allclose(np.unique(low), [1 / 3, 2 / 3, 1])


def test_lira_with_many_shadows_is_the_likelihood_ratio() -> None:
    made = fleets.fleet(400, 30)
    own = made.phi[0, 0]
    level = np.where(made.membership, made.phi[:, 0] - 1, made.phi[:, 0])[1:].mean(0)
    ideal = norm.logpdf(own, level + 1) - norm.logpdf(own, level)
    ours = lira_online(made.held(targets=[0]), variance="global")
    np.testing.assert_allclose(ours[0], ideal, atol=0.5)


@pytest.mark.parametrize("offset", [0.0, 300.0])
@pytest.mark.parametrize("outlier", [0.0, 1e4])
def test_leaving_out_is_stable(offset: float, outlier: float) -> None:
    """Far from zero, and with one model so far off that the others drown in its square."""
    made = fleets.fleet(12, 40, queries=2)
    phi = np.float64(made.phi) + offset
    phi[3, :, ::3] += outlier
    made = made._replace(phi=np.float32(phi))
    targets = [0, 3]
    found = lira_online(made.held(targets=targets), variance="per_example")
    for scores, target in zip(found, targets, strict=True):
        twin = naive.lira_online(made, target, per_example=True)
        np.testing.assert_allclose(scores, twin, rtol=5e-3, atol=5e-2)


def test_a_multivariate_normal_does_not_count_twice_what_queries_share() -> None:
    """Where all examples share one level the best test is gap'Σ⁻¹φ: AUC Φ(√(gap'Σ⁻¹gap / 2))."""
    rng = np.random.default_rng(6)
    membership = Balanced(64).draw(1000, 0).matrix
    covariance, gap = np.array([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 4.0]]), np.array([0.5, 1.5, 1.5])
    noise = rng.multivariate_normal(np.zeros(3), covariance, size=(64, 1000)).swapaxes(1, 2)
    phi = np.float32(noise + gap[None, :, None] * membership[:, None])
    targets = list(range(0, 64, 8))
    held = Evidence.leave_one_out({"confidence": phi}, membership, targets=targets)
    ideal = norm.cdf(np.sqrt(gap @ np.linalg.solve(covariance, gap) / 2))
    apart, jointly = (
        auc(roc(ATTACKS[name](held, variance="global"), membership[targets]))
        for name in ("lira_online", "lira_multivariate")
    )
    assert ideal - 0.02 < jointly < ideal + 0.01
    assert apart < jointly - 0.05


def test_queries_that_always_agree_are_one_query() -> None:
    made = fleets.fleet(8, 60)
    twice = made._replace(phi=made.phi.repeat(2, axis=1))
    for variance in ("global", "per_example"):
        once, found = (
            ATTACKS[name](one.held(targets=TARGETS), variance=variance)
            for name, one in (("lira_online", made), ("lira_multivariate", twice))
        )
        assert np.isfinite(found).all()
        if variance == "global":  # the second adds the same number to all scores of a target
            centred, of_one = (s - s.mean(axis=1, keepdims=True) for s in (found, once))
            np.testing.assert_allclose(centred, of_one, rtol=1e-2, atol=1e-2)


def test_one_query_is_not_joined() -> None:
    with pytest.raises(ValueError, match="several queries jointly, and there is only one"):
        ATTACKS["lira_multivariate"](fleets.fleet(8, 20).held())


@pytest.mark.parametrize("outliers", [{}, {3: 0}, {3: 0, 4: 1}, {3: 0, 5: 0, 4: 1}])
def test_leaving_out_of_covariances_is_stable(outliers: dict[int, int]) -> None:
    """Each model in `outliers` is far off in one query, and some of them by more than others."""
    made = fleets.fleet(12, 40, queries=3)
    phi = np.float64(made.phi) + 100
    for size, (model, query) in enumerate(outliers.items(), 1):
        phi[model, query, ::3] += 1e3 * size
    made = made._replace(phi=np.float32(phi))
    targets = [0, 3, 4]
    held = made.held(targets=targets)
    for scores, target in zip(
        ATTACKS["lira_multivariate"](held, variance="per_example"), targets, strict=True
    ):
        twin = naive.lira_multivariate(made, target, per_example=True)
        np.testing.assert_allclose(scores, twin, rtol=1e-2, atol=1e-1)
