"""A user's own signals: their shapes, and a warning for each doubt."""

import math

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from pptp_jax.attacks import ATTACKS
from pptp_jax.audit.user_signals import given_signals
from pptp_jax.tasks import logit_scaled_confidence

pytestmark = pytest.mark.usefixtures("compile_in_haste")

MODELS, QUERIES, EXAMPLES, CLASSES = 6, 2, 30, 4
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(MODELS, QUERIES, EXAMPLES, CLASSES)).astype(np.float32)
LABELS = RNG.integers(0, CLASSES, EXAMPLES)
MEMBERSHIP = RNG.permuted(np.tile(np.arange(MODELS) < 3, (EXAMPLES, 1)), axis=1).T


def test_the_axes_decide_the_form_of_logits():
    whole = given_signals({"logits": LOGITS}, MEMBERSHIP, LABELS)
    np.testing.assert_array_equal(whole.signals["logits"], LOGITS)
    one_query = given_signals({"logits": LOGITS[:, 0]}, MEMBERSHIP, LABELS)
    np.testing.assert_array_equal(one_query.signals["logits"], LOGITS[:, :1])
    one_model = given_signals({"logits": LOGITS[0, 0]}, MEMBERSHIP[0], LABELS)
    np.testing.assert_array_equal(one_model.signals["logits"], LOGITS[:1, :1])
    assert one_model.membership.shape == (1, EXAMPLES)
    # A single model's membership may also be a matrix of one row.
    same = given_signals({"logits": LOGITS[0, 0]}, MEMBERSHIP[:1], LABELS)
    np.testing.assert_array_equal(same.membership, one_model.membership)


def test_losses_confidence_and_logits_say_the_same():
    labels = jnp.asarray(np.broadcast_to(LABELS, LOGITS.shape[:-1]))
    phi = np.asarray(logit_scaled_confidence(jnp.asarray(LOGITS), labels))
    losses = np.logaddexp(0, -phi.astype(float))
    of = {
        "logits": given_signals({"logits": LOGITS}, MEMBERSHIP, LABELS),
        "confidence": given_signals({"confidence": phi}, MEMBERSHIP),
        "losses": given_signals({"losses": losses}, MEMBERSHIP),
    }
    for name in ("loss", "lira_online", "rmia_online"):
        scores = {kind: ATTACKS[name](given.evidence()) for kind, given in of.items()}
        np.testing.assert_allclose(scores["confidence"], scores["logits"], atol=1e-4)
        np.testing.assert_allclose(scores["losses"], scores["logits"], atol=1e-3)


def test_a_loss_of_zero_is_a_confidence_that_rounding_allows():
    losses = np.zeros((2, 4), np.float32)
    losses[0, 1] = 1.0
    membership = np.array([[True, False] * 2] * 2)
    phi = given_signals({"losses": losses}, membership).signals["confidence"]
    assert np.isfinite(phi).all()
    assert 16 < phi[0, 0, 0] < 18
    assert phi[0, 0, 1] == pytest.approx(-np.log(np.e - 1))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_losses_of_any_size_become_the_log_odds_of_the_label(kind):
    """In the order of Python's own integers: φ = −ℓ − log(1 − e^−ℓ)."""
    losses = np.array([1e-12, 1e-9, 1e-3, 0.5, 20, 88.7, 88.8, 89, 120, 1e4, 1e38], kind)
    membership = np.arange(len(losses)) % 2 == 0
    phi = given_signals({"losses": losses}, membership).signals["confidence"][0, 0]
    known = [-math.log(math.expm1(loss)) if loss < 50 else -loss for loss in losses.tolist()]
    np.testing.assert_allclose(phi, np.float32(known), rtol=1e-6)
    assert phi.dtype == np.float32 and (np.diff(phi) < 0).all()


