"""Who is a member of what: the matrix that is drawn first, from the seed, and never changes."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from pptp_jax.validation import at_least


class Membership(NamedTuple):
    """Which model trains on which example, and which of them are attacked.

    Attributes:
        matrix: True where an example is a member of a model.
        targets: the models that are attacked in turn.
        shadows: the models that may help the attacker; a target never helps against itself.
        evaluated: the examples whose membership is attacked.
    """

    matrix: Bool[np.ndarray, "models examples"]
    targets: tuple[int, ...]
    shadows: tuple[int, ...]
    evaluated: Int[np.ndarray, " evaluated"]


def balanced(models: int, examples: int, seed: int) -> Membership:
    """Every example in exactly half of the models, every model with half of the examples.

    Every model is a target in turn, with all the others as its shadows. The matrix is drawn by
    trades: two models exchange a random part of the examples that only one of them holds, which
    keeps both sums and, repeated, approaches the uniform distribution over all such matrices.

    Args:
        models: the number of models, even.
        examples: the number of examples, even.
        seed: what the draw depends on.

    Raises:
        ValueError: if a number is odd or too small.

    References:
        Carstens, "Proof of uniform sampling of binary matrices with fixed row sums and column sums
        for the fast Curveball algorithm", Physical Review E 91, 2015.

    Examples:
        >>> balanced(4, 6, seed=0).matrix.sum(axis=1)
        array([3, 3, 3, 3])
    """
    at_least(2, models=models, examples=examples)
    if models % 2 or examples % 2:
        raise ValueError(
            "a balanced membership matrix needs an even number of models and of examples, "
            f"got {models} models and {examples} examples"
        )
    rng = np.random.default_rng(seed)
    start = rng.permuted(np.tile(np.arange(examples) % 2 == 0, (models // 2, 1)), axis=1)
    matrix = np.concatenate([start, ~start])
    for _ in range(8 * models):
        first, second = rng.choice(models, 2, replace=False)
        differing = np.flatnonzero(matrix[first] != matrix[second])
        matrix[first, differing] = rng.permutation(matrix[first, differing])
        matrix[second, differing] = ~matrix[first, differing]
    every = tuple(range(models))
    return Membership(matrix, every, every, np.arange(examples))


def quarters(targets: int, shadows: int, examples: int, seed: int) -> Membership:
    """The four-quarter split: targets and shadows never share an example.

    One quarter of the examples are the members of every target, one quarter are its non-members;
    the other two are the shadow pool, of which each shadow trains on a half of its own. No shadow
    knows an example under attack, so online attacks have nothing to go by here.

    Args:
        targets: the number of models under attack, the first ones.
        shadows: the number of shadow models, the others.
        examples: the number of examples, a multiple of four.
        seed: what the draw depends on.

    Raises:
        ValueError: if a number is too small or `examples` no multiple of four.

    References:
        Fang and Kim, "Decoupling Generalizability and Membership Privacy Risks in Neural Networks",
        arXiv 2602.02296, and the authors' other published code.

    Examples:
        >>> quarters(1, 2, 8, seed=0).matrix.sum(axis=1)
        array([2, 2, 2])
    """
    at_least(1, targets=targets, shadows=shadows)
    at_least(4, examples=examples)
    if examples % 4:
        raise ValueError(f"four quarters need a multiple of four examples, got {examples}")
    quarter = examples // 4
    rng = np.random.default_rng(seed)
    order = rng.permutation(examples)
    pool = order[2 * quarter :]
    matrix = np.zeros((targets + shadows, examples), bool)
    matrix[:targets, order[:quarter]] = True
    for shadow in range(targets, targets + shadows):
        matrix[shadow, rng.permutation(pool)[:quarter]] = True
    return Membership(
        matrix,
        tuple(range(targets)),
        tuple(range(targets, targets + shadows)),
        np.sort(order[: 2 * quarter]),
    )


def member_indices(
    matrix: Bool[np.ndarray, "models examples"],
) -> Int[np.ndarray, "models members"]:
    """Each model's members, in ascending order.

    Raises:
        ValueError: if the models differ in their number of members.

    Examples:
        >>> member_indices(np.array([[True, False, True], [False, True, True]]))
        array([[0, 2],
               [1, 2]])
    """
    counts = matrix.sum(axis=1)
    if len(set(counts.tolist())) != 1:
        raise ValueError(f"every model needs the same number of members, got {counts.tolist()}")
    return np.nonzero(matrix)[1].reshape(len(matrix), -1)
