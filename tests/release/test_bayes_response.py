"""Best responses and the game: their exact values, bounds, composition and post-processing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from sklearn.ensemble import RandomForestClassifier

from pptp_jax.fleets import estimator_fleet
from pptp_jax.release import (
    AttackerTraining,
    Game,
    GaussianNoise,
    NetworkNoise,
    bayes_response,
    blahut_arimoto,
    drawn_answers,
    optimal_gaussian_noise,
    train_release,
)
from pptp_jax.validation import Refused

KEY = jax.random.key(0)
HALF = jnp.array([0.5])
TRAINING = AttackerTraining(hidden=(32,), steps=800)


def gaussian(std: float):
    def release(members, key):
        return members.astype(jnp.float32) + std * jax.random.normal(key, members.shape)

    return release


def conditional_entropy(std: float, prior: float = 0.5) -> float:
    """H(b | b + noise), by an integral."""
    grid = np.linspace(-12 * std, 1 + 12 * std, 40_001)
    joint = np.array(
        [(1 - prior) * stats.norm.pdf(grid, 0, std), prior * stats.norm.pdf(grid, 1, std)]
    )
    posterior = joint / joint.sum(axis=0)
    return float(-(joint * np.log(posterior + 1e-300)).sum() * (grid[1] - grid[0]))


@pytest.mark.parametrize(
    ("std", "entropy", "variation"), [(1.0, 0.5817, 0.3829), (3.0, 0.6794, 0.1324)]
)
def test_the_best_response_has_the_entropy_of_the_posterior(std, entropy, variation):
    assert conditional_entropy(std) == pytest.approx(entropy, abs=1e-4)
    assert 2 * stats.norm.cdf(0.5 / std) - 1 == pytest.approx(variation, abs=1e-3)
    assert 1 - entropy / np.log(2) <= variation <= np.sqrt(2 * (np.log(2) - entropy))
    found = bayes_response(gaussian(std), HALF, KEY, training=TRAINING)
    assert found.cross_entropy.low - 1e-3 <= entropy <= found.cross_entropy.high + 1e-3
    # It is the posterior, not only as good on average.
    places = np.float32(np.linspace(-1, 2, 7))
    exact = 1 / (1 + np.exp(-(places - 0.5) / std**2))
    np.testing.assert_allclose(found.posterior(places[:, None])[:, 0], exact, atol=0.04)


def test_people_have_priors_of_their_own():
    prior = jnp.array([0.1, 0.5])
    found = bayes_response(gaussian(1.0), prior, KEY, training=TRAINING)
    exact = conditional_entropy(1.0, 0.1) + conditional_entropy(1.0)
    assert found.cross_entropy.value == pytest.approx(exact, abs=0.02)
    assert found.prior_entropy == pytest.approx(0.3251 + np.log(2), abs=1e-3)
    assert found.uncertainty_left.value == pytest.approx(
        found.cross_entropy.value / found.prior_entropy
    )


def test_noise_alone_leaves_everything_and_the_secret_itself_nothing():
    silent = bayes_response(
        lambda b, key: jax.random.normal(key, (3,)), HALF, KEY, training=TRAINING
    )
    assert silent.uncertainty_left.value == pytest.approx(1, abs=0.02)
    open_ = bayes_response(lambda b, key: b.astype(jnp.float32), HALF, KEY, training=TRAINING)
    assert open_.uncertainty_left.value < 0.01


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_a_private_release_bounds_every_posterior(epsilon):
    def release(members, key):
        return members.astype(jnp.float32) + jax.random.laplace(key, (1,)) / epsilon

    found = bayes_response(release, HALF, KEY, training=TRAINING)
    answer = 1 / (1 + np.exp(epsilon))
    floor = -answer * np.log(answer) - (1 - answer) * np.log1p(-answer)
    assert found.cross_entropy.high >= floor
    odds = stats.laplace.logpdf(np.linspace(-9, 9, 99), 1, 1 / epsilon)
    odds -= stats.laplace.logpdf(np.linspace(-9, 9, 99), 0, 1 / epsilon)
    assert np.abs(odds).max() <= epsilon + 1e-9
    grid = np.linspace(-60, 61, 400_001)
    joint = np.array([stats.laplace.pdf(grid, b, 1 / epsilon) / 2 for b in (0, 1)])
    exact = -(joint * np.log(joint / joint.sum(axis=0))).sum() * (grid[1] - grid[0])
    assert exact >= floor
    assert found.cross_entropy.value == pytest.approx(exact, abs=0.015)


def test_post_processing_leaves_more_and_two_releases_less_than_the_sum():
    one = gaussian(1.0)

    def two(members, key):
        return jnp.concatenate([one(members, half) for half in jax.random.split(key)])

    def rounded(members, key):
        return (one(members, key) > 0.5).astype(jnp.float32)

    single, double, rough = (
        bayes_response(release, HALF, KEY, training=TRAINING).cross_entropy
        for release in (one, two, rounded)
    )
    assert rough.low > single.high
    exact = stats.norm.cdf(-0.5)
    assert rough.value == pytest.approx(
        -exact * np.log(exact) - (1 - exact) * np.log1p(-exact), abs=0.015
    )
    assert double.high < single.low
    learned = [np.log(2) - found.value for found in (single, double)]
    assert learned[1] <= 2 * learned[0]
    # Two looks under noise 1 are one look under noise 1/√2.
    assert double.value == pytest.approx(conditional_entropy(0.5**0.5), abs=0.015)


def test_what_a_fleet_answers_is_a_release_as_any_other():
    """Forests that memorise random labels; the attacker is tested on other forests."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 4)), rng.integers(0, 2, 80)
    membership = rng.random((40, 80)) < 0.5
    fleet = estimator_fleet(RandomForestClassifier(n_estimators=5), x, y, membership)
    right = fleet.answers[:, np.arange(80), y]
    answers = jnp.asarray(right[..., None], jnp.float32)
    learn, test = (
        drawn_answers(answers[part], jnp.asarray(membership[part]))
        for part in (slice(0, 30), slice(30, 40))
    )
    found = bayes_response(learn, HALF, KEY, training=TRAINING, held_out=test)
    # Votes of five trees take few values, so the posterior is a table.
    votes = np.rint(60 * right).astype(int)
    table = np.array(
        [np.bincount(votes[membership == kind], minlength=61) for kind in (True, False)]
    )
    joint = table / table.sum(axis=1, keepdims=True) / 2
    posterior = joint / np.maximum(joint.sum(axis=0), 1e-12)
    exact = -(joint * np.log(np.maximum(posterior, 1e-12))).sum()
    assert found.cross_entropy.value == pytest.approx(exact, abs=0.05)
    assert found.uncertainty_left.high < 0.8


