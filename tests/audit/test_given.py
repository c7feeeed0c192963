"""Signals from elsewhere: shapes told apart, and every doubt put in words."""

import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.attacks import ATTACKS
from pptp_jax.audit import read_given
from pptp_jax.audit.given import evidence_given
from pptp_jax.tasks import logit_scaled_confidence

pytestmark = pytest.mark.usefixtures("compile_in_haste")

MODELS, QUERIES, EXAMPLES, CLASSES = 6, 2, 30, 4
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(MODELS, QUERIES, EXAMPLES, CLASSES)).astype(np.float32)
LABELS = RNG.integers(0, CLASSES, EXAMPLES)
MEMBERSHIP = RNG.permuted(np.tile(np.arange(MODELS) < 3, (EXAMPLES, 1)), axis=1).T


def test_forms_of_logits_are_told_apart_by_their_axes():
    whole = evidence_given({"logits": LOGITS}, MEMBERSHIP, LABELS)
    np.testing.assert_array_equal(whole.signals["logits"], LOGITS)
    one_query = evidence_given({"logits": LOGITS[:, 0]}, MEMBERSHIP, LABELS)
    np.testing.assert_array_equal(one_query.signals["logits"], LOGITS[:, :1])
    one_model = evidence_given({"logits": LOGITS[0, 0]}, MEMBERSHIP[0], LABELS)
    np.testing.assert_array_equal(one_model.signals["logits"], LOGITS[:1, :1])
    assert one_model.membership.shape == (1, EXAMPLES)
    # A single model's membership may also be a matrix of one row.
    same = evidence_given({"logits": LOGITS[0, 0]}, MEMBERSHIP[:1], LABELS)
    np.testing.assert_array_equal(same.membership, one_model.membership)


def test_losses_confidence_and_logits_say_the_same():
    labels = jnp.asarray(np.broadcast_to(LABELS, LOGITS.shape[:-1]))
    phi = np.asarray(logit_scaled_confidence(jnp.asarray(LOGITS), labels))
    losses = np.logaddexp(0, -phi.astype(float))
    of = {
        "logits": evidence_given({"logits": LOGITS}, MEMBERSHIP, LABELS),
        "confidence": evidence_given({"confidence": phi}, MEMBERSHIP),
        "losses": evidence_given({"losses": losses}, MEMBERSHIP),
    }
    for name in ("loss", "lira_online", "rmia_online"):
        scores = {kind: ATTACKS[name](evidence) for kind, evidence in of.items()}
        np.testing.assert_allclose(scores["confidence"], scores["logits"], atol=1e-4)
        np.testing.assert_allclose(scores["losses"], scores["logits"], atol=1e-3)


def test_a_loss_of_zero_is_a_confidence_that_rounding_allows():
    losses = np.zeros((2, 4), np.float32)
    losses[0, 1] = 1.0
    membership = np.array([[True, False] * 2] * 2)
    phi = evidence_given({"losses": losses}, membership).signals["confidence"]
    assert np.isfinite(phi).all()
    assert 16 < phi[0, 0, 0] < 18
    assert phi[0, 0, 1] == pytest.approx(-np.log(np.e - 1))


def changed(**change):
    given = {"signals": {"logits": LOGITS[:, 0]}, "membership": MEMBERSHIP, "labels": LABELS}
    return given | change


