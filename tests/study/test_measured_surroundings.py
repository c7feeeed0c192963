"""A study that looks at corruptions, at inputs from other networks and at decision boundaries."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_study import STUDY

from pptp_jax.evaluation import read_results
from pptp_jax.report import render_robustness, write_report
from pptp_jax.robustness import Robustness
from pptp_jax.study import run
from pptp_jax.study.robustness_accuracy import robust_signal
from pptp_jax.training import Strategy, undefended

HOW = Robustness(
    epsilons=(),
    l2_epsilons=(0.3,),
    steps=(4,),
    noise=(),
    examples=20,
    corruptions=("jpeg",),
    severities=(5,),
    surrogates=2,
    surrogate_epochs=2,
    eigenvalues=2,
)
SURROUNDED = replace(
    STUDY,
    robustness=HOW,
    recipes=(undefended(4),),
    attacks=("loss",),
    compared="loss",
    resamples=30,
    examples=240,
    reference=40,
    batch_size=20,
)


@pytest.fixture(scope="module")
def surrounded_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("surrounded")
    run(SURROUNDED, out, strategy=lambda study, data: Strategy(order="scan"))
    return out


def test_what_it_finds_is_in_its_results_table_and_page(surrounded_run: Path) -> None:
    [row] = json.loads((surrounded_run / "results.json").read_text())["rows"]
    found = row["robustness"]
    kinds = [trial["kind"] for trial in found["trials"]]
    assert kinds == ["clean", "fgsm", "transfer", "pgd", "worst", "jpeg"]
    of_kind = {trial["kind"]: trial["accuracy"]["value"] for trial in found["trials"]}
    assert of_kind["worst"] <= of_kind["transfer"] <= of_kind["clean"]
    measures = {own["name"]: own["mean"] for own in found["measures"]}
    assert [*measures] == ["linear_distance", "distance", "curvature_1", "curvature_2"]
    assert all(own["low"] <= own["value"] <= own["high"] for own in measures.values())
    assert 0 < measures["curvature_2"]["value"] < measures["curvature_1"]["value"]
    results = read_results(surrounded_run)
    assert results is not None
    table = render_robustness(results)
    assert "JPEG 5" in table and "transfer L2 0.3" in table and "distance, linear" in table
    write_report(surrounded_run)
    page = (surrounded_run / "report.html").read_text()
    assert "JPEG 5" in page and f"{measures['distance']['value']:.3f}" in page


def test_distances_are_those_of_the_pairs_that_are_tried(surrounded_run: Path) -> None:
    """0 where the label is wrong from the start, and only there."""
    [end] = surrounded_run.glob("fleets/*/after-4")
    right, around = np.load(end / "robust.npy"), np.load(end / "input_geometry.npy")
    assert around.shape == (right.shape[0], 4, right.shape[2])
    np.testing.assert_array_equal(around[:, 0] > 0, right[:, 0] > 0)


def test_what_is_not_used_is_not_in_the_record() -> None:
    """Fleets with robustness that were trained before there was more of it keep their names."""
    plain = Robustness(examples=20)
    assert "surrogates" not in plain.record and plain.record["examples"] == 20
    assert plain.record["type"] == "Robustness" and plain.record["l2_epsilons"] == []
    assert HOW.record["surrogates"] == 2 and HOW.record["severities"] == [5]
    study = replace(SURROUNDED, robustness=plain)
    assert dict(robust_signal(study, study.membership(200)).settings) == plain.record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"corruptions": ("fog",)}, r"corruptions\[0\] 'fog' is unknown"),
        ({"severities": (0,)}, r"severities\[0\] must be an integer from 1 to 5, got 0"),
        ({"surrogates": -1}, "surrogates must be an integer of at least 0, got -1"),
        ({"surrogate_epochs": 0}, "surrogate_epochs must be an integer of at least 1, got 0"),
    ],
)
def test_settings_of_surroundings_that_cannot_be(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(HOW, **change)


def test_surrogates_need_reference_examples() -> None:
    with pytest.raises(ValueError, match=r"robustness\.surrogates learn from reference examples"):
        replace(SURROUNDED, reference=0)