def shifted(statistics: int):
    """Statistics that one person moves by 1, under base variances of their own."""
    base = jnp.geomspace(0.05, 5.0, statistics)

    def statistic(members, key):
        return members.astype(jnp.float32) + jnp.sqrt(base) * jax.random.normal(key, (statistics,))

    return statistic, base


def test_the_game_learns_to_fill_water():
    statistic, base = shifted(4)
    game = Game(
        utility_weight=0.02, privacy="cross_entropy", rounds=600, learning_rate=0.01, attacker=(8,)
    )
    found = train_release(
        statistic, HALF, GaussianNoise(start=0.5), KEY, game=game, training=TRAINING
    )
    learned = np.exp(np.asarray(found.params["log_std"]))
    separation = np.sqrt((1 / (base + learned**2)).sum())
    auc = float(stats.norm.cdf(separation / 2**0.5))
    best = np.asarray(optimal_gaussian_noise(base, 1, auc, jnp.ones(4)))
    # The least error at the risk that the game came to, within 5 %; even noise needs more.
    assert (learned**2).sum() <= 1.05 * (best**2).sum()
    np.testing.assert_allclose(learned[:2], best[:2], rtol=0.1)
    assert learned[3] < 0.6 and best[3] == 0
    assert found.squared_error.value == pytest.approx((learned**2).sum(), rel=0.05)
    # The fresh attacker finds what there is.
    assert found.response.cross_entropy.value == pytest.approx(
        conditional_entropy(1 / separation), abs=0.015
    )


