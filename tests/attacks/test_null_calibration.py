"""Where membership means nothing every attack has AUC .5, for any matrix.

All φ of an example come from one Gaussian. The matrices are those of fleets as they are drawn, of
fleets that lost models, of coins, and of users who drew as they liked. An attack on which the
number of shadows acts sees from it alone who is a member of the target.

Labels, attributes, shares of data and the blind baseline have the same in tests of their own.
"""

from collections.abc import Callable
from functools import cache

import fleets
import numpy as np
import pytest
from scipy.stats import rankdata

from pptp_jax.attacks import ATTACKS, Attack, Evidence, range_attack
from pptp_jax.data import Balanced
from pptp_jax.metrics import attack_metrics, combine
from pptp_jax.validation import AttackUnavailable

# Blocks of examples are as good as other fleets, and cost no other call.
BLOCK = 250
EXAMPLES = {8: 8_000, 16: 4_000, 32: 2_000}

SHADOWED = {
    name: attack
    for name, attack in ATTACKS.items()
    if attack.min_in_shadows or attack.min_out_shadows or attack.min_shadows
}
LEARNED = {"augmentation", "quantile_regression", "quantile_nonmembers", "shadow_network"}
LEARNED |= {"distilled_trajectory", "gsa1", "gsa2", "metric_sequence", "secmi_nns", "trajectory"}
LIRA = {"lira_online", "lira_offline", "lira_multivariate"}


def variants() -> dict[str, Attack]:
    """Every attack, with the options that change how shadows are used."""
    found = {
        f"{name}, {variance}": ATTACKS[name].using(variance=variance)
        for name in sorted(LIRA)
        for variance in ("global", "per_example")
    }
    for name in ("lira_online", "lira_offline"):
        found[f"{name}, published"] = ATTACKS[name].using(reference_compat=True)
    found["confidence, per class"] = ATTACKS["confidence"].using(per_class=True)
    found["rmia_offline, tuned"] = ATTACKS["rmia_offline"].using(a="tuned")
    for name in sorted(set(SHADOWED) - LIRA):
        # Few steps: a network that memorises its shadows is not what is tested here.
        found[name] = SHADOWED[name].using(steps=10) if name in LEARNED else SHADOWED[name]
    for name in ("rmia_online", "lira_online"):
        found[f"{name}, over a range"] = range_attack(name)
    return found


RUN = variants()
# Their scores are the target's own: one fleet is enough.
ALONE = {
    name: attack.using(steps=10) if name in LEARNED else attack
    for name, attack in ATTACKS.items()
    if name not in SHADOWED
}

pytestmark = pytest.mark.usefixtures("compile_in_haste")


def enough(draw: Callable[[], np.ndarray], examples: int) -> np.ndarray:
    """Columns with which every attack is possible: 3 of either kind, one of them the target."""
    columns = np.empty((len(draw()), 0), bool)
    while columns.shape[1] < examples:
        more = draw()
        counts = more.sum(axis=0)
        more = more[:, (counts >= 3) & (counts <= len(more) - 3)]
        columns = np.concatenate([columns, more], axis=1)
    return columns[:, :examples]


def balanced(models: int, examples: int, rng: np.random.Generator) -> np.ndarray:
    return Balanced(models).draw(examples, int(rng.integers(1000))).matrix


def some_lost(models: int, examples: int, rng: np.random.Generator) -> np.ndarray:
    return enough(lambda: balanced(models + 2, examples, rng)[2:], examples)


def one_coin(models: int, examples: int, rng: np.random.Generator) -> np.ndarray:
    return enough(lambda: rng.random((models, examples)) < 0.3, examples)


def own_coins(models: int, examples: int, rng: np.random.Generator) -> np.ndarray:
    def draw() -> np.ndarray:
        return rng.random((models, examples)) < rng.uniform(0.1, 0.9, size=examples)

    return enough(draw, examples)


MATRICES = (balanced, some_lost, one_coin, own_coins)


@cache
def without_meaning(models: int, draw: Callable[..., np.ndarray]) -> Evidence:
    rng = np.random.default_rng(models)
    membership = draw(models, EXAMPLES[models], rng)
    made = fleets.fleet(models, EXAMPLES[models], queries=2, gap=0.0, membership=membership)
    return made.held()


@cache
def scored(name: str, models: int, draw: Callable[..., np.ndarray]) -> np.ndarray:
    return (ALONE | RUN)[name](without_meaning(models, draw))


