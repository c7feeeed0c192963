"""The record of an optax transform."""

import json

import jax.numpy as jnp
import optax
import pytest

from pptp_jax.storage.record import describe


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (optax.adam(1e-3), ["chain", "scale_by_adam", '"b1": 0.9', '"step_size": -0.001']),
        (optax.chain(optax.clip_by_global_norm(2.0), optax.lion(0.5)), ['"max_norm": 2.0', "lion"]),
        (optax.scale(jnp.float32(0.5)), ["scale", '"step_size": 0.5']),
        (optax.sgd(lambda step: 0.1 / (1 + step)), ["scale_by_schedule"]),
        (optax.inject_hyperparams(optax.adam)(0.1), ["inject_hyperparams"]),
        (optax.set_to_zero(), ["set_to_zero"]),
    ],
)
def test_a_transform_is_described_by_its_makers_and_numbers(
    transform: optax.GradientTransformation, words: list[str]
) -> None:
    written = json.dumps(describe(transform))
    assert all(word in written for word in words), written
    assert "update_fn" not in written and "<locals>" not in written


def test_a_function_from_steps_is_described_by_its_name() -> None:
    def mine(steps: int) -> optax.GradientTransformation:
        return optax.sgd(0.1)

    assert describe(mine).endswith("mine")
