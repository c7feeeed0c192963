"""What a run stores of the riskiest examples."""

from pathlib import Path

import numpy as np

from pptp_jax.data import Balanced, Bytes, Dataset
from pptp_jax.evaluation.attack_fleet import Attacked
from pptp_jax.evaluation.riskiest import COUNT, LARGEST, write_riskiest
from pptp_jax.evaluation.riskiest_tokens import KEPT, LONGEST, visible
from pptp_jax.fleets import FleetSignals
from pptp_jax.metrics import token_leakage

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


def text(rng: np.random.Generator, tokens: int) -> Dataset:
    """Records of letters, each two shorter than the last; places without a token stand behind."""
    y = rng.integers(97, 123, (60, tokens))
    y[np.arange(tokens) >= tokens - 2 * (np.arange(60)[:, None] % 5)] = -1
    ids = np.array([f"id/{i}" for i in range(60)])
    return Dataset("t", np.maximum(y, 0), y, ids, num_classes=None, vocabulary=257)


def test_text_keeps_its_first_tokens_and_what_models_say_of_them(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    data, path = text(rng, KEPT + 4), tmp_path / "r.npz"
    seen = {"a": attacked(rng, [0, 1, 2, 3]), "b": attacked(rng, [0, 2, 3])}
    log_p = -rng.exponential(size=(4, 2, 60, KEPT + 4)).astype(np.float32)
    finite = np.array([True, False, True, True])
    fleets = {
        "a": FleetSignals({"finite": np.ones(4, bool)}),  # which keeps no token's numbers
        "b": FleetSignals({"finite": finite, "token_log_prob": log_p}),
        "unseen": FleetSignals({}),
    }
    write_riskiest(
        path,
        data,
        MEMBERSHIP,
        seen,
        "loss",
        fleets=fleets,
        texts=lambda own: [*bytes(own).decode()],
    )
    with np.load(path) as file:
        stored = dict(file)
    assert stored["tokens"].shape == stored["token_texts"].shape == (2, COUNT, KEPT)
    assert np.isnan(stored["token_leakage"][0]).all()
    members = MEMBERSHIP.matrix[finite]
    told = token_leakage(np.float64(log_p)[finite].mean(axis=1), members, data.y >= 0)
    for j, name in enumerate(stored["ids"][1]):
        row = int(name.removeprefix("id/"))
        there = (data.y[row] >= 0).sum()
        kept = min(there, KEPT)
        assert stored["token_count"][1, j] == there
        np.testing.assert_array_equal(stored["tokens"][1, j, :kept], data.y[row, :kept])
        assert (stored["tokens"][1, j, kept:] == -1).all()
        assert "".join(stored["token_texts"][1, j]) == bytes(data.y[row, :kept].tolist()).decode()
        inside = members[:, row].sum()
        assert stored["token_models"][1, j].tolist() == [inside, 3 - inside]
        surest = stored["surest"][1, j]
        assert surest in (0, 2, 3) and MEMBERSHIP.matrix[surest, row]
        scores = seen["b"].scores["loss"][:, row][seen["b"].membership[:, row]]
        assert stored["surest_score"][1, j] == scores.max()
        expected = {
            "token_leakage": told.leakage[row],
            "token_inside": told.inside[row],
            "token_outside": told.outside[row],
            "token_target": log_p[surest].mean(axis=0)[row],
        }
        for key, values in expected.items():
            np.testing.assert_allclose(stored[key][1, j, :kept], values[:kept], rtol=1e-5)
            assert np.isnan(stored[key][1, j, kept:]).all()
    assert (stored["token_count"] > KEPT).any() and (stored["token_count"] < KEPT).any()


def test_tokens_that_nobody_can_read_have_ids_alone(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    fleets = {"a": FleetSignals({"finite": np.ones(4, bool)})}
    seen = {"a": attacked(rng, [0, 1, 2, 3])}
    write_riskiest(tmp_path / "r.npz", text(rng, 12), MEMBERSHIP, seen, "loss", fleets=fleets)
    with np.load(tmp_path / "r.npz") as file:
        assert "token_texts" not in file and file["tokens"].max() >= 97
    images = dataset(rng.normal(size=(60, 7)))
    write_riskiest(tmp_path / "r.npz", images, MEMBERSHIP, seen, "loss", fleets=fleets)
    with np.load(tmp_path / "r.npz") as file:
        assert "tokens" not in file and "surest" not in file


def test_what_a_page_would_hide_has_a_sign() -> None:
    # A zero, which NumPy drops at the end of a text, and a sign that turns what follows.
    assert visible("\0") == "␀" and visible("a\u202eb\x7f") == "a⟨202E⟩b⟨007F⟩"
    assert visible("a\nb c") == "a\nb c" and visible("") == ""
    assert len(visible("x" * 99)) == LONGEST and visible("é" * LONGEST) == "é" * LONGEST
    assert [visible(one) for one in Bytes().texts([0, 13])] == ["␀", "␍"]
