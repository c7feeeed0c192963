"""`pptp canaries` of a language model: a DP-LoRA fleet, and one without noise as a control."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from invoking import named, pptp

from pptp_jax.audit import epsilon_in_one_run, exposure_by_fit

# A network that sees ten tokens, and compiles in no time.
AUDIT = """
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pptp_jax.audit import TextCanaryAudit
from pptp_jax.data import Secrets, Text
from pptp_jax.models import Model, Variables, lora
from pptp_jax.tasks import Language
from pptp_jax.training import Poisson, Private, dp_sgd, undefended

SEEN = 10

def init(key, x):
    table, hidden, head = (
        jax.random.normal(own, shape) * size
        for own, shape, size in zip(
            jax.random.split(key, 3), ((257, 8), (8 * SEEN, 64), (64, 257)), (1.0, 0.1, 0.1)
        )
    )
    return Variables({"table": table, "hidden": {"kernel": hidden}, "last": {"kernel": head}}, {})

def apply(params, state, x, *, train, key):
    rows = jnp.pad(params["table"][x], ((0, 0), (SEEN - 1, 0), (0, 0)))
    seen = jnp.concatenate([rows[:, i : i + x.shape[1]] for i in range(SEEN)], axis=-1)
    hidden = jnp.tanh(seen @ params["hidden"]["kernel"])
    return hidden @ params["last"]["kernel"], state

model = lora(
    Model(init, apply, task=Language()),
    rank=8,
    targets="hidden/.*",
    full="last/.*",
    x=jax.ShapeDtypeStruct((1, 16), jnp.int32),
    public=True,
)
audit = TextCanaryAudit(
    name="secrets",
    data=Text(length=16),
    model=model,
    recipes=(
        undefended(40),
        dp_sgd(Private(noise_multiplier=4.0), epochs=2, batches=Poisson()),
    ),
    secrets=Secrets(template="{label} {secret}", length=4, separator=""),
    repetitions=(1, 4),
    canaries=(64, 6),
    fillings=32,
    held_out=12,
    runs=8,
    batch_size=32,
    optimizer=optax.adam(0.01),
)
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, compile_in_haste: None) -> tuple[Path, Any, str]:
    """The directory, the results and what was printed."""
    home = tmp_path_factory.mktemp("secrets")
    words = np.random.default_rng(0).choice(["red", "dog", "runs", "tree", "big"], size=(80, 4))
    lines = [json.dumps({"text": " ".join(record)}) for record in words]
    (home / "words.jsonl").write_text("\n".join(lines))
    (home / "secrets.py").write_text(AUDIT)
    out = home / "out"
    with jax.numpy_dtype_promotion("standard"):  # optax.adam needs it
        result = pptp("canaries", home / "secrets.py", "--data", home / "words.jsonl", "--out", out)
    assert result.exit_code == 0, result.output
    return out, json.loads((out / "audit.json").read_text()), result.stdout


def test_what_repeats_is_exposed_and_what_is_absent_is_not(done: tuple[Path, Any, str]) -> None:
    _, results, _ = done
    assert results["secrets"]["bits"] == pytest.approx(4 * np.log2(10))
    assert not results["secrets"]["exact"] and results["utility"] == "bits per token"
    absent, once, often = results["rows"][0]["exposure"]
    assert [found["repetitions"] for found in (absent, once, often)] == [0, 1, 4]
    assert absent["pairs"] + once["pairs"] + often["pairs"] == 8 * 70
    assert 0.9 < absent["exposure"]["value"] < 2.2
    assert absent["exposure"]["high"] < once["exposure"]["low"]
    assert once["exposure"]["value"] < often["exposure"]["value"] <= 4 * np.log2(10)
    assert absent["in_tries"]["value"] < 0.1 and often["in_tries"]["value"] > 0.9
    assert absent["greedy"]["value"] < 0.1 < often["greedy"]["value"]
    private = results["rows"][1]["exposure"]
    assert all(found["exposure"]["value"] < 3 for found in private)


def test_the_bound_stays_below_the_accounted_epsilon_and_above_it_without_noise(
    done: tuple[Path, Any, str],
) -> None:
    _, results, _ = done
    plain, private = results["rows"]
    claimed = private["accounted"]["epsilon"]
    assert 0 < claimed < 1 and plain["accounted"] is None
    assert private["accounted"]["delta"] == results["delta"] == 1 / (10 * results["places"])
    # A bound is too high in one run of twenty at most.
    assert np.sum(np.array(private["each_run"]) > claimed) <= 1
    assert private["one_run"]["epsilon"] < claimed
    # The control does not keep what the private training promises.
    assert np.median(plain["each_run"]) > claimed and plain["one_run"]["epsilon"] > claimed


def test_what_is_stored_is_what_the_numbers_rest_on(done: tuple[Path, Any, str]) -> None:
    out, results, _ = done
    row = results["rows"][0]
    with np.load(out / "scores" / f"{row['slug']}.npz") as file:
        stored = dict(file)
    once = stored["repetitions"] == 1
    assert once.sum() == 64 and stored["scores"].shape == (8, 70)
    bound = epsilon_in_one_run(
        stored["scores"][0, once], stored["present"][0, once], delta=results["delta"]
    )
    assert bound.epsilon == pytest.approx(row["one_run"]["epsilon"])
    again = exposure_by_fit(stored["scores"], stored["fillings"], 10**4)
    np.testing.assert_allclose(again.bits, stored["exposure"], atol=1e-3)
    chosen = stored["present"] & once
    assert stored["exposure"][chosen].mean() == pytest.approx(
        row["exposure"][1]["exposure"]["value"]
    )
    # A secret that is the first choice at each of four places has p of at least 10^-4 or so.
    assert stored["scores"][stored["greedy"]].min() > np.log(257.0**-4)


def test_the_table_and_the_page_show_them(done: tuple[Path, Any, str]) -> None:
    out, results, printed = done
    places = results["places"]
    assert f"70 secrets as canaries among {places} places in training" in printed
    [line] = [line for line in printed.splitlines() if line.split()[:2] == ["undefended_40", "4"]]
    assert f"{results['rows'][0]['exposure'][2]['exposure']['value']:.2f} [" in line
    assert "'{label} 0000', a space of 13.3 bits: skew-normal fits to 32" in printed
    page = (out / "report.html").read_text()
    assert "Exposure by repetitions" in page and "repetitions of a canary in training" in page
    assert "The audit adds 70 canaries (records with a random secret) to the text" in page
    assert "greedily extracted" in page and "bits per token" in page
    readme = (out / "README.md").read_text()
    assert f"70 secrets take up to 88 of {places} records" in readme
    assert all(f"- `{name}`: " in readme for name in named(out))
