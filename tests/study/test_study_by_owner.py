"""Studies whose split draws owners: who trains on what, and what the results say of owners."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pptp_jax.data import Balanced, ByOwner, Digits, Npz
from pptp_jax.evaluation import RunResults
from pptp_jax.metrics import owner_metrics
from pptp_jax.models import mlp
from pptp_jax.report import render_owners, write_report
from pptp_jax.study import Study, run
from pptp_jax.training import SGD, undefended
from pptp_jax.validation import Refused

OWNERS = np.char.mod("writer %d", np.repeat(np.arange(40), np.arange(40) % 2 + 3))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Digits of writers who wrote three or four each."""
    digits = Digits().load()
    path = tmp_path / "digits.npz"
    own = slice(len(OWNERS))
    np.savez(path, x=digits.inputs()[own], y=digits.y[own], owners=OWNERS)
    return Study(
        name="writers",
        data=Npz(path, num_classes=10),
        model=mlp([16], num_classes=10),
        split=ByOwner(Balanced(models=6)),
        optimizer=SGD(),
        batch_size=10,
        attacks=("loss", "lira_online"),
        resamples=30,
        recipes=(undefended(20),),
    )


def test_owners_are_members_with_all_records_and_found_as_such(
    study, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("pptp_jax.evaluation.owners.FEW", 41)
    out = tmp_path / "run"
    results = run(study, out)
    membership, owners = (np.load(out / f"signals/{name}.npy") for name in ("membership", "owners"))
    np.testing.assert_array_equal(owners, OWNERS)
    for owner in np.unique(owners):
        own = membership[:, owners == owner]
        assert (own.all(axis=1) | ~own.any(axis=1)).all() and own[:, 0].sum() == 3
    [row] = results["rows"]
    found = row["owners"]
    assert (found["owners"], found["least"], found["most"]) == (40, 3, 4)
    assert found["size"]["value"] == pytest.approx(0.5)
    with np.load(out / "scores" / "undefended_20.npz") as stored:
        for name, by_join in found["attacks"].items():
            for join, metrics in by_join.items():
                twin = owner_metrics(
                    stored[name], stored["membership"], owners, join=join, resamples=30
                )
                assert metrics == {key: value._asdict() for key, value in twin.items()}
    assert list(found["attacks"]["lira_online"]) == ["mean", "maximum", "sum"]
    assert any("only 40 owners" in warning for warning in row["warnings"])
    known = RunResults.from_json(results)
    assert known.to_json() == results
    assert "By owner: 40 owners of 3 to 4 records" in render_owners(known)
    write_report(out)
    assert "Owners of several records" in (out / "report.html").read_text()


def test_of_each_owner_some_records_may_take_part(study) -> None:
    few = replace(study, split=ByOwner(Balanced(models=6), most=2))
    drawn = few.membership(few.load())
    _, counts = np.unique(OWNERS[drawn.evaluated], return_counts=True)
    assert counts.tolist() == [2] * 40 and drawn.matrix.sum(axis=1).tolist() == [40] * 6


def test_a_split_by_record_says_nothing_of_owners(study, tmp_path) -> None:
    [row] = run(replace(study, split=Balanced(models=6)), tmp_path / "run")["rows"]
    assert row["owners"] is None


def test_data_with_other_owners_are_other_data(study) -> None:
    data = study.load()
    other = replace(data, owners=np.roll(data.owners, 1))
    assert len({data.fingerprint, other.fingerprint, replace(data, owners=None).fingerprint}) == 3


def test_bad_owners(study, tmp_path) -> None:
    data = study.load()
    for owners, message in (
        (OWNERS[1:], r"owners must have one entry an example, shape \(140,\), got \(139,\)"),
        (np.ones(140), "owners must be integers or texts, got an array of float64"),
    ):
        with pytest.raises(Refused, match=message):
            replace(data, owners=owners)
    with pytest.raises(Refused, match="a split by owner needs data that say whose"):
        replace(study, data=Digits()).load()
    with pytest.raises(Refused, match=r"sets no examples aside.* got 20 and 0"):
        replace(study, reference=20)
    with pytest.raises(Refused, match="most must be an integer of at least 1, got 0"):
        ByOwner(Balanced(models=4), most=0)
    with pytest.raises(Refused, match="needs at least 2 owners with the same number"):
        replace(study, split=ByOwner(Balanced(models=4)), data=lone(tmp_path)).load()


def lone(path: Path) -> Npz:
    """Three records of three owners of different sizes."""
    np.savez(path / "lone.npz", x=np.eye(6), y=np.arange(6) % 2, owners=[1, 2, 2, 3, 3, 3])
    return Npz(path / "lone.npz")
