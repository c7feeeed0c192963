"""What a run keeps of the examples that are told best."""

from pathlib import Path

import numpy as np

from pptp_jax.data import Balanced, Dataset
from pptp_jax.evaluation.attack_fleet import Attacked
from pptp_jax.evaluation.riskiest import COUNT, LARGEST, write_riskiest

MEMBERSHIP = Balanced(models=4).draw(examples=60, seed=0)


def dataset(x: np.ndarray, scale: float = 1.0) -> Dataset:
    ids = np.array([f"id/{i}" for i in range(60)])
    return Dataset("d", x, np.arange(60) % 3, ids, num_classes=3, scale=scale)


def attacked(rng: np.random.Generator, targets: list[int]) -> Attacked:
    members = MEMBERSHIP.matrix[targets]
    scores = {"loss": rng.normal(size=members.shape) + members}
    return Attacked(np.array(targets), members, members, scores, [])


def test_every_recipe_keeps_its_own_and_a_diverged_target_is_unknown(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    seen = {"a": attacked(rng, [0, 1, 2, 3]), "b": attacked(rng, [0, 2, 3])}
    seen["b"].scores["loss"][:, 33] += np.where(seen["b"].membership[:, 33], 9, -9)
    data = dataset(rng.integers(0, 256, (60, 5, 4, 3)).astype(np.uint8), scale=1 / 255)
    write_riskiest(tmp_path / "r.npz", data, MEMBERSHIP, seen, "loss")
    with np.load(tmp_path / "r.npz") as file:
        stored = dict(file)
    assert stored["slugs"].tolist() == ["a", "b"] and str(stored["attack"]) == "loss"
    assert stored["ids"].shape == (2, COUNT) and stored["ids"][1, 0] == "id/33"
    assert stored["labels"][1, 0] == 33 % 3
    np.testing.assert_array_equal(stored["pictures"][1, 0], data.x[33])
    assert np.isnan(stored["scores"][1, :, 1]).all() and np.isfinite(stored["scores"][0]).all()
    np.testing.assert_array_equal(
        stored["membership"][1, 0][[0, 2, 3]], MEMBERSHIP.matrix[[0, 2, 3], 33]
    )
    np.testing.assert_array_equal(
        stored["scores"][1, 0][[0, 2, 3]], seen["b"].scores["loss"][:, 33]
    )
    found = stored["alarm_rates"][1, 0][[0, 2, 3]]
    assert (found[seen["b"].membership[:, 33]] < 0.05).all()


def test_large_pictures_are_shrunk_and_other_ranges_stretched(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    x = np.repeat(np.repeat(rng.normal(size=(60, 40, 30, 1)), 3, axis=1), 3, axis=2)
    write_riskiest(
        tmp_path / "r.npz", dataset(x), MEMBERSHIP, {"a": attacked(rng, [0, 1, 2, 3])}, "loss"
    )
    with np.load(tmp_path / "r.npz") as file:
        pictures = file["pictures"]
    assert pictures.shape == (1, COUNT, 40, 30, 1) and 40 <= LARGEST
    assert pictures.min() == 0 and pictures.max() == 255


def test_records_that_are_no_images_have_no_pictures(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    path, data = tmp_path / "r.npz", dataset(rng.normal(size=(60, 7)))
    seen = {"a": attacked(rng, [0, 1, 2, 3])}
    write_riskiest(path, data, MEMBERSHIP, seen, "loss")
    with np.load(path) as file:
        assert "pictures" not in file
    # Nobody ran this attack: no record of an earlier run stays behind.
    write_riskiest(path, data, MEMBERSHIP, seen, "rmia_online")
    assert not path.exists()
