"""`pptp audit`."""

import json
from pathlib import Path

import numpy as np
import pytest
from invoking import named, pptp


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home, rng = tmp_path_factory.mktemp("given"), np.random.default_rng(0)
    membership = rng.permuted(np.tile(np.arange(6) < 3, (40, 1)), axis=1).T
    np.savez(home / "s.npz", losses=rng.exponential(size=(6, 40)))
    np.savez(home / "m.npz", membership=membership)
    np.savez(home / "t.npz", membership=membership.T)
    return home


def test_an_audit_of_given_signals_prints_its_table_and_leaves_its_files(given: Path) -> None:
    out = given / "out"
    result = pptp(
        *("audit", "--signals", given / "s.npz", "--membership", given / "m.npz"),
        *("--out", out, "--resamples", 20),
        *("--attack", "loss", "--attack", "entropy", "--attack", "rmia_online"),
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("warning: there are only 16 members of a target: the interv")
    assert "\ns: 6 models, 6 of them attacked, on 40 examples" in result.stdout
    assert (
        "not possible: entropy: it reads logits and labels, which were not given" in result.stdout
    )
    assert all(len(line) <= 100 for line in result.stdout.splitlines()[:-1])
    assert "TPR@0.1%" in (out / "table.txt").read_text()
    assert "attacks together" in result.stdout
    results = json.loads((out / "results.json").read_text())
    assert list(results["rows"][0]["attacks"]) == ["loss", "rmia_online"]
    assert results["command"].endswith("--attack rmia_online --resamples 20")
    for name in ("roc.png", "report.html", "scores/given.npz", "combined/given.csv"):
        assert (out / name).is_file()
    readme = (out / "README.md").read_text()
    assert results["command"] in readme and "6 of 6 models that were trained elsewhere" in readme
    assert all(f"- `{name}`: " in readme for name in named(out))


def test_other_signals_do_not_write_over_a_report(given: Path, tmp_path: Path) -> None:
    own, out, rng = tmp_path / "own.npz", tmp_path / "out", np.random.default_rng(1)
    args = ("--membership", given / "m.npz", "--out", out, "--resamples", 10)
    args = (*args, "--attack", "loss", "--signals")
    own.write_bytes((given / "s.npz").read_bytes())
    assert pptp("audit", *args, own).exit_code == 0
    np.savez(tmp_path / "other.npz", losses=rng.exponential(size=(6, 40)))
    result = pptp("audit", *args, tmp_path / "other.npz")
    assert result.exit_code == 1 and "holds the report of `pptp audit --signals" in result.stderr
    # A copy is no other file, nor is one that was moved.
    assert pptp("audit", *args, given / "s.npz").exit_code == 0
    assert pptp("audit", *args, own).exit_code == 0
    own.unlink()
    assert pptp("audit", *args, tmp_path / "other.npz").exit_code == 0
    # A record that nobody can read stops nobody.
    (out / "results.json").write_text('{"command": "pptp \\"unclosed"}')
    assert pptp("audit", *args, given / "s.npz").exit_code == 0


@pytest.mark.parametrize(
    ("signals", "membership", "message"),
    [
        ("s.npz", None, "Missing option '--membership'"),
        (None, "m.npz", "Missing option '--signals'"),
        ("s.npz", "none.npz", "none.npz' does not exist."),
        ("s.npz", "t.npz", "membership is transposed, hand over membership.T"),
        ("m.npz", "m.npz", "there are no signals: give logits, confidence (φ) or losses"),
        ("s.npz", "s.npz", "there is no array `membership`"),
        ("s.npz", "m.npz --attack lyra_online", "is unknown; did you mean 'lira_online'?"),
        ("s.npz", "m.npz --resamples 0", "0 is not in the range x>=1"),
    ],
)
def test_wrong_arguments_of_an_audit(
    given: Path, signals: str | None, membership: str | None, message: str
) -> None:
    args = [] if signals is None else ["--signals", given / signals]
    if membership is not None:
        path, *rest = membership.split()
        args += ["--membership", given / path, *rest]
    result = pptp("audit", *args)
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output