@pytest.mark.parametrize(
    ("least", "phi"),
    [(0.125, 16.6), (float(np.float32(1e-9)), 20.7), (1e-5 / 3, 36.7), (1e-20 / 3, 47.15)],
    ids=["of float32", "below its precision", "of float64", "below its precision, too"],
)
def test_a_loss_of_zero_is_below_all_others(least, phi):
    losses = np.array([0.0, 2.0, least])
    membership = np.array([True, False, True])
    found = given_signals({"losses": losses}, membership).signals["confidence"][0, 0]
    assert found[0] == pytest.approx(phi, abs=0.05) and found[0] >= found[2]


def test_large_losses_are_attacked_as_well_as_small_ones():
    """Sums over tokens, say: the order is that of the losses, and no attack is lost."""
    rng = np.random.default_rng(1)
    losses = np.abs(120 + 30 * rng.normal(size=MEMBERSHIP.shape) - 20 * MEMBERSHIP)
    evidence = given_signals({"losses": losses}, MEMBERSHIP).evidence()
    np.testing.assert_allclose(ATTACKS["loss"](evidence), -losses, rtol=1e-6)
    for name in ("lira_online", "lira_offline", "bavaria_t"):
        assert np.isfinite(ATTACKS[name](evidence)).all(), name


def test_float64_logits_tell_what_float32_does_not():
    """An offset of all classes, which no softmax sees, is all that float32 has left of them."""
    far = LOGITS.astype(float) + 1e9
    near = given_signals({"logits": LOGITS}, MEMBERSHIP, LABELS)
    found = given_signals({"logits": far}, MEMBERSHIP, LABELS)
    np.testing.assert_allclose(
        found.evidence().target_signal("confidence"),
        near.evidence().target_signal("confidence"),
        atol=1e-5,
    )
    # φ that a user has taken otherwise stands.
    own = given_signals({"logits": far, "confidence": far[..., 0]}, MEMBERSHIP, LABELS)
    np.testing.assert_array_equal(own.signals["confidence"], np.float32(far[..., 0]))


class Tensor:
    """What `audit` sees of a tensor of PyTorch that needs a gradient and lies on a device."""

    def __init__(self, array, dtype, ready=False, wide=False):
        self.array, self.dtype, self.ready, self.wide = array, dtype, ready, wide

    def detach(self):
        return self

    def cpu(self):
        return Tensor(self.array, self.dtype, True, self.wide)

    def float(self):
        return Tensor(self.array, self.dtype, self.ready, True)

    def __array__(self, dtype=None, copy=None):
        assert self.ready, "can't convert a tensor on a device, or that requires grad, to numpy"
        assert self.wide or self.dtype != "torch.bfloat16", "unsupported ScalarType BFloat16"
        return self.array


HALF = LOGITS[:, 0].astype(ml_dtypes.bfloat16)


