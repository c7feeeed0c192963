"""The combined attacks of a run, and their table of probabilities."""

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pptp_jax.evaluation.combination import Combined, combined, write_combined
from pptp_jax.evaluation.form import check_form
from pptp_jax.evaluation.results_form import RESULTS
from pptp_jax.metrics import combine

DRAWS = {"resamples": 50, "seed": 0}


def case(rng: np.random.Generator, targets: int = 4, examples: int = 300):
    membership = rng.random((targets, examples)) < 0.5
    gaps = {"lira_online": 1.0, "loss": 0.3, "mine": 1.4}
    shape = membership.shape
    scores = {name: rng.normal(size=shape) + gap * membership for name, gap in gaps.items()}
    return scores, membership


def test_the_record_says_what_the_attacks_together_gain(rng: np.random.Generator) -> None:
    scores, membership = case(rng)
    found = combined(scores, membership, "lira_online", **DRAWS)
    record, probability = found.record, found.probability
    np.testing.assert_array_equal(probability, combine(scores, membership).probability)
    assert found.note is None and record["attacks"] == list(scores)
    together, *alone = (
        roc_auc_score(membership.ravel(), own.ravel())
        for own in (probability, scores["lira_online"], scores["mine"])
    )
    assert record["metrics"]["auc"]["value"] == pytest.approx(together)
    # The compared attack, then the strongest.
    assert list(record["gains"]) == ["lira_online", "mine"]
    for gains, known in zip(record["gains"].values(), alone, strict=True):
        gain = gains["auc"]
        assert gain["value"] == pytest.approx(together - known)
        assert gain["low"] < gain["value"] < gain["high"]
        # Paired: narrower than the interval of either.
        own = record["metrics"]["auc"]
        assert gain["high"] - gain["low"] < own["high"] - own["low"] + 0.02
        assert gains["tpr@0.01"]["coarse"] and "tpr@0.001" not in gains
    assert record["gains"]["lira_online"]["auc"]["low"] > 0.03
    assert sum(record["shares"].values()) == pytest.approx(1)
    assert record["base_rate"] == pytest.approx(membership.mean(), abs=0.01)
    row = {"slug": "a", "attacks": {}, "combined": record}
    check_form({"rows": [row]}, RESULTS)


def test_why_attacks_cannot_be_combined_is_a_note(rng: np.random.Generator) -> None:
    scores, membership = case(rng, targets=1)
    found = combined(scores, membership, "lira_online", **DRAWS)
    assert found.record is found.probability is None
    assert found.note is not None and found.note.startswith(
        "combined: a combiner learns from other"
    )
    assert combined({}, membership, "lira_online", **DRAWS) == Combined()


def test_shadows_that_lack_an_attack_leave_it_out(rng: np.random.Generator) -> None:
    scores, membership = case(rng)
    known = {name: scores[name][1:] for name in ("loss", "mine")}
    found = combined(
        {name: own[:1] for name, own in scores.items()},
        membership[:1],
        "lira_online",
        shadow_scores=known,
        shadow_membership=membership[1:],
        **DRAWS,
    )
    assert found.record["attacks"] == ["loss", "mine"] and list(found.record["gains"]) == ["mine"]


def test_the_table_has_a_line_a_record_and_the_riskiest_first(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    probability = rng.random((3, 5))
    membership = rng.random((3, 5)) < 0.5
    membership[:, 0], membership[:, 1] = True, False
    ids = np.array(["a,b", 'say "x"', "ü", "d", "e"])
    where = {"examples": np.arange(10, 15), "ids": ids}
    found = Combined(probability, {})
    targets = np.array([0, 2, 3])
    write_combined(tmp_path, "slug", found, membership, targets, labels=np.arange(5) % 2, **where)
    with (tmp_path / "slug.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert {line["record"] for line in lines} == set(ids)
    means = [float(line["mean_with"] or -1) for line in lines]
    assert means == sorted(means, reverse=True)
    for line in lines:
        i = ids.tolist().index(line["record"])
        assert int(line["label"]) == i % 2
        for side, chosen in (("with", membership[:, i]), ("without", ~membership[:, i])):
            assert int(line[f"targets_{side}"]) == chosen.sum()
            if not chosen.any():
                assert line[f"mean_{side}"] == line[f"highest_{side}"] == ""
                continue
            own = probability[chosen, i]
            assert float(line[f"mean_{side}"]) == pytest.approx(own.mean(), rel=1e-3)
            assert float(line[f"highest_{side}"]) == pytest.approx(own.max(), rel=1e-3)
    with np.load(tmp_path / "slug.npz") as stored:
        np.testing.assert_array_equal(stored["probability"], probability)
        np.testing.assert_array_equal(stored["targets"], targets)
        np.testing.assert_array_equal(stored["examples"], where["examples"])
    write_combined(tmp_path, "unlabelled", found, membership, targets, **where)
    assert "label" not in (tmp_path / "unlabelled.csv").read_text().splitlines()[0]
    write_combined(tmp_path, "none", Combined(), membership, targets, **where)
    assert not list(tmp_path.glob("none.*"))
