"""The page that is executed on a run, the README's code, and the commands that pages show."""

import re
import runpy
import shlex
from dataclasses import replace
from pathlib import Path

import click
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.cli import main
from pptp_jax.data import Balanced, Digits
from pptp_jax.models import mlp
from pptp_jax.study import Study, run
from pptp_jax.training import early_stopped, freeze, undefended

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def test_the_walkthrough_runs_on_a_run(tmp_path: Path) -> None:
    study = Study(
        name="small",
        data=Digits(),
        model=mlp([8], num_classes=10),
        split=Balanced(models=6),
        examples=200,
        batch_size=50,
        resamples=10,
        trajectory=(1,),
        recipes=(undefended(3), early_stopped(2), freeze("stem", after=1, more=2)),
    )
    results = run(study, tmp_path / "run")
    execute = runpy.run_path(str(DOCS / "execute_page.py"))["execute"]
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        page = execute(DOCS / "location30_walkthrough.py", tmp_path / "run", tmp_path)
    assert "200 people, 10 groups" in page and "```text\n" in page
    for name in ("walkthrough_phi.png", "walkthrough_curves.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG") and f"]({name})" in page
    [plain] = [row for row in results["rows"] if row["recipe"] == "undefended"]
    found = plain["attacks"]["lira_online"]["auc"]["value"]
    assert float(re.search(r"LiRA by hand (\S+)", page)[1]) == pytest.approx(found, abs=6e-4)
    # What is committed was made from the same text and code.
    committed = (DOCS / "location30_walkthrough.md").read_text()
    without_output = [
        re.sub(r"```text\n.*?```", "", text, flags=re.S) for text in (page, committed)
    ]
    assert without_output[0].split() == without_output[1].split()


def test_the_code_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    assert len(blocks) == 3
    monkeypatch.chdir(tmp_path)
    params = {"stem": {"kernel": jnp.ones((2, 3))}, "head": {"kernel": jnp.ones((3, 2))}}
    names = {
        "np": np,
        "params": params,
        "gradients": params,
        "key": jax.random.key(0),
        "logits": np.random.default_rng(0).normal(size=(4, 6, 3)).astype(np.float32),
        "labels": np.arange(6) % 3,
        "membership": np.arange(4)[:, None] % 2 == np.arange(6) % 2,
    }
    with jax.numpy_dtype_promotion("standard"):
        for block in blocks:
            exec(block, names)
    updates, regions = names["updates"], names["regions"]
    assert jax.tree.structure(updates) == jax.tree.structure(params) and regions.names
    assert isinstance(names["study"], Study) and replace(names["study"], seed=1).seed == 1
    assert "loss" in names["found"] and not list(tmp_path.iterdir())


def shown_commands() -> list[str]:
    pages = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
    text = "\n".join(page.read_text() for page in pages)
    text = re.sub(r" *\\\n *", lambda cut: " " * cut[0].startswith(" "), text)  # one command
    lines = re.findall(r"^(?: {4})?(?:\S+=\S+ )?(pptp [a-z-].*)$", text, flags=re.M)
    return sorted({line.partition(" #")[0].strip() for line in lines})


@pytest.mark.parametrize("command", shown_commands())
def test_commands_of_the_pages_are_ones(command: str) -> None:
    words = shlex.split(command)[1:]
    context = main.make_context("pptp", words)
    name, sub, rest = main.resolve_command(context, context._protected_args + context.args)
    assert sub is not None, name
    try:
        sub.make_context(str(name), rest, parent=context)
    except click.BadParameter as error:
        assert "does not exist" in str(error)  # the files are the reader's
