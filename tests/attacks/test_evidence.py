"""Evidence: derived signals, chosen models and examples, and refused shapes."""

import fleets
import numpy as np
import pytest

from pptp_jax.attacks import ATTACKS, Evidence
from pptp_jax.tasks import Signal
from pptp_jax.validation import AttackUnavailable

MADE = fleets.fleet(6, 10, queries=2)
AXES = ("models", "queries", "examples")


def test_confidence_and_correctness_follow_from_logits_and_labels() -> None:
    held = Evidence.leave_one_out({"logits": MADE.logits}, MADE.membership, labels=MADE.labels)
    np.testing.assert_allclose(held.target_signal("confidence"), MADE.phi, rtol=1e-4, atol=1e-5)
    right = MADE.logits.argmax(-1) == MADE.labels
    np.testing.assert_array_equal(held.target_signal("correct"), right)
    assert held.has("confidence") and held.has("labels") and not held.has("inputs")
    assert not Evidence.leave_one_out({"logits": MADE.logits}, MADE.membership).has("correct")


def test_what_is_said_of_tokens_does_not_follow_from_logits_of_classes() -> None:
    held = MADE.held(signals={"logits": MADE.logits})
    assert held.has("correct") and not held.has("token_log_prob")
    with pytest.raises(AttackUnavailable, match="reads the signal 'token_log_prob', which does no"):
        ATTACKS["min_k"](held)


def test_rows_and_columns_are_chosen() -> None:
    held = MADE.held(targets=[4, 0], shadows=[1, 4, 5], examples=np.array([7, 2, 3]))
    np.testing.assert_array_equal(held.target_among_shadows, [1, -1])
    columns = np.array([7, 2, 3])
    np.testing.assert_array_equal(held.target_signal("confidence"), MADE.phi[[4, 0]][:, :, columns])
    np.testing.assert_array_equal(
        held.shadow_signal("confidence"), MADE.phi[[1, 4, 5]][:, :, columns]
    )
    np.testing.assert_array_equal(held.shadow_signal("logits")[1], MADE.logits[4][:, columns])
    np.testing.assert_array_equal(
        held.shadow_signal("confidence", all_examples=True), MADE.phi[[1, 4, 5]]
    )
    np.testing.assert_array_equal(held.shadow_membership(), MADE.membership[[1, 4, 5]][:, columns])
    np.testing.assert_array_equal(held.require("labels"), MADE.labels[columns])


def test_shadows_are_counted_without_the_target() -> None:
    rows = np.array([[True], [True], [False], [False]])
    one = Evidence.leave_one_out({}, rows, targets=[0])
    assert one.shadows_of("OUT", at_least=2).sum() == 2
    with pytest.raises(ValueError, match=r"at least 2 IN .* none has more than 1 besides"):
        one.shadows_of("IN", at_least=2)
    other = Evidence.split({}, rows, [0], [1, 2, 3])
    with pytest.raises(ValueError, match="at least 2 IN"):
        other.shadows_of("IN", at_least=2)


def test_examples_with_too_few_shadows_are_named_by_their_own_numbers() -> None:
    rows = np.ones((4, 10), bool)
    rows[1:, [3, 8]] = False
    rows[2:, 8] = True
    held = Evidence.split({}, rows, [], None, examples=np.array([8, 0, 3, 5]))
    with pytest.raises(AttackUnavailable, match="no model is left"):
        held.shadows_of("IN", at_least=2)
    apart = Evidence.split({}, rows, [0], [1, 2, 3], examples=np.array([8, 0, 3, 5]))
    with pytest.raises(AttackUnavailable, match=r"and 1 of 4 has only 0 \(number 3\): leave these"):
        apart.shadows_of("IN", at_least=2)
    every = Evidence.leave_one_out({}, rows)
    with pytest.raises(
        AttackUnavailable, match=r"2 of 10 have only 0 to 2 besides the target \(number 3, 8\)"
    ):
        every.shadows_of("IN", at_least=3)
    assert apart.shadows_of("IN", at_least=0).shape == (3, 4)


