"""One call from arrays to typed results."""

import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.attacks import ATTACKS, Attack, Evidence
from pptp_jax.data import Balanced, Quarters
from pptp_jax.evaluation import attack
from pptp_jax.metrics import attack_metrics
from pptp_jax.tasks import Signal
from pptp_jax.validation import Refused

RNG = np.random.default_rng(0)
SPLIT = Balanced(8).draw(100, 0)
PHI = np.float32(RNG.normal(size=(8, 100)) + SPLIT.matrix)
DRAWS = {"resamples": 20, "seed": 3}

# What a new attack on a new signal takes: a declaration, and one object.
PERPLEXITY = Signal(
    name="perplexity",
    axes=("models", "examples"),
    access="scores",
    reduce=lambda answers, targets: answers[0].sum(),
)
FLUENCY = Attack(
    name="fluency",
    title="fluency",
    access="scores",
    reads=(PERPLEXITY,),
    min_out_shadows=1,
    source="mine",
    function=lambda held: (
        held.shadow_signal("perplexity").mean(axis=0)[None] - held.target_signal("perplexity")
    ),
)


def test_results_are_those_of_the_attacks_and_their_metrics() -> None:
    found = attack({"confidence": PHI}, SPLIT.matrix, attacks=("loss", "lira_online"), **DRAWS)
    held = Evidence.leave_one_out({"confidence": PHI}, SPLIT.matrix)
    for name in found:
        scores = ATTACKS[name](held)
        np.testing.assert_array_equal(found.scores[name], scores)
        known = attack_metrics(scores, SPLIT.matrix, **DRAWS)
        assert found[name].metrics == known
    assert str(found).startswith("loss: AUC 0.")


def test_a_sweep_is_one_line_and_each_setting_has_its_name() -> None:
    sweep = [ATTACKS["rmia_offline"].using(a=a) for a in (0.0, 0.6)]
    found = attack({"confidence": PHI}, SPLIT.matrix, attacks=sweep, **DRAWS)
    assert list(found) == ["rmia_offline(a=0.0)", "rmia_offline(a=0.6)"]
    held = Evidence.leave_one_out({"confidence": PHI}, SPLIT.matrix)
    for a, one in zip((0.0, 0.6), found.scores.values(), strict=True):
        np.testing.assert_array_equal(one, ATTACKS["rmia_offline"](held, a=a))
    with pytest.raises(ValueError, match="the attack loss is given several times"):
        attack({"confidence": PHI}, SPLIT.matrix, attacks=("loss", ATTACKS["loss"]))


def test_a_membership_names_the_targets_and_the_examples_under_attack() -> None:
    drawn = Quarters(targets=2, shadows=3).draw(200, 0)
    phi = np.float32(RNG.normal(size=drawn.matrix.shape))
    found = attack({"confidence": phi}, drawn, attacks=("rmia_offline",), **DRAWS)
    truth = drawn.matrix[np.ix_(drawn.targets, drawn.evaluated)]
    np.testing.assert_array_equal(found.membership, truth)
    assert found.scores["rmia_offline"].shape == truth.shape


def test_a_new_attack_on_a_new_signal_is_one_object() -> None:
    found = attack({"perplexity": -PHI}, SPLIT, attacks=(FLUENCY,), **DRAWS)
    for target in range(8):
        others = np.delete(PHI, target, axis=0).mean(axis=0)
        np.testing.assert_allclose(
            found.scores["fluency"][target], PHI[target] - others, rtol=1e-4, atol=1e-5
        )
    with pytest.raises(ValueError, match=r"'perplexity' is unknown.*needs its declaration"):
        attack({"perplexity": -PHI}, SPLIT, attacks=("loss",))


def test_an_attack_of_ones_own_never_gets_the_targets_membership() -> None:
    seen = []

    def peeps(held: Evidence) -> np.ndarray:
        seen.append((held.membership.copy(), held.target_among_shadows.tolist()))
        return held.target_signal("confidence")[:, 0]

    mine = Attack(
        name="mine", title="mine", access="scores", reads=("confidence",), source="", function=peeps
    )
    attack({"confidence": PHI}, SPLIT.matrix, attacks=(mine,), **DRAWS)
    for target, (membership, places) in enumerate(seen):
        np.testing.assert_array_equal(membership, np.delete(SPLIT.matrix, target, axis=0))
        assert places == [-1]
    assert len(seen) == 8


@pytest.mark.parametrize(
    "name",
    [
        "loss",
        "attack_p",
        "attack_r",
        "rmia_online",
        "rmia_offline",
        "base_online",
        "base_offline",
        "calibration_watson",
    ],
)
def test_attacks_take_the_log_likelihood_of_any_task(name: str) -> None:
    """For labels it gives what φ gives, as far as float32 tells probabilities apart."""
    phi = np.clip(PHI, -6, 6)
    found = attack({"log_prob": -np.logaddexp(0, -phi)}, SPLIT, attacks=(name,), **DRAWS)
    known = attack({"confidence": phi}, SPLIT, attacks=(name,), **DRAWS)
    if name == "loss":  # one is −ℓ, the other the φ of ℓ
        known_scores = -np.logaddexp(0, -known.scores[name])
    else:
        known_scores = known.scores[name]
    np.testing.assert_allclose(found.scores[name], known_scores, rtol=1e-3, atol=1e-3)


