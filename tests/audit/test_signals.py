"""Audits of given signals and of JAX models: what is found, what is refused, what is written."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pptp_jax
from pptp_jax.attacks import ATTACKS
from pptp_jax.audit import AuditReport, audit_model, audit_signals
from pptp_jax.evaluation import RunResults, attack
from pptp_jax.metrics import attack_metrics, auc, combine, roc
from pptp_jax.report import render_attacks, render_audit, render_table
from pptp_jax.validation import Refused

pytestmark = pytest.mark.usefixtures("compile_in_haste")


def fleet(models=8, examples=240, classes=5, leak=2.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, examples)
    halves = np.tile(np.arange(models) < models // 2, (examples, 1))
    membership = rng.permuted(halves, axis=1).T
    logits = rng.normal(size=(models, examples, classes)).astype(np.float32)
    logits[:, np.arange(examples), labels] += 1 + leak * membership
    return logits, membership, labels


def test_what_is_found_is_what_the_attacks_and_metrics_find(tmp_path):
    logits, membership, labels = fleet()
    results = audit_signals(
        {"logits": logits}, membership, labels, report=AuditReport(tmp_path), resamples=50
    )
    assert json.loads((tmp_path / "results.json").read_text()) == results
    [row] = results["rows"]
    with np.load(tmp_path / "scores" / "given.npz") as stored:
        scores = {name: stored[name] for name in row["attacks"]}
        np.testing.assert_array_equal(stored["membership"], membership)
    for name in ("loss", "lira_online", "rmia_online"):
        twin = attack_metrics(scores[name], membership, resamples=50)
        assert row["attacks"][name] == {key: value._asdict() for key, value in twin.items()}
        assert row["attacks"][name]["auc"]["value"] == pytest.approx(
            auc(roc(scores[name], membership)), abs=1e-12
        )
    assert row["attacks"]["lira_online"]["auc"]["low"] > 0.7
    right = logits.argmax(axis=-1) == labels
    assert row["train_accuracy"]["value"] == right[membership].mean()
    assert row["test_accuracy"]["value"] == right[~membership].mean()
    # Every attack is either there or refused with a reason.
    refused = {note.split(":")[0] for note in row["notes"]}
    assert refused | set(row["attacks"]) == set(ATTACKS)
    assert not refused & set(row["attacks"])
    assert (tmp_path / "roc.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "report.html").read_text()
    assert "The signals come from elsewhere" in page and "BaVarIA-t" in page
    found = RunResults.from_json(results)
    table = render_audit(found)
    assert (tmp_path / "table.txt").read_text().strip() == table.strip()
    assert row["combined"]["attacks"] == list(row["attacks"])
    lines = (tmp_path / "combined" / "given.csv").read_text().splitlines()
    assert len(lines) == 1 + 240 and lines[0].startswith("record,label,targets_with")


def test_the_row_has_the_schema_of_a_studys_row(tmp_path):
    from pptp_jax.data import Balanced, Digits
    from pptp_jax.models import mlp
    from pptp_jax.study import Study, run
    from pptp_jax.training import undefended

    study = Study(
        name="s",
        data=Digits(),
        model=mlp([4], num_classes=10),
        split=Balanced(models=2),
        examples=40,
        batch_size=20,
        resamples=5,
        attacks=("loss",),
        recipes=(undefended(1),),
    )
    theirs = run(study, tmp_path)
    ours = audit_signals(
        {"losses": np.ones((2, 4))}, np.array([[True, False] * 2] * 2), attacks=("loss",)
    )
    # Nothing of its own, and all that reports read.
    for found, known in ((ours, theirs), (ours["rows"][0], theirs["rows"][0])):
        assert set(found) <= set(known)
    assert set(ours["data"]) == set(theirs["data"])
    found = ours["rows"][0]["attacks"]["loss"]
    assert set(found) == set(theirs["rows"][0]["attacks"]["loss"])
    assert "s" in render_table(RunResults.from_json(ours | {"study": "s"}))


def test_shuffled_membership_finds_nothing(rng):
    logits, membership, labels = fleet(examples=600)
    shuffled = rng.permuted(membership.T, axis=1).T
    attacks = ("loss", "lira_offline", "rmia_online", "base_online", "attack_r")
    [row] = audit_signals({"logits": logits}, shuffled, labels, attacks=attacks, resamples=50)[
        "rows"
    ]
    assert "rmia_online" in row["attacks"]
    for name, found in row["attacks"].items():
        assert found["auc"]["low"] - 0.02 < 0.5 < found["auc"]["high"] + 0.02, name


def test_one_model_alone_is_attacked_by_what_needs_no_shadow():
    logits, membership, labels = fleet()
    results = audit_signals({"logits": logits[0]}, membership[0], labels, resamples=20)
    [row] = results["rows"]
    assert {"loss", "correctness", "attack_p"} <= set(row["attacks"])
    assert not {"lira_online", "lira_offline", "rmia_online"} & set(row["attacks"])
    [why] = [note for note in row["notes"] if note.startswith("lira_online:")]
    assert "it needs shadows, other models" in why
    assert results["compared"] == "loss"
    assert why.partition(": ")[2] in render_attacks(RunResults.from_json(results))
    [why] = [note for note in row["notes"] if note.startswith("combined:")]
    assert why.endswith("and there is only the one: hand over shadows")
    assert row["combined"] is None


def test_a_single_target_is_combined_by_attacks_on_its_shadows():
    logits, membership, labels = fleet()
    attacks = ("loss", "rmia_offline", "lira_online")
    options = {"attacks": attacks, "resamples": 20}
    given = {"logits": logits}, membership, labels
    [row] = audit_signals(*given, targets=[2], **options)["rows"]
    shadows = [m for m in range(8) if m != 2]
    seen, others = (
        attack(*given, attacks, targets=own, shadows=shadows, resamples=1) for own in ([2], shadows)
    )
    known = {"shadow_scores": others.scores, "shadow_membership": others.membership}
    found = combine(seen.scores, seen.membership, **known)
    value = auc(roc(found.probability, membership[[2]]))
    assert row["combined"]["metrics"]["auc"]["value"] == pytest.approx(value)
    assert row["combined"]["metrics"]["auc"]["low"] > 0.7
    # A single shadow cannot be attacked by what needs shadows: what is left is combined.
    [row] = audit_signals(*given, targets=[2], shadows=[3], **options)["rows"]
    assert row["combined"]["attacks"] == ["loss"]


def test_losses_alone_leave_out_what_reads_more():
    logits, membership, labels = fleet()
    logp = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    losses = -np.take_along_axis(logp, labels[None, :, None], axis=-1)[..., 0]
    [row] = audit_signals({"losses": losses}, membership, resamples=20)["rows"]
    assert "entropy: it reads logits and labels, which were not given" in row["notes"]
    assert row["test_accuracy"]["value"] is None
    assert row["attacks"]["lira_online"]["auc"]["low"] > 0.7


ALONE = ("loss", "lira_offline", "rmia_offline")


def test_targets_and_shadows_are_kept_apart():
    logits, membership, labels = fleet()
    results = audit_signals(
        {"logits": logits},
        membership,
        labels,
        targets=[1],
        shadows=range(2, 8),
        attacks=ALONE,
        resamples=20,
    )
    assert results["targets"] == 1 and results["config"]["shadows"] == [2, 3, 4, 5, 6, 7]
    without = np.delete(np.arange(8), 0)
    alone = audit_signals(
        {"logits": logits[without]},
        membership[without],
        labels,
        targets=[0],
        attacks=ALONE,
        resamples=20,
    )
    for name in ALONE:
        first, second = (found["rows"][0]["attacks"][name]["auc"] for found in (results, alone))
        assert first["value"] == pytest.approx(second["value"], abs=1e-6)


def linear(rng, models=6, examples=80, inputs=30):
    """Least squares: it memorises as many examples as there are inputs."""
    x = rng.normal(size=(examples, inputs)).astype(np.float32)
    y = rng.integers(0, 3, examples)
    splits = rng.permuted(np.tile(np.arange(models) < models // 2, (examples, 1)), axis=1).T
    own = np.arange(examples) < examples // 2

    def fitted(inside):
        return np.linalg.lstsq(x[inside], np.eye(3, dtype=np.float32)[y[inside]], rcond=None)[0]

    return x, y, own, splits, fitted


def test_a_jax_model_is_audited_as_its_logits_are(rng):
    x, y, own, splits, fitted = linear(rng)
    models = [fitted(own), *map(fitted, splits)]
    parts = {"members": (x[:40], y[:40]), "nonmembers": (x[40:], y[40:])}

    def apply(params, x):
        return x @ params["w"]

    trees = [{"w": jnp.asarray(w)} for w in models]
    pairs = list(zip(trees[1:], splits, strict=True))
    few = {"attacks": ("loss", "rmia_online"), "resamples": 20}
    results = audit_model(apply, trees[0], **parts, shadows=pairs, batch_size=32, **few)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees[1:])
    again = audit_model(apply, trees[0], **parts, shadows=(stacked, splits), **few)
    logits = np.stack([np.asarray(x @ w) for w in models])
    twin = audit_signals(
        {"logits": logits},
        np.concatenate([own[None], splits]),
        y,
        inputs=x,
        targets=[0],
        attacks=(*few["attacks"], "quantile_regression"),
        resamples=20,
    )
    assert "quantile_regression" in twin["rows"][0]["attacks"]
    for name in few["attacks"]:
        values = [
            found["rows"][0]["attacks"][name]["auc"]["value"] for found in (twin, results, again)
        ]
        assert values[1:] == pytest.approx([values[0]] * 2, abs=2e-3)
    assert twin["rows"][0]["attacks"]["rmia_online"]["auc"]["value"] > 0.75
    assert pptp_jax.audit_model is audit_model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"members": (np.zeros((40, 3)), np.zeros(39, int))}, "members must be .* got 40 and 39"),
        ({"nonmembers": (np.zeros((0, 3)), np.zeros(0, int))}, "nonmembers must be .* got 0 and 0"),
        ({"shadows": [np.zeros((3, 2))]}, r"shadow 0 must be \(params, membership\), got ndarray"),
        (
            {"shadows": [(np.zeros((3, 2)), np.ones(79, bool))]},
            r"shadow 0 must be boolean of shape \(80,\), over the members and then the non-members",
        ),
        (
            {"shadows": (np.zeros((4, 3, 2)), np.ones((5, 80), bool))},
            "stacked shadows need one leading axis of 5 models",
        ),
        ({"apply": lambda params, x: x[:, 0]}, r"apply must return logits of shape \(batch, cl"),
        ({"attacks": ("lyra",)}, "attack 'lyra' is unknown"),
        ({"attacks": ()}, "attacks must be an integer of at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0"),
    ],
)
def test_what_no_model_can_be(change, message):
    given = {
        "apply": lambda params, x: x @ params,
        "params": np.zeros((3, 2), np.float32),
        "members": (np.zeros((40, 3), np.float32), np.zeros(40, int)),
        "nonmembers": (np.zeros((40, 3), np.float32), np.zeros(40, int)),
    }
    with pytest.raises(ValueError, match=message):
        audit_model(**(given | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *(({"seed": seed}, "seed must be an integer of at least 0") for seed in (None, -1, "x")),
        *(({"seed": seed}, "seed must be an integer of at least 0") for seed in ([1], np.nan)),
        ({"resamples": None}, "resamples must be an integer of at least 1, got None"),
        ({"attacks": None}, r"attacks must be a tuple, as in attacks=\(..., ...\), got None"),
        ({"attacks": (["loss"],)}, r"attack \['loss'\] is unknown"),
        ({"name": b"x"}, "name must be a word, got b'x'"),
        ({"out": b"x"}, "out must be a path, got b'x'"),
    ],
)
def test_arguments_of_other_types_are_refused(change, message):
    losses = np.ones((2, 4))
    with pytest.raises(Refused, match=message):
        own = {key: change[key] for key in change if key in ("name", "out")}
        rest = {key: change[key] for key in change if key not in own}
        members = losses == [[1, 1, 0, 0], [0, 0, 1, 1]]
        audit_signals({"losses": losses}, members, report=AuditReport(**own), **rest)


def test_numbers_of_numpy_and_a_path_in_letters_are_taken(tmp_path):
    losses = np.random.default_rng(0).exponential(size=(2, 20))
    membership = np.arange(20) % 2 == [[0], [1]]
    options = {"attacks": ["loss"], "report": AuditReport(str(tmp_path / "out"))}
    audit_signals(
        {"losses": losses}, membership, seed=np.int64(3), resamples=np.int32(5), **options
    )
    stored = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (stored["seed"], stored["config"]["resamples"]) == (3, 5)


def test_stops_are_no_queries() -> None:
    rng = np.random.default_rng(3)
    membership = fleet()[1]
    phi = rng.normal(size=(8, 3, 240)) + 1.5 * membership[:, None]
    attacks = ("lira_online", "lira_trajectory", "trajectory")
    signals = {"confidence": phi[:, -1], "trajectory": phi}
    results = audit_signals(signals, membership, attacks=attacks, resamples=20)
    assert results["queries"] == ["identity"]
    assert set(results["rows"][0]["attacks"]) == set(attacks)