def check_auc(scores: np.ndarray, membership: np.ndarray) -> None:
    """The mean over all targets is .5 within four times the error that the blocks show."""
    aucs = []
    for start in range(0, membership.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        of_targets = []
        for own, member in zip(scores[:, block], membership[:, block], strict=True):
            ranks, members = rankdata(own), member.sum()
            beaten = ranks[member].sum() - members * (members + 1) / 2
            of_targets.append(beaten / (members * (len(own) - members)))
        aucs.append(np.mean(of_targets))
    error = np.std(aucs, ddof=1) / np.sqrt(len(aucs))
    assert error < 0.01
    assert abs(np.mean(aucs) - 0.5) < 4 * error, (np.mean(aucs), error)


def cases() -> list[tuple[str, int]]:
    """Options at 8 models only, where numbers matter most; a network learns for seconds."""
    found = [(name, 8) for name in RUN]
    defaults = set(SHADOWED) - LEARNED
    return found + [
        (name, models)
        for models in (16, 32)
        for name in RUN
        if name in defaults or name.endswith(("global", "published"))
    ]


@pytest.mark.parametrize(("name", "models"), cases())
def test_no_matrix_of_membership_tells_of_itself(name: str, models: int) -> None:
    for draw in (some_lost,) if name in LEARNED else MATRICES:
        membership = np.asarray(without_meaning(models, draw).membership)
        check_auc(scored(name, models, draw), membership)


@pytest.mark.parametrize("name", ALONE)
def test_the_target_alone_tells_nothing(name: str) -> None:
    membership = np.asarray(without_meaning(8, balanced).membership)
    check_auc(scored(name, 8, balanced), membership)


@pytest.mark.parametrize("name", sorted({*ALONE, *RUN} - LEARNED))
def test_intervals_cover_where_nothing_leaks(name: str) -> None:
    """Of 16 blocks as 16 fleets: of intervals of 95 % fewer than 12 cover once in 7,000 times."""
    scores = scored(name, 8, balanced)
    membership = np.asarray(without_meaning(8, balanced).membership)
    covered = 0
    for start in range(0, 16 * BLOCK, BLOCK):
        block = slice(start, start + BLOCK)
        found = attack_metrics(
            scores[:, block],
            membership[:, block],
            fprs=(),
            fnrs=(),
            priors=(),
            resamples=60,
        )["auc"]
        covered += found.low <= 0.5 <= found.high
    assert covered >= 12


@pytest.mark.parametrize("draw", [balanced, own_coins])
def test_attacks_together_tell_no_more(draw: Callable[..., np.ndarray]) -> None:
    held = without_meaning(8, draw)
    attacks = ("loss", "calibration_watson", "lira_online", "lira_offline", "rmia_online")
    membership = np.asarray(held.membership)
    found = combine({name: ATTACKS[name](held) for name in attacks}, membership)
    check_auc(found.probability, membership)


@pytest.mark.parametrize("name", [n for n in RUN if not ATTACKS[n.split(",")[0]].min_in_shadows])
def test_quarters_tell_nothing_of_themselves(name: str) -> None:
    """Shadows that know none of the examples under attack, and targets with the same members."""
    drawn = fleets.quarters(shadows=6, examples=12_000, targets=2)
    made = fleets.fleet(8, 12_000, queries=2, gap=0.0, membership=drawn.matrix)
    held = made.held(targets=drawn.targets, shadows=drawn.shadows, examples=drawn.evaluated)
    check_auc(RUN[name](held), drawn.matrix[np.ix_(drawn.targets, drawn.evaluated)])


@pytest.mark.parametrize("name", [n for n in SHADOWED if ATTACKS[n].min_in_shadows > 1])
def test_too_few_shadows_are_called_so(name: str) -> None:
    """2 IN shadows of 8, of which one is left where the target is the other."""
    membership = np.arange(8)[:, None] < np.full(40, 2)[None]
    held = fleets.fleet(8, 40, queries=2, membership=membership).held()
    with pytest.raises(AttackUnavailable, match=r"at least 2 IN .* none has more than 1"):
        ATTACKS[name](held)


@pytest.mark.parametrize("name", ["lira_online", "lira_multivariate", "bavaria_t", "base_offline"])
def test_models_that_differ_by_rounding_alone_leak_nothing(name: str) -> None:
    """Near 5, float32 has steps of 5e-7; of equal models nothing may differ but ties."""
    rng, models, examples = np.random.default_rng(0), 16, 4000
    membership = Balanced(models).draw(examples, 0).matrix
    noise = 0.0 if name == "base_offline" else 1e-7
    relative = 1 + noise * rng.normal(size=(models, 2, examples))
    phi = np.float32((5 + rng.normal(size=(1, 1, examples))) * relative)
    check_auc(ATTACKS[name](Evidence.leave_one_out({"confidence": phi}, membership)), membership)
