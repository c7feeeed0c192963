"""What an attacker holds: what is derived, what is chosen, what does not fit."""

import fleets
import numpy as np
import pytest

from pptp_jax.attacks import Evidence

MADE = fleets.fleet(6, 10, queries=2)


def test_confidence_and_correctness_follow_from_logits_and_labels() -> None:
    held = Evidence(signals={"logits": MADE.logits}, membership=MADE.membership, labels=MADE.labels)
    np.testing.assert_allclose(held.own("confidence"), MADE.phi, rtol=1e-4, atol=1e-5)
    right = MADE.logits.argmax(-1) == MADE.labels
    np.testing.assert_array_equal(held.own("correct"), right)
    assert held.has("confidence") and held.has("labels") and not held.has("inputs")
    assert not Evidence(signals={"logits": MADE.logits}, membership=MADE.membership).has("correct")


def test_rows_and_columns_are_chosen() -> None:
    held = MADE.held(targets=[4, 0], shadows=[1, 4, 5], examples=np.array([7, 2, 3]))
    np.testing.assert_array_equal(held.itself, [1, -1])
    columns = np.array([7, 2, 3])
    np.testing.assert_array_equal(held.own("confidence"), MADE.phi[[4, 0]][:, :, columns])
    np.testing.assert_array_equal(held.known("confidence"), MADE.phi[[1, 4, 5]][:, :, columns])
    np.testing.assert_array_equal(held.known("logits")[1], MADE.logits[4][:, columns])
    np.testing.assert_array_equal(held.known("confidence", everywhere=True), MADE.phi[[1, 4, 5]])
    np.testing.assert_array_equal(held.members(), MADE.membership[[1, 4, 5]][:, columns])
    np.testing.assert_array_equal(held.needed("labels"), MADE.labels[columns])


def test_shadows_are_counted_without_the_target() -> None:
    rows = np.array([[True], [True], [False], [False]])
    one = Evidence(signals={}, membership=rows, targets=[0])
    assert one.shadows_of("OUT", at_least=2).sum() == 2
    with pytest.raises(ValueError, match=r"at least 2 IN shadows for every example, .* has 1"):
        one.shadows_of("IN", at_least=2)
    other = Evidence(signals={}, membership=rows, targets=[0], shadows=[1, 2, 3])
    with pytest.raises(ValueError, match="at least 2 IN"):
        other.shadows_of("IN", at_least=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signals": {"confidence": MADE.phi[0]}}, r"\(models, queries, examples\), got \(2, 10\)"),
        ({"membership": MADE.membership[:4]}, r"= \(6, 10\) to fit .* got \(4, 10\)"),
        ({"membership": MADE.membership[0]}, r"membership must have shape .* got \(10,\)"),
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
            {"unaware": {"confidence": MADE.phi[:, :1]}},
            r"targets' own, \(6, 2, 10\), got \(6, 1, 10\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(change, message: str) -> None:
    given = {"signals": MADE.signals(), "membership": MADE.membership, "labels": MADE.labels}
    with pytest.raises(ValueError, match=message):
        Evidence(**given | change)
