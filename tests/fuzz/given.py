"""What is handed over to an audit, in three forms that are all right."""

import numpy as np

MODELS, EXAMPLES, CLASSES = 6, 16, 3
CHEAP = ("loss", "correctness", "entropy", "attack_p", "attack_r", "lira_online", "rmia_offline")


def given(kind: str) -> dict[str, np.ndarray]:
    """Arrays by name: signals of a kind, the membership and the labels; all exact in float16."""
    rng = np.random.default_rng(1)
    membership = rng.permuted(np.tile(np.arange(MODELS) < MODELS // 2, (EXAMPLES, 1)), axis=1).T
    labels = rng.integers(0, CLASSES, EXAMPLES)
    steps = np.round(rng.normal(size=(MODELS, EXAMPLES, CLASSES)) * 8) / 8
    logits = steps + membership[..., None] * np.eye(CLASSES)[labels]
    signals = {
        "logits": logits,
        "confidence": logits[..., 0],
        "losses": np.abs(logits[..., 0]) + 0.125,
    }
    signal = {kind: signals[kind].astype(np.float32)}
    return {**signal, "membership": membership, "labels": labels}


# Arrays that may lie beside them, with how an audit may end of each alone.
BESIDE: dict[str, dict[str, list[np.ndarray]]] = {
    "targets": {
        "wrong": [
            *(np.array([MODELS]), np.array([-1]), np.array([0.0]), np.array([True]), np.array(0)),
            *(np.array([[0]]), np.array(["0"]), np.zeros(0, int), np.array([2**40])),
        ],
        "odd": [np.array([0, 0]), np.array([1], ">i2"), np.arange(MODELS), np.array([5], np.uint8)],
    },
    "shadows": {
        "wrong": [np.array([MODELS]), np.array([-1]), np.array([0.5]), np.array(["a"])],
        "odd": [np.zeros(0, int), np.array([0, 0]), np.arange(MODELS)],
    },
    "inputs": {
        "wrong": [np.ones(EXAMPLES), np.ones((3, 2)), np.full((EXAMPLES, 1), "a"), np.ones(0)],
        "odd": [np.ones((EXAMPLES, 2)), np.ones((EXAMPLES, 0)), np.ones((EXAMPLES, 1, 1), bool)],
    },
    "owners": {
        "wrong": [
            *(np.zeros(EXAMPLES), np.zeros(EXAMPLES, int), np.array(["a"])),
            *(np.ones((EXAMPLES, 1), int), np.ones(EXAMPLES, bool), np.array(0)),
        ],
        "odd": [np.arange(EXAMPLES).astype(str), np.arange(EXAMPLES, dtype=">u2")],
    },
    "correct": {
        "wrong": [np.ones(2, bool), np.full((MODELS, EXAMPLES), "x"), np.array(True)],
        "odd": [np.ones((MODELS, EXAMPLES)), np.full((MODELS, 1, EXAMPLES), 7)],
    },
    "gradient_norms": {
        "wrong": [np.ones((MODELS, EXAMPLES)), np.full((MODELS, 1, EXAMPLES), np.nan)],
        "odd": [np.ones((MODELS, 2, EXAMPLES)), np.full((MODELS, 1, EXAMPLES), -1.0)],
    },
}
