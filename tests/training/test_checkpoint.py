"""A saved state is given back as it was, or not at all."""

import shutil
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.training import Checkpoint
from pptp_jax.training import checkpoint as module

STATE = {"a": jnp.linspace(0.0, 1.0, 500), "key": jax.random.key(3), "count": jnp.int32(7)}


def saved(directory: Path, *epochs: int) -> Checkpoint:
    kept = Checkpoint(directory, every=0.0)
    for epoch in epochs:
        kept.save(epoch, STATE)
    return kept


def test_the_last_state_comes_back(tmp_path: Path) -> None:
    kept = saved(tmp_path / "c", 1, 2)
    assert kept.latest() == 2 and [path.name for path in (tmp_path / "c").iterdir()] == ["2"]
    chex.assert_trees_all_equal(kept.restore(2, STATE), STATE)


def test_a_process_among_many_keeps_states_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path / "alone", 1)
    state = STATE | {"half": jnp.linspace(0, 1, 7, dtype=jnp.bfloat16)}
    like = jax.eval_shape(lambda: state)
    with monkeypatch.context() as many:
        many.setattr(jax, "process_count", lambda: 2)
        kept = Checkpoint(tmp_path / "c", every=0.0)
        for epoch in (1, 2):
            kept.save(epoch, state)
        assert kept.latest() == 2
        chex.assert_trees_all_equal(kept.restore(2, like), state)
        assert Checkpoint(tmp_path / "alone").latest() is None
    # And one process goes on from there.
    again = Checkpoint(tmp_path / "c")
    assert again.latest() == 2
    chex.assert_trees_all_equal(again.restore(2, like), state)
    leaves = tmp_path / "c" / "2" / "leaves.npz"
    leaves.write_bytes(leaves.read_bytes()[:-9])
    assert again.latest() is None


def test_checkpoints_wait_for_their_time_or_are_hurried(tmp_path: Path) -> None:
    patient = Checkpoint(tmp_path / "c", every=3600.0)
    patient.save(1, STATE)
    assert patient.latest() is None
    patient.save(2, STATE, now=True)
    assert patient.latest() == 2


def test_no_damage_is_taken_for_a_state(tmp_path: Path) -> None:
    kept = saved(tmp_path / "c", 1)
    step, draw = tmp_path / "c" / "1", np.random.default_rng(0)
    files = [path for path in step.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[draw.integers(len(whole))] ^= 1
        for damaged in (bytes(flipped), whole[:-2], b"", None):
            if damaged is None:
                path.unlink()
            else:
                path.write_bytes(damaged)
            assert kept.latest() is None, path
            path.write_bytes(whole)
    assert kept.latest() == 1
    shutil.rmtree(step / "d")
    assert kept.latest() is None
    # What is written in its place counts again.
    kept.save(1, STATE)
    chex.assert_trees_all_equal(kept.restore(1, STATE), STATE)


def test_the_state_before_is_kept_until_the_next_one_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = saved(tmp_path / "c", 1)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, "write_json", killed)
        kept.save(2, STATE)
    assert kept.latest() == 1
    (tmp_path / "c" / "3.orbax-checkpoint-tmp").mkdir()  # as a kill leaves it
    assert kept.latest() == 1
    kept.save(3, STATE)
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["3"]