def test_arrays_of_one_model_may_lack_its_axis() -> None:
    one = MADE.membership[:1]
    for phi in (MADE.phi[0, 0], MADE.phi[:1, 0], MADE.phi[:1, :1]):
        held = Evidence.leave_one_out({"confidence": phi}, one)
        np.testing.assert_array_equal(held.target["confidence"], MADE.phi[:1, :1])
    norms = Evidence.leave_one_out({"gradient_norms": MADE.phi[0]}, one)
    np.testing.assert_array_equal(norms.target["gradient_norms"], MADE.phi[:1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"signals": {"confidence": MADE.phi[0, 0]}},
            r"\(models, queries, examples\), got \(10,\)",
        ),
        (
            {"membership": MADE.membership[:4]},
            "has 6 models and 10 examples, and membership has 4 and 10",
        ),
        (
            {"membership": MADE.membership[0]},
            r"membership must be boolean, .* got bool of shape \(10,\): of one model, .*\[None\]",
        ),
        (
            {"membership": MADE.membership.astype(int)},
            r"got int\d+ of shape \(6, 10\): if it holds 0 and 1, .*astype\(bool\)",
        ),
        (
            {"membership": MADE.membership.T},
            r"membership has 10 and 6: one is transposed, hand over membership\.T",
        ),
        ({"targets": [6]}, "target must be one of the models 0 to 5, got 6"),
        ({"shadows": [-1]}, "shadow must be one of the models 0 to 5, got -1"),
        ({"examples": np.array([10])}, "example must be one of the examples 0 to 9, got 10"),
        ({"targets": [0, 3, 0]}, "target 0 is given several times"),
        ({"targets": [0], "shadows": [2, *range(6)]}, "shadow 2 is given several times"),
        ({"examples": np.array([4, 4])}, "example 4 is given several times"),
        ({"signals": {"confidence": MADE.phi.astype(object)}}, "must hold real numbers, .* object"),
        ({"signals": {"confidence": MADE.phi.astype(complex)}}, "real numbers, got .* complex128"),
        ({"signals": {"confidance": MADE.phi}}, "did you mean 'confidence'"),
        ({"labels": MADE.labels[:3]}, "there are 10 examples, but 3 labels"),
        ({"inputs": np.zeros((9, 2))}, "there are 10 examples, but 9 inputs"),
        ({"nonmembers": np.zeros(9, bool)}, r"nonmembers must be a mask of the 10 examples, got"),
        ({"population": np.arange(10)}, "population must be a mask of the 10 examples"),
        ({"population": np.zeros(10, bool)}, "population must be a finite number above 0"),
        (
            {"mismatched_shadow_signals": {"confidence": MADE.phi[:, :1]}},
            r"targets' own, \(6, 2, 10\), got \(6, 1, 10\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(change, message: str) -> None:
    given = {"signals": MADE.signals(), "membership": MADE.membership, "labels": MADE.labels}
    with pytest.raises(ValueError, match=message):
        Evidence.split(**{"targets": None, "shadows": None} | given | change)


def test_without_a_query_axis_there_is_one_query() -> None:
    plain, one = (
        Evidence.leave_one_out({"confidence": phi}, MADE.membership)
        for phi in (MADE.phi[:, 0], MADE.phi[:, :1])
    )
    np.testing.assert_array_equal(plain.target_signal("confidence"), one.target["confidence"])


def test_log_prob_is_the_sigmoids_unless_it_is_given_or_declared() -> None:
    held = Evidence.leave_one_out({"confidence": MADE.phi}, MADE.membership)
    assert held.log_prob_order == "confidence"
    np.testing.assert_allclose(
        held.target_signal("log_prob"), -np.logaddexp(0, -MADE.phi), rtol=1e-5
    )
    given = Evidence.leave_one_out({"log_prob": -MADE.phi, "confidence": MADE.phi}, MADE.membership)
    np.testing.assert_array_equal(given.target_signal("log_prob"), -MADE.phi)
    task = Signal(name="log_prob", axes=AXES, access="scores", reduce=lambda answers, y: answers)
    other = Evidence.leave_one_out({"confidence": MADE.phi}, MADE.membership, declared=[task])
    assert given.log_prob_order == other.log_prob_order == "log_prob"
    assert not other.has("log_prob")


def test_a_target_that_is_no_shadow_leaves_no_membership_in_the_evidence() -> None:
    held = MADE.held(targets=[4, 0], shadows=[1, 2])
    np.testing.assert_array_equal(held.membership, MADE.membership[[1, 2]])
    assert {len(array) for array in held.shadows.values()} == {2}


def test_each_target_alone_has_the_others_as_shadows() -> None:
    held = MADE.held(targets=[4, 0], shadows=[1, 4, 5], examples=np.array([7, 2, 3]))
    first, second = held.alone()
    np.testing.assert_array_equal(first.membership, MADE.membership[[1, 5]])
    np.testing.assert_array_equal(second.membership, MADE.membership[[1, 4, 5]])
    np.testing.assert_array_equal(
        first.shadow_signal("logits"), MADE.logits[[1, 5]][:, :, [7, 2, 3]]
    )
    assert first.target_among_shadows.tolist() == second.target_among_shadows.tolist() == [-1]
    np.testing.assert_array_equal(
        first.target_signal("confidence"), held.target_signal("confidence")[:1]
    )