def test_no_game_beats_blahut_and_arimoto():
    """One person and squared error: the exact optimum over all channels, on a fine grid."""
    weight = 3.0
    grid = np.linspace(-0.5, 1.5, 201)
    best = blahut_arimoto(
        np.array([0.5, 0.5]), np.square(grid[None] - np.arange(2)[:, None]), weight
    )
    value = best.information + weight * best.distortion
    game = Game(
        utility_weight=weight,
        privacy="cross_entropy",
        rounds=800,
        learning_rate=0.01,
        attacker=(32,),
    )

    def statistic(members, key):
        return members.astype(jnp.float32)

    found = train_release(
        statistic, HALF, NetworkNoise(hidden=(32,), latents=2, start=0.5), KEY, game=game,
        training=AttackerTraining(hidden=(64,), steps=800),
    )  # fmt: skip
    learned = np.log(2) - found.response.cross_entropy.value
    reached = learned + weight * found.squared_error.value
    gaussian_value = min(
        np.log(2) - conditional_entropy(std) + weight * std**2 for std in np.linspace(0.1, 3, 60)
    )
    # It comes close and not there; independent Gaussian noise is beaten.
    assert value - 0.01 <= reached <= value + 0.08
    assert reached < gaussian_value - 0.01


def test_the_price_of_error_decides():
    """Where error costs much nothing is added; where it costs nothing nothing is left to find."""
    statistic, base = shifted(2)
    separation = float(jnp.sqrt((1 / base).sum()))
    found = [
        train_release(
            statistic, HALF, GaussianNoise(), KEY, training=TRAINING,
            game=Game(utility_weight=weight, rounds=500, learning_rate=0.05, attacker=(8,)),
        )
        for weight in (100.0, 0.0)
    ]  # fmt: skip
    assert found[0].squared_error.value < 0.05
    exact = conditional_entropy(1 / separation)
    assert found[0].response.cross_entropy.value == pytest.approx(exact, abs=0.03)
    assert found[1].response.uncertainty_left.value > 0.95


def test_an_attacker_with_more_steps_a_round_knows_more():
    """In few rounds the noise has hardly moved: only the attacker's steps differ."""
    opponents = [
        train_release(
            gaussian(0.3), HALF, GaussianNoise(start=0.01), KEY, draws=2,
            game=Game(utility_weight=1.0, rounds=30, attacker_steps=steps, attacker=(8,)),
            training=AttackerTraining(hidden=(8,), steps=1),
        ).opponent
        for steps in (1, 8)
    ]  # fmt: skip
    # The prior's entropy is .693, and a posterior's .12.
    assert conditional_entropy(0.3) < opponents[1] < opponents[0] - 0.1


def test_blahut_and_arimoto_against_what_is_known():
    hamming = 1 - np.eye(2)
    for weight in (0.0, 0.5, 3.0):
        found = blahut_arimoto(np.array([0.5, 0.5]), hamming, weight)
        flip = 1 / (1 + np.exp(weight))
        np.testing.assert_allclose(found.channel, [[1 - flip, flip], [flip, 1 - flip]], atol=1e-9)
    # No random channel is better, for a source and costs that are not symmetric.
    rng = np.random.default_rng(0)
    prior, cost = np.array([0.2, 0.3, 0.5]), rng.random((3, 4))
    best = blahut_arimoto(prior, cost, 4.0)
    least = best.information + 4 * best.distortion
    for channel in rng.dirichlet(np.ones(4) / 2, (500, 3)):
        joint = prior[:, None] * channel
        information = (joint * np.log(channel / joint.sum(axis=0) + 1e-300)).sum()
        assert information + 4 * (joint * cost).sum() >= least - 1e-9