@pytest.mark.parametrize(
    "logits",
    [
        jnp.asarray(HALF),
        HALF,
        [jnp.asarray(one) for one in HALF],
        Tensor(HALF.astype(np.float32), "torch.float32"),
        Tensor(HALF.astype(np.float32), "torch.bfloat16"),
        [Tensor(one.astype(np.float32), "torch.bfloat16") for one in HALF],
    ],
    ids=["JAX", "ml_dtypes", "JAX, a list", "PyTorch", "PyTorch bfloat16", "PyTorch, a list"],
)
def test_arrays_of_other_libraries_are_taken(logits):
    membership = Tensor(MEMBERSHIP, "torch.bool")
    labels = Tensor(LABELS, "torch.int64")
    found = given_signals({"logits": logits}, membership, labels)
    np.testing.assert_array_equal(found.signals["logits"][:, 0], HALF.astype(np.float32))
    np.testing.assert_array_equal(found.membership, MEMBERSHIP)
    np.testing.assert_array_equal(found.labels, LABELS)


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
        (changed(signals=LOGITS), "arrays by name, as in .*'logits': logits.*, got ndarray"),
        (
            changed(signals={"logits": LOGITS.astype(float) * 1e39}),
            r"logits must lie within ±3.4e\+38, .* such",
        ),
        (
            changed(signals={"losses": np.full(MEMBERSHIP.shape, 1e39)}),
            "losses must lie within .* 180 of 180 values do not, such as 1e",
        ),
        (changed(signals={"losses": [[1.0], [1.0, 2.0]]}), "losses must be one array, and its"),
        (changed(inputs=np.full((30, 2), 1e39)), "inputs must lie within"),
        (changed(inputs=np.full((30, 2), np.nan)), "inputs must be finite; 30 of 30 examples hold"),
        (changed(signals={}), "there are no signals: give logits, confidence"),
        (changed(signals={"logit": LOGITS}), "'logit' is unknown; did you mean 'logits'?"),
        (
            changed(signals={"losses": LOGITS[:, 0, :, 0], "confidence": LOGITS[:, 0, :, 0]}),
            "confidence and losses say the same of an example: give one of them",
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
            "logits must be finite; 1 of 720 values is NaN or infinite, in model 2: leave out",
        ),
        (changed(signals={"logits": PROBABILITIES}), "logits are probabilities here"),
        (
            changed(signals={"losses": np.ma.masked_less(np.ones((6, 30)), 2)}),
            "losses is masked at some places: hand over what is there alone",
        ),
        (
            changed(signals={"correct": np.full((6, 1, 30), 7)}),
            "correct must be True or False, or 1 or 0, for each model and example",
        ),
        (
            changed(signals={"noisy_correct": np.full((6, 30), 1.5)}),
            "noisy_correct must lie between 0 and 1; its values go from 1.5 to 1.5",
        ),
        (
            changed(signals={"gradient_norms": np.full((6, 2, 30), -1.0)}),
            "gradient_norms must be at least 0; its values go from -1 to -1",
        ),
        (
            changed(signals={"token_log_prob": np.ones((6, 30, 2))}),
            "token_log_prob must lie between -inf and 0; its values go from 1 to 1",
        ),
        (
            changed(
                signals={
                    "token_log_prob": np.zeros((6, 30, 2)),
                    "token_present": np.zeros((6, 30, 2), bool),
                }
            ),
            "token_present must have a token in every sequence, and some have none",
        ),
        (
            changed(
                signals={
                    "token_log_prob": np.zeros((6, 30, 2)),
                    "token_present": np.ones((6, 30, 3), bool),
                }
            ),
            r"token_present must have the shape of token_log_prob, \(6, 1, 30, 2\), got",
        ),
        *(
            (
                changed(**{name: [numbers]}),
                rf"{name}\[0\] must be an integer of at least 0, got",
            )
            for name in ("targets", "shadows")
            for numbers in ("0", 0.5, None, True, -1, math.nan)
        ),
        (
            changed(targets=[1, True]),
            r"targets\[1\] must be an integer of at least 0, got True",
        ),
        *(
            (
                changed(**{name: numbers}),
                rf"{name} must be numbers of models, as in {name}=\[0, 1\]",
            )
            for name in ("targets", "shadows")
            for numbers in (0, "0", [[0]], {1, 2}, np.array(1))
        ),
        (changed(targets=np.array([0.0])), r"targets\[0\] must be an integer"),
        (changed(targets=[]), "targets must be at least one model, got none"),
        (
            changed(signals={"logits": 1 / (1 + np.exp(-LOGITS[..., :1]))}),
            "the single logit of each example lies between 0 and 1",
        ),
        (changed(signals={"logits": LOGITS[..., :1]}), "and below the 2 classes of the logits"),
        (
            changed(signals={"losses": LOGITS[:, 0, :, 0], "residuals": LOGITS[:, 0, :, 0]}),
            "losses and residuals say the same of an example: give one of them",
        ),
        (changed(signals={"residuals": 0 * LOGITS[:, 0, :, 0]}), "all residuals are 0"),
        (changed(signals={"logits": LOGITS.astype(str)}), "logits must hold numbers, got"),
        (
            changed(signals={"losses": LOGITS[:, 0, :, 0]}),
            "losses must be cross-entropies, at least 0; the lowest is -",
        ),
        (changed(labels=None), r"hand over labels of shape \(30,\)"),
        (changed(labels=LABELS[:-1]), r"labels must have shape \(30,\), one an example, got \(29,"),
        (changed(labels=LABELS.astype(float)), "got an array of float64: np.unique"),
        (changed(labels=LABELS.astype(str)), "got an array of <U21: np.unique"),
        (changed(labels=LABELS + 0.5), "a regression go in as `predictions` and `true_values`"),
        (
            changed(labels=LABELS + 1),
            "at least 0 and below the 4 classes of the logits; they go from 1 to 4",
        ),
        (changed(labels=LABELS - 1), "they go from -1 to 2"),
        (changed(membership=ONE_SIDED), "model 4 has no non-members .* name the models to attack"),
        (
            {
                "signals": {"logits": LOGITS[0, 0]},
                "membership": MEMBERSHIP[0] | True,
                "labels": LABELS,
            },
            "was trained on all examples, .* not trained on as well.* take `pptp table`, or shad",
        ),
        (changed(inputs=np.ones(30)), r"inputs must be numbers of shape \(examples, ...\), got an"),
        (changed(inputs=np.ones((29, 2))), "there are 30 examples, but 29 inputs"),
        (changed(membership=MEMBERSHIP.astype(str)), r"got an array of <U5$"),
        (changed(targets=[0, 2, 0]), r"targets must be different models, got \[0, 2, 0\]"),
        (changed(targets=[6]), "target must be one of the models 0 to 5, got 6"),
    ],
)
def test_what_is_wrong_is_said(given, message):
    with pytest.raises(ValueError, match=message):
        given_signals(**given)