WITH_NAN = LOGITS[:, 0].copy()
WITH_NAN[2, 3, 1] = np.nan
PROBABILITIES = np.exp(LOGITS[:, 0]) / np.exp(LOGITS[:, 0]).sum(axis=-1, keepdims=True)
ONE_SIDED = MEMBERSHIP.copy()
ONE_SIDED[4] = True


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (changed(signals={}), "there are no signals: give logits, confidence"),
        (changed(signals={"logit": LOGITS}), "'logit' is unknown; did you mean 'logits'?"),
        (
            changed(signals={"losses": LOGITS[:, 0, :, 0], "confidence": LOGITS[:, 0, :, 0]}),
            "confidence and losses say the same of the label: give one of them",
        ),
        (
            changed(membership=MEMBERSHIP.astype(float)),
            "membership must be boolean, got an array of float64: .* membership.astype",
        ),
        (
            changed(membership=MEMBERSHIP[None]),
            r"membership must have shape \(models, examples\), or \(examples,\) of one model, got",
        ),
        (
            changed(membership=MEMBERSHIP.T),
            r"has 6 models and 30 examples; membership has 30 models and 6 examples: membership is "
            r"transposed, hand over membership.T",
        ),
        (
            changed(signals={"logits": LOGITS[:, 0].swapaxes(0, 1)}),
            r"\(30, 6, 4\), read as \(models, examples, classes\), .* membership is transposed",
        ),
        (
            changed(signals={"logits": LOGITS[:, 0].swapaxes(1, 2)}),
            r"\(6, 4, 30\), .*: its axes are in another order",
        ),
        (changed(membership=MEMBERSHIP[:5]), "hand over one row of membership for each model"),
        (
            changed(signals={"logits": LOGITS[0, 0]}),
            r"read as \(examples, classes\), has 1 model and 30 examples; membership has 6 models",
        ),
        (
            changed(signals={"logits": LOGITS[0, 0, 0]}),
            r"logits must have shape \(models, queries, examples, classes\) or \(models, examples, "
            r"classes\) or \(examples, classes\), got \(4,\)",
        ),
        (
            changed(signals={"logits": WITH_NAN}),
            "logits must be finite; 1 of 720 values are NaN or infinite, in model 2: leave out",
        ),
        (changed(signals={"logits": PROBABILITIES}), "logits are probabilities here"),
        (changed(signals={"logits": LOGITS[..., :1]}), "logits need at least 2 classes"),
        (changed(signals={"logits": LOGITS.astype(str)}), "logits must hold numbers, got"),
        (
            changed(signals={"losses": LOGITS[:, 0, :, 0]}),
            "losses must be cross-entropies, at least 0; the lowest is -",
        ),
        (changed(labels=None), r"hand over labels of shape \(30,\)"),
        (changed(labels=LABELS[:-1]), r"labels must have shape \(30,\), one an example, got \(29,"),
        (changed(labels=LABELS.astype(float)), "labels must be whole numbers, got .* float64"),
        (
            changed(labels=LABELS + 1),
            "at least 0 and below the 4 classes of the logits; they go from 1 to 4",
        ),
        (changed(labels=LABELS - 1), "they go from -1 to 2"),
        (changed(membership=ONE_SIDED), "model 4 has no non-members among the examples"),
        (changed(inputs=np.ones(30)), r"inputs must be numbers of shape \(examples, ...\), got an"),
        (changed(inputs=np.ones((29, 2))), "there are 30 examples, but 29 inputs"),
        (changed(targets=[6]), "target must be one of the models 0 to 5, got 6"),
    ],
)
def test_what_is_wrong_is_said(given, message):
    with pytest.raises(ValueError, match=message):
        evidence_given(**given)


def test_arrays_may_lie_in_either_file(tmp_path):
    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    np.savez(a, logits=LOGITS, targets=np.arange(2))
    np.savez(b, membership=MEMBERSHIP, labels=LABELS)
    given = read_given(a, b)
    assert list(given["signals"]) == ["logits"]
    assert given["targets"] == [0, 1] and given["shadows"] is None
    np.testing.assert_array_equal(given["labels"], LABELS)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"logits": LOGITS}, "there is no array `membership` in .*s.npz"),
        ({"memberships": MEMBERSHIP}, "array 'memberships' is unknown; did you mean 'membership'"),
        ({"arr_0": MEMBERSHIP}, "an array has no name"),
        ({"membership": MEMBERSHIP, "targets": np.ones(2)}, "targets must be numbers of models"),
        ({"membership": np.array([None])}, "cannot be read as a .npz file of arrays"),
    ],
)
def test_files_that_say_something_else(tmp_path, arrays, message):
    np.savez(tmp_path / "s.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        read_given(tmp_path / "s.npz")


def test_files_that_are_none(tmp_path):
    (tmp_path / "text.npz").write_text("no arrays")
    np.save(tmp_path / "alone.npy", LOGITS)
    np.savez(tmp_path / "s.npz", membership=MEMBERSHIP)
    with pytest.raises(ValueError, match=r"text.npz cannot be read as a .npz file"):
        read_given(tmp_path / "text.npz")
    with pytest.raises(ValueError, match="it is a single array; save it by its name"):
        read_given(tmp_path / "alone.npy")
    np.savez(tmp_path / "t.npz", membership=MEMBERSHIP)
    with pytest.raises(ValueError, match=r"t.npz: membership is in another of the files as well"):
        read_given(tmp_path / "s.npz", tmp_path / "t.npz")
