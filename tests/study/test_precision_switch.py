"""A study's precision: one field, part of every fleet's name, and said wherever a run speaks."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from small_study import STUDY

from pptp_jax.cli import main
from pptp_jax.evaluation.results import RunResults
from pptp_jax.fleets.fingerprint import fingerprint
from pptp_jax.models import compiled_for, in_precision, precision_in_words
from pptp_jax.report import render_table
from pptp_jax.report.page.setting import setting
from pptp_jax.study import overridden, prepared, run

ONE = replace(STUDY, recipes=STUDY.recipes[:1], resamples=10)
FILE = """
from pptp_jax.data import Digits
from pptp_jax.models import mlp
from pptp_jax.study import Study
from pptp_jax.training import undefended
study = Study(
    name="mine",
    data=Digits(),
    model=mlp([4], num_classes=10),
    examples=300,
    recipes=(undefended(1),),
)
"""


def test_it_trains_as_the_model_does_that_has_it(tmp_path: Path) -> None:
    run(replace(ONE, precision="bfloat16"), tmp_path / "switch")
    run(replace(ONE, model=in_precision(ONE.model, "bfloat16")), tmp_path / "model")
    run(ONE, tmp_path / "plain")
    switch, model, plain = (
        np.load(tmp_path / name / "signals" / "undefended_2.npy")
        for name in ("switch", "model", "plain")
    )
    np.testing.assert_array_equal(switch, model)
    assert np.abs(switch - plain).max() > 0
    # Signals have all 24 bits of a float32: few of them fit into the 8 of a bfloat16.
    assert ((switch.view(np.uint32) & 0xFFFF) != 0).mean() > 0.99
    results = RunResults.from_json(json.loads((tmp_path / "switch" / "results.json").read_text()))
    assert results.precision == precision_in_words("bfloat16")
    assert results.config["precision"] == "bfloat16"
    assert setting(results)["precision"] == results.precision
    assert f"Precision {results.precision}." in render_table(results)
    manifest = json.loads((tmp_path / "plain" / "manifest.json").read_text())
    assert manifest["precision"] == precision_in_words("float32")


def test_another_precision_is_another_fleet_where_it_rounds() -> None:
    def names() -> list[str]:
        found = []
        for precision in ("float32", "tensorfloat32", "bfloat16"):
            study, data = prepared(replace(ONE, precision=precision))
            found.append(fingerprint(study.fleet_spec(study.recipes[0], data)))
        return found

    here = names()
    assert here[0] == here[1] != here[2]
    with compiled_for("tpu"):
        assert len({*names(), *here}) == 5


def test_the_default_leaves_the_model_alone() -> None:
    study, _ = prepared(ONE)
    assert study.model is ONE.model


def test_the_guarantee_still_sees_what_standardises() -> None:
    study, _ = prepared(replace(ONE, precision="bfloat16", standardize=True))
    assert study.model.config["name"] == "standardized"
    assert study.model.config["model"]["name"] == "in_precision"
    assert prepared(study)[0].model.precision == "bfloat16"


def test_it_is_set_from_the_command_line_and_said_beforehand(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    given = [
        "run",
        str(path),
        "--dry-run",
        "--strategy",
        "scan",
        "--set",
        "precision=tensorfloat32",
    ]
    found = CliRunner().invoke(main, given, catch_exceptions=False)
    assert found.exit_code == 0
    assert f"Precision {precision_in_words('tensorfloat32')}." in found.stdout.replace("\n", " ")


def test_what_is_no_precision_is_refused() -> None:
    with pytest.raises(ValueError, match=r"--set precision: must be .* or 'bfloat16', got 'half'"):
        overridden(ONE, ["precision=half"])
    with pytest.raises(ValueError, match=r"precision must be .*float32.*half"):
        replace(ONE, precision="half")
    with pytest.raises(ValueError, match="trains in bfloat16 already"):
        replace(ONE, model=in_precision(ONE.model, "bfloat16"), precision="tensorfloat32")