def test_densities_are_no_probabilities() -> None:
    found = attack(
        {"log_prob": PHI + 5}, SPLIT, attacks=("loss", "rmia_online", "rmia_offline"), **DRAWS
    )
    assert list(found) == ["loss", "rmia_online"]
    assert found.notes[0].startswith("rmia_offline: offline RMIA takes probabilities")


def test_outputs_that_would_be_attacked_wrongly_are_refused(rng) -> None:
    membership = np.arange(6)[:, None] % 2 == np.arange(40) % 2
    logits, labels = rng.normal(size=(6, 40, 3)), np.arange(40) % 3
    with pytest.raises(Refused, match=r"a dictionary of arrays by name, .* got ndarray"):
        attack(logits, membership, labels)  # type: ignore[arg-type]
    with pytest.raises(Refused, match="below the 3 classes of the logits; they go from 1 to 3"):
        attack({"logits": logits}, membership, labels + 1)
    with pytest.raises(Refused, match="must be integers, got an array of <U1: np"):
        attack({"logits": logits}, membership, np.array(list("abcd") * 10))
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    with pytest.raises(Refused, match="logits are probabilities here"):
        attack({"logits": shares}, membership, labels)
    with np.errstate(divide="ignore"):
        votes = np.log(np.eye(shares.shape[-1])[labels] + 0 * shares)
    with pytest.raises(Refused, match=r"logits hold −inf, .* half a vote of a forest"):
        attack({"logits": votes}, membership, labels)


def test_signals_that_are_not_finite_are_named_with_their_models(rng) -> None:
    logits = rng.normal(size=(8, 100, 3))
    logits[5, 3, 1] = np.nan
    with pytest.raises(Refused, match=r"logits must be finite; 1 of 2400 .* in model 5: leave out"):
        attack({"logits": logits}, SPLIT.matrix, np.arange(100) % 3)

    bfloat = jnp.asarray(np.where(np.arange(8)[:, None] == 5, np.nan, PHI), jnp.bfloat16)
    with pytest.raises(Refused, match=r"confidence must be numbers; 100 of .* NaN, in model 5"):
        attack({"confidence": bfloat}, SPLIT.matrix)


def test_a_loss_of_zero_is_attacked() -> None:
    phi = np.where(PHI > 1.5, np.inf, PHI)
    found = attack({"confidence": phi}, SPLIT.matrix, attacks=("loss",), **DRAWS)
    same = attack({"confidence": PHI}, SPLIT.matrix, attacks=("loss",), **DRAWS)
    assert found["loss"].auc.value == pytest.approx(same["loss"].auc.value, abs=0.02)


@pytest.mark.parametrize(
    "logits",
    [
        np.full((8, 100, 3), "a"),
        np.full((8, 100, 3), 1j),
        np.full((8, 100, 3), None),
        [[1.0], [1.0, 2.0]],
    ],
)
def test_what_is_no_array_of_real_numbers_is_refused(logits) -> None:
    with pytest.raises(Refused, match=r"logits must (hold real numbers|be one array)"):
        attack({"logits": logits}, SPLIT.matrix, np.arange(100) % 3)
    with pytest.raises(Refused, match="membership must be boolean, of shape"):
        attack({"confidence": PHI}, None)  # type: ignore[arg-type]


def test_probabilities_are_no_log_odds() -> None:
    shares = 1 / (1 + np.exp(-PHI))
    with pytest.raises(Refused, match=r"confidence is φ, .* hand over np.log\(p / \(1 - p\)\)"):
        attack({"confidence": shares}, SPLIT.matrix)


def test_shapes_that_numpy_would_explain_are_explained(rng) -> None:
    logits = rng.normal(size=(8, 100, 3))
    with pytest.raises(Refused, match=r"a class each, got \(100, 3\): of rows with a single 1"):
        attack({"logits": logits}, SPLIT.matrix, np.eye(3)[np.arange(100) % 3])
    with pytest.raises(Refused, match="not a list of the members of each model"):
        attack({"confidence": PHI}, [[0, 1], [2, 3, 4]])  # type: ignore[arg-type]
    with pytest.raises(
        Refused, match=r"targets must be numbers of models, such as \[0, 1\], got 0"
    ):
        attack({"confidence": PHI}, SPLIT.matrix, targets=0)
    with pytest.raises(Refused, match=r"of a mask hand over np.flatnonzero\(mask\)"):
        attack({"confidence": PHI}, SPLIT.matrix, targets=np.arange(8) == 1)
    with pytest.raises(Refused, match=r"must be numbers of models, such as \[0, 1\], got \[1.9\]"):
        attack({"confidence": PHI}, SPLIT.matrix, targets=[1.9])