def test_each_round_comes_nearer_to_the_least():
    rng = np.random.default_rng(0)
    prior, cost = np.array([0.2, 0.3, 0.5]), rng.random((3, 4))
    found = [blahut_arimoto(prior, cost, 4.0, rounds=rounds) for rounds in (1, 2, 10, 2000)]
    values = [one.information + 4 * one.distortion for one in found]
    assert values == sorted(values, reverse=True) and values[0] > values[-1] + 1e-3


def test_bad_input_is_refused():
    with pytest.raises(Refused, match="prior must hold one probability between 0 and 1"):
        bayes_response(gaussian(1.0), jnp.array([1.0]), KEY)
    with pytest.raises(Refused, match="steps must be an integer of at least 1, got 0"):
        AttackerTraining(steps=0)
    with pytest.raises(Refused, match=r"privacy 'cross' is unknown; did you mean 'cross_entropy'"):
        Game(utility_weight=1.0, privacy="cross")
    with pytest.raises(Refused, match="utility_weight must be a finite number of at least 0"):
        Game(utility_weight=-1.0)
    with pytest.raises(Refused, match="start must be a finite number above 0"):
        GaussianNoise(start=0.0)
    with pytest.raises(Refused, match="latents must be an integer of at least 1"):
        NetworkNoise(latents=0)
    with pytest.raises(Refused, match=r"statistics \[1\] are constant in the 3 opening draws"):
        GaussianNoise().begin(KEY, jnp.array([[0.0, 0.1], [1.0, 0.1], [3.0, 0.1]]))
    with pytest.raises(Refused, match="prior must hold positive probabilities that add up to 1"):
        blahut_arimoto(np.array([0.5, 0.6]), np.eye(2), 1.0)
    with pytest.raises(Refused, match=r"got shapes \(2, 2\) and \(3,\)"):
        blahut_arimoto(np.ones(3) / 3, np.eye(2), 1.0)
    with pytest.raises(Refused, match=r"got \(2, 3, 1\) and \(3, 2\)"):
        drawn_answers(jnp.ones((2, 3, 1)), jnp.ones((3, 2), bool))
    with pytest.raises(Refused, match="both members and non-members"):
        drawn_answers(jnp.ones((2, 3, 1)), jnp.ones((2, 3), bool))
    with pytest.raises(Refused, match=r"hidden\[0\] must be an integer of at least 1, got 0"):
        AttackerTraining(hidden=(0,))
    with pytest.raises(Refused, match="hidden must be a tuple"):
        Game(utility_weight=1.0, attacker=8)
    with pytest.raises(Refused, match="distortion must be finite"):
        blahut_arimoto(np.array([0.5, 0.5]), np.array([[0.0, np.inf], [1.0, 0.0]]), 1.0)


def once(release, **options):
    how = AttackerTraining(steps=5, hidden=(4,), batch_size=8)
    return bayes_response(release, jnp.array([0.5]), KEY, training=how, draws=100, **options)


def test_a_release_is_a_vector_of_finite_numbers():
    noise = gaussian(1.0)
    for wrong in (lambda b, k: noise(b, k)[0], lambda b, k: noise(b, k)[None]):
        with pytest.raises(Refused, match=r"release must return a vector of numbers, got \("):
            once(wrong)
    with pytest.raises(Refused, match="got <class 'tuple'>"):
        once(lambda b, k: (noise(b, k),))
    with pytest.raises(Refused, match="held_out must publish as many numbers as release, 1, got 2"):
        once(noise, held_out=lambda b, k: jnp.append(noise(b, k), 0.0))
    with pytest.raises(Refused, match="the release must be finite"):
        once(lambda b, k: jnp.nan * noise(b, k))


def test_answers_may_be_numpys_and_are_about_one_person():
    rng = np.random.default_rng(0)
    answers = np.float32(rng.normal(size=(6, 5, 2)))
    release = drawn_answers(answers, rng.random((6, 5)) < 0.5)
    assert np.isfinite(once(release).cross_entropy.value)
    with pytest.raises(Refused, match="answers are about one person: prior must hold one number"):
        bayes_response(release, jnp.array([0.5, 0.5]), KEY)