@pytest.mark.parametrize(
    "numbers",
    [[1, 2], (1, 2), range(1, 3), np.array([1, 2], ">i2"), jnp.array([1, 2]), [np.uint8(1), 2]],
)
def test_numbers_of_models_are_taken_in_any_form(numbers):
    found = given_signals(**changed(targets=numbers, shadows=numbers))
    assert (found.targets.tolist(), found.shadows.tolist()) == ([1, 2], [1, 2])


@pytest.mark.parametrize("form", [float, np.uint8, bool])
def test_right_and_wrong_may_be_ones_and_zeros(form):
    correct = LABELS % 2 == np.zeros((6, 1), int)
    found = given_signals({"correct": correct.astype(form)}, MEMBERSHIP).signals["correct"]
    np.testing.assert_array_equal(found[:, 0], correct, strict=True)


def test_an_array_with_a_mask_that_hides_nothing_is_taken():
    losses = np.ma.masked_array(np.ones(MEMBERSHIP.shape))
    assert given_signals({"losses": losses}, MEMBERSHIP).evidence().has("confidence")


def test_numbers_that_are_all_true_or_false_are_numbers():
    evidence = given_signals({"confidence": MEMBERSHIP}, MEMBERSHIP).evidence()
    for name in ("loss", "attack_p"):
        assert ATTACKS[name](evidence).dtype == np.float32, name


def test_a_trajectory_may_lack_queries_and_models() -> None:
    phi = np.random.default_rng(1).normal(size=(MODELS, 3, EXAMPLES))
    for given, membership, first in ((phi, MEMBERSHIP, phi), (phi[0], MEMBERSHIP[0], phi[:1])):
        found = given_signals({"trajectory": given}, membership).signals["trajectory"]
        np.testing.assert_allclose(found, first[:, :, None], rtol=1e-6)
    turned = phi.swapaxes(1, 2)
    with pytest.raises(ValueError, match=r"stops, examples\), has .*its axes are in another order"):
        given_signals({"trajectory": turned}, MEMBERSHIP)


def test_what_survives_a_transferred_input_is_true_or_false() -> None:
    right = np.random.default_rng(2).integers(2, size=(MODELS, 4, EXAMPLES))
    found = given_signals({"transferred_correct": right}, MEMBERSHIP)
    assert found.signals["transferred_correct"].dtype == bool
    np.testing.assert_allclose(ATTACKS["oslo"](found.evidence()), right.mean(axis=1), rtol=1e-6)
    with pytest.raises(ValueError, match="transferred_correct must be True or False"):
        given_signals({"transferred_correct": right + 1}, MEMBERSHIP)