def test_lists_are_arrays() -> None:
    given = {"confidence": PHI}, SPLIT.matrix
    options = {"attacks": ("attack_p", "lira_online"), **DRAWS}
    mask, chosen = np.arange(100) < 60, np.arange(40)
    known = attack(*given, examples=chosen, population=mask[:40], nonmembers=mask, **options)
    found = attack(
        *given,
        examples=chosen.tolist(),
        population=mask[:40].tolist(),
        nonmembers=mask.tolist(),
        **options,
    )
    assert found.results == known.results
    with pytest.raises(Refused, match=r"(?s)examples must be numbers .* np.flatnonzero\(mask\)"):
        attack(*given, examples=mask)
    with pytest.raises(Refused, match=r"examples must be numbers of examples, .* got 3"):
        attack(*given, examples=3)


def test_an_inverted_membership_is_doubted(rng) -> None:
    """LiRA finds as much of it: only the loss tells."""
    phi = np.float32(rng.normal(size=(8, 100)) + 2 * SPLIT.matrix)
    right, wrong = (
        attack({"confidence": phi}, one, **DRAWS) for one in (SPLIT.matrix, ~SPLIT.matrix)
    )
    assert right["lira_online"].auc.value == pytest.approx(wrong["lira_online"].auc.value, abs=0.01)
    assert right.warnings == () and "warning" not in repr(right)
    assert wrong.warnings[0].startswith("is membership inverted?")
    assert repr(wrong).startswith("warning: is membership inverted? Members have a larger loss")


def test_scores_of_another_scale_in_each_target_are_named() -> None:
    """One number a target, added to all its scores, changes no attack on that target alone."""
    moved = PHI + 5 * np.arange(8, dtype=np.float32)[:, None]
    found = attack({"confidence": moved}, SPLIT.matrix, attacks=("loss",), **DRAWS)
    same = attack({"confidence": PHI}, SPLIT.matrix, attacks=("loss",), **DRAWS)
    within = [
        attack_metrics(same.scores["loss"][i : i + 1], SPLIT.matrix[i : i + 1], **DRAWS)["auc"]
        for i in range(8)
    ]
    mean, pooled = np.mean([one.value for one in within]), found["loss"].auc.value
    assert same.warnings == ()
    few = attack({"confidence": moved[:, :40]}, SPLIT.matrix[:, :40], attacks=("loss",), **DRAWS)
    assert few.warnings == ()
    assert found.warnings[-1] == (
        f"scores have another scale in each target: LOSS has AUC {pooled:.3f} over all targets "
        f"together, {mean:.3f} within a target on average"
    )


def test_one_model_is_attacked_without_shadows(rng) -> None:
    logits, membership, labels = rng.normal(size=(40, 3)), np.arange(40) < 20, np.arange(40) % 3
    given = {"logits": logits}, membership, labels
    found = attack(*given, **DRAWS)
    matrix = attack({"logits": logits[None]}, membership[None], labels, **DRAWS)
    assert list(found) == ["loss", "confidence", "entropy", "correctness", "attack_p"]
    assert found.results == matrix.results and found.notes == matrix.notes
    assert "lira_online: it needs shadows, other models that were trained alike, and" in str(
        found.notes
    )
    assert repr(found).count("not possible") == 2
    with pytest.raises(Refused, match="below the 3 classes of the logits"):
        attack({"logits": logits}, membership, labels + 1)
    with pytest.raises(Refused, match="has 8 models and 100 examples, and membership has 1 and"):
        attack({"confidence": PHI}, SPLIT.matrix[0])


def test_a_wrong_argument_is_answered_by_the_nearest() -> None:
    given = {"confidence": PHI}, SPLIT.matrix
    with pytest.raises(Refused, match="argument 'attack' is unknown; did you mean 'attacks'"):
        attack(*given, attack="rmia")
    with pytest.raises(Refused, match="'lira' is unknown; did you mean 'lira_online'"):
        attack(*given, attacks=("lira",))
    with pytest.raises(Refused, match=r"attacks must be a tuple, .* got 'loss'"):
        attack(*given, attacks="loss")
    with pytest.raises(
        Refused, match="rmia_online: option 'gama' is unknown; did you mean 'gamma'"
    ):
        ATTACKS["rmia_online"].using(gama=1.0)


def test_forgotten_labels_are_named_with_their_shape(rng) -> None:
    logits = rng.normal(size=(8, 100, 3))
    with pytest.raises(Refused, match=r"entropy.*: it needs the labels: labels=, .*\(100,"):
        attack({"logits": logits}, SPLIT.matrix, attacks=("loss", "entropy"))
    found = attack({"logits": logits, "confidence": PHI}, SPLIT.matrix, **DRAWS)
    [why] = [note for note in found.notes if note.startswith("entropy")]
    assert why == "entropy: it needs the labels: labels=, integers of shape (100,)"


def test_impossible_attacks_are_printed_by_reason() -> None:
    found = attack({"confidence": PHI}, SPLIT.matrix, **DRAWS)
    lines = [line for line in repr(found).splitlines() if line.startswith("not possible")]
    assert len(found.notes) > 30 and len(lines) < 5
    unread = sum("not given" in note for note in found.notes)
    assert any(f"not possible: {unread} attacks (" in line for line in lines)
