"""`experiments/statistics_game.py` and `experiments/communities.py` in miniature."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXPERIMENTS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pools_of_the_statistics_game(monkeypatch: pytest.MonkeyPatch) -> None:
    study = load("statistics_game")
    monkeypatch.setattr(study, "POOLS", (500, 500))
    monkeypatch.setattr(study, "DRAWS", 200)
    people = study.population(study.genotypes(people=600, attributes=30))
    members, exact = study.draws(people)
    # Frequencies are about the population's, and a pool has the size that is said.
    np.testing.assert_allclose(exact.mean(axis=0), people.mean, atol=0.02)
    sums = np.asarray(people.pools[0])
    assert (sums == sums.round()).all() and sums.max() <= study.OTHERS
    none = jnp.zeros(30)
    scores = study.attacked(people, exact, none, "gaussian", along=False)
    found = study.auc(scores["all covariances"], members)["value"]
    expected = study.risk_of_means(people.covariance, study.POOL).auc
    assert found == pytest.approx(float(expected), abs=0.03)
    # The axes are those of the covariance: all of them are the statistics themselves.
    along = study.attacked(people, exact, none, "gaussian", along=True)
    np.testing.assert_allclose(along["all covariances"], scores["all covariances"], atol=0.02)


def test_noises_of_an_error_have_it() -> None:
    study = load("statistics_game")
    spread = jnp.geomspace(0.01, 0.25, 30)
    people = study.Population(*[jnp.zeros(30)] * 2, jnp.diag(spread), jnp.eye(30), spread, ())
    for stds, _, _ in study.noises(people, 0.02).values():
        assert float(jnp.sqrt(jnp.square(stds).mean())) == pytest.approx(0.02, rel=1e-2)


def test_communities_end_to_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    study = load("communities")
    monkeypatch.setattr(study, "NODES", 48)
    monkeypatch.setattr(study, "LAYERS", 4)
    monkeypatch.setattr(study, "BUDGETS", (20.0,))
    monkeypatch.setattr(study, "REPEATS", {"made-up": 2})
    monkeypatch.setattr(study, "draw", lambda points, path: None)
    done = CliRunner().invoke(study.main, ["--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    rows = (tmp_path / "communities.txt").read_text().splitlines()[2:]
    assert [row.split(" | ")[1] for row in rows] == ["all", "half"]
    written = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "points").iterdir()}
    CliRunner().invoke(study.main, ["--out", str(tmp_path)])
    assert written == {p.name: p.stat().st_mtime_ns for p in (tmp_path / "points").iterdir()}


def test_the_karate_club_splits_as_it_did() -> None:
    pytest.importorskip("networkx")
    study = load("communities")
    edges, labels = study.karate_club()
    assert edges.shape == (4, 34, 34) and int(edges[0].sum()) == 2 * 78
    assert int(labels.sum()) == 17
    assert (jnp.diff(edges, axis=0) <= 0).all()  # an edge of a layer is in those before
    found = study.communities(edges, 2, jax.random.key(0))
    assert study.misclassification(found, labels) <= 1 / 34 + 1e-6


def test_without_networkx_the_study_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ValueError, match=r"pip install 'pptp-jax\[graphs\]'"):
        load("communities").karate_club()
