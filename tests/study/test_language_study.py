"""A study of text, from paragraphs to a report, with the attacks that read tokens."""

import html
import json
import zlib
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

from pptp_jax.attacks import ATTACKS as REGISTRY
from pptp_jax.data import Balanced, Topics
from pptp_jax.evaluation.run_files import read_results
from pptp_jax.fleets import Runtime
from pptp_jax.models import gpt
from pptp_jax.report import render_table, write_report
from pptp_jax.robustness import Robustness
from pptp_jax.study import Study, run
from pptp_jax.study.overrides import overridden
from pptp_jax.training import freeze, undefended

ATTACKS = (
    "loss",
    "lira_online",
    "rmia_online",
    "base_online",
    "min_k",
    "min_k_plus_plus",
    "zlib_ratio",
    "base_ratio",
    "lowercase",
    "recall",
    "neighbourhood",
    "ez_mia",
    "informia",
    "informia_tokens",
    "lira_tokens",
)
QUANTILE = REGISTRY["quantile_regression"].using(steps=20)
STUDY = Study(
    name="text",
    data=Topics(length=12),
    examples=60,
    model=gpt(width=8, depth=1, heads=2, context=12),
    split=Balanced(models=6),
    optimizer=optax.adam(1e-2),
    batch_size=10,
    recipes=(undefended(2), freeze("embed", after=1, more=1)),
    reference=20,
    attacks=(*ATTACKS, QUANTILE, "input_gradient_norm"),
    resamples=20,
    white_box=True,
)


@pytest.mark.slow  # every attack is compiled
def test_text_goes_from_paragraphs_to_a_report(tmp_path: Path) -> None:
    logged: list[str] = []
    with jax.numpy_dtype_promotion("standard"):  # Adam counts in integers
        run(STUDY, tmp_path, runtime=Runtime(log=logged.append))
    record = json.loads((tmp_path / "results.json").read_text())
    assert (record["utility_name"], record["higher_is_better"]) == ("bits per token", False)
    assert record["data"]["classes"] is None and "Python" in record["data"]["name"]
    alike = record["data"]["likeness"]
    assert logged[0] == alike["words"]  # before any model is trained
    assert "near duplicate" in alike["words"] and (alike["records"], alike["width"]) == (60, 5)
    assert alike["words"] in (tmp_path / "README.md").read_text()
    _, frozen = record["rows"]
    assert frozen["recipe"] == "freeze" and frozen["region"] == "embed"
    for row in record["rows"]:
        assert 4 < row["test_bits_per_token"]["value"] < np.log2(257)  # as it is at the start
        made = {name for name, own in row["attacks"].items() if own["auc"]["value"]}
        assert made == {*ATTACKS, QUANTILE.name}
        # A token has no small change, so no gradient by it.
        assert [note.split(":")[0] for note in row["notes"]] == ["input_gradient_norm"]
        assert set(row["white_box"]["gradients"]) == {"embed", "block1", "head"}
    [end] = tmp_path.glob("fleets/undefended_2-*/after-2")
    kept = {path.stem: np.load(path) for path in end.glob("*.npy")}
    assert "logits" not in kept and kept["token_present"].shape == (6, 1, 60, 12)
    there = kept["token_present"]
    mean = kept["token_log_prob"].sum(-1) / there.sum(-1)
    np.testing.assert_allclose(kept["utility"], -mean[:, 0] / np.log(2), rtol=1e-5)
    np.testing.assert_allclose(kept["confidence"], np.log(np.exp(mean) / -np.expm1(mean)), 1e-4)
    np.testing.assert_allclose(kept["base_log_prob"], -np.log(257), atol=0.2)  # before any step
    # Nothing is known at the start, of whatever text.
    for name in ("lowered", "neighbour", "prefixed", "unprefixed"):
        assert kept[f"{name}_log_prob"].shape == (6, 60)
    base = (kept["base_token_log_prob"] * there[:, 0]).sum(-1) / there[:, 0].sum(-1)
    np.testing.assert_allclose(base, kept["base_log_prob"], rtol=1e-5)
    assert (kept["base_divergence"] > 0)[there[:, 0]].all()
    texts = (bytes(token for token in row if 0 <= token < 256) for row in STUDY.load().y.tolist())
    lengths = [len(zlib.compress(text)) for text in texts]
    assert kept["compressed_length"].tolist() == [lengths] * 6
    table, page = render_table(read_results(tmp_path)), write_report(tmp_path).read_text()
    assert "test bits per token" in table and "bits per token" in page
    assert f"note: {alike['words']}" in table and html.escape(alike["words"]) in page
    # The riskiest records are read, a token each, with what models say of it.
    with np.load(tmp_path / "riskiest.npz") as riskiest:
        row = STUDY.load().ids.tolist().index(riskiest["ids"][0, 0])
        own = kept["token_log_prob"][riskiest["surest"][0, 0], 0, row]
        np.testing.assert_allclose(riskiest["token_target"][0, 0], own[: there[0, 0, row].sum()])
        assert "".join(riskiest["token_texts"][0, 0]) == texts_read(STUDY.load().y[row])
    assert 'class="token gives' in page and "Member of 3 of 6 models." in page


def texts_read(tokens: np.ndarray) -> str:
    return bytes(token for token in tokens.tolist() if 0 <= token < 256).decode()


def test_what_the_model_is_can_be_set() -> None:
    changed = overridden(STUDY, ["model.width=16", "model.tied=true", "data.length=10"])
    assert changed.model.config["width"] == 16 and changed.model.config["tied"]
    assert changed.load().x.shape == (60, 10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": gpt(vocab=100, width=8, context=12)}, r"\(batch, 12, 257 or more\); it returns"),
        ({"model": gpt(width=8, context=11)}, "of 12 tokens; it is 11"),
        ({"robustness": Robustness()}, "the task language has none"),
    ],
)
def test_what_does_not_fit_is_refused(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(STUDY, **change).load()


def test_symbols_are_never_standardised() -> None:
    from pptp_jax.study import in_units_of

    data = STUDY.load()
    assert in_units_of(STUDY.model, data, None) is STUDY.model
    with pytest.raises(ValueError, match="made of symbols, which have no mean"):
        in_units_of(STUDY.model, data, True)
