"""Membership: the matrix of models and examples, drawn from the seed before training."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from pptp_jax.validation import Refused, at_least
from pptp_jax.validation.field_types import check_fields

# A place is a byte, and drawing the matrix takes a few more.
_MOST_PLACES = 2**32


class Membership(NamedTuple):
    """Which model trains on which example, and which models and examples are attacked.

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

    @property
    def members(self) -> Int[np.ndarray, "models members"]:
        """Each model's members, in ascending order; all have as many."""
        return member_indices(self.matrix)

    def spread(self, rows: Int[np.ndarray, " rows"], examples: int) -> "Membership":
        """The same membership for some rows of a larger data set; no model trains on its others.

        Args:
            rows: where this membership's examples stand there.
            examples: how many examples there are.

        Examples:
            >>> own = Balanced(models=2).draw(examples=2, seed=0)
            >>> own.spread(np.array([1, 3]), examples=4).matrix.sum(axis=0)
            array([0, 1, 0, 1])
        """
        matrix = np.zeros((len(self.matrix), examples), bool)
        matrix[:, rows] = self.matrix
        return self._replace(matrix=matrix, evaluated=rows[self.evaluated])


@dataclass(frozen=True)
class Balanced:
    """Every example in exactly half of the models, every model with half of the examples.

    Every model is a target in turn, with all the others as its shadows. The matrix is drawn by
    trades: two models exchange a random part of the examples that only one of them holds, which
    keeps both sums and, repeated, approaches the uniform distribution over all such matrices.

    Attributes:
        models: the number of models, even.

    Raises:
        ValueError: if the number is odd or too small.

    References:
        Carstens, "Proof of uniform sampling of binary matrices with fixed row sums and column sums
        for the fast Curveball algorithm", Physical Review E 91, 2015.

    Examples:
        >>> Balanced(models=4).draw(examples=6, seed=0).matrix.sum(axis=1)
        array([3, 3, 3, 3])
    """

    models: int
    multiple: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_fields(self)
        at_least(2, models=self.models)
        if self.models % 2:
            raise Refused(
                f"models must be even, so that each example is in half of them, got {self.models}"
            )

    def draw(self, examples: int, seed: int) -> Membership:
        """Draws the matrix; the same for the same seed.

        Raises:
            ValueError: if the number of examples is odd or too small, or the matrix too large.
        """
        _check_examples(examples, self.multiple, self.models)
        rng = np.random.default_rng(seed)
        halves = np.tile(np.arange(examples) % 2 == 0, (self.models // 2, 1))
        start = rng.permuted(halves, axis=1)
        matrix = np.concatenate([start, ~start])
        for _ in range(8 * self.models):
            first, second = rng.choice(self.models, 2, replace=False)
            differing = np.flatnonzero(matrix[first] != matrix[second])
            matrix[first, differing] = rng.permutation(matrix[first, differing])
            matrix[second, differing] = ~matrix[first, differing]
        every = tuple(range(self.models))
        return Membership(matrix, every, every, np.arange(examples))


@dataclass(frozen=True)
class Pairs:
    """Targets and shadows apart, and every two models in a row share the examples between them.

    The second of a pair trains on the half that the first has left. Among any number of shadow
    pairs every example has thus as many IN as OUT shadows: an attack with the first k shadows, k
    even, is one with a balanced fleet of k. Pairs are drawn independently of each other, so that
    the shadows' members say nothing of a target's.

    Attributes:
        targets: the number of models under attack, the first ones, even.
        shadows: the number of shadow models, the others, even.

    Raises:
        ValueError: if a number is odd or too small.

    Examples:
        >>> drawn = Pairs(targets=2, shadows=4).draw(examples=6, seed=0)
        >>> drawn.targets, drawn.shadows
        ((0, 1), (2, 3, 4, 5))
        >>> drawn.matrix[2:4].sum(axis=0), drawn.matrix[2:].sum(axis=0)
        (array([1, 1, 1, 1, 1, 1]), array([2, 2, 2, 2, 2, 2]))
    """

    targets: int
    shadows: int
    multiple: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_fields(self)
        at_least(2, targets=self.targets, shadows=self.shadows)
        for kind in ("targets", "shadows"):
            if (count := getattr(self, kind)) % 2:
                raise Refused(f"pairs need an even number of {kind}, got {count}")

    @property
    def models(self) -> int:
        """The number of models, targets and shadows."""
        return self.targets + self.shadows

    def draw(self, examples: int, seed: int) -> Membership:
        """Draws each pair's halves; the same for the same seed, and more shadows change no pair.

        Raises:
            ValueError: if the number of examples is odd or too small, or the matrix too large.
        """
        _check_examples(examples, self.multiple, self.models)
        rng = np.random.default_rng(seed)
        halves = np.tile(np.arange(examples) % 2 == 0, (self.models // 2, 1))
        first = rng.permuted(halves, axis=1)
        return Membership(
            np.stack([first, ~first], axis=1).reshape(self.models, examples),
            tuple(range(self.targets)),
            tuple(range(self.targets, self.models)),
            np.arange(examples),
        )


@dataclass(frozen=True)
class Quarters:
    """The four-quarter split: targets and shadows never share an example.

    One quarter of the examples are the members of every target, one quarter are its non-members;
    the other two are the shadow pool, of which each shadow trains on a half of its own. No shadow
    knows an example under attack, so online attacks have nothing to go by here.

    Attributes:
        targets: the number of models under attack, the first ones.
        shadows: the number of shadow models, the others.

    Raises:
        ValueError: if a number is too small.

    References:
        Fang and Kim, "Decoupling Generalizability and Membership Privacy Risks in Neural Networks",
        arXiv 2602.02296, and the authors' other published code.

    Examples:
        >>> Quarters(targets=1, shadows=2).draw(examples=8, seed=0).matrix.sum(axis=1)
        array([2, 2, 2])
    """

    targets: int
    shadows: int
    multiple: ClassVar[int] = 4

    def __post_init__(self) -> None:
        check_fields(self)
        at_least(1, targets=self.targets, shadows=self.shadows)

    @property
    def models(self) -> int:
        """The number of models, targets and shadows."""
        return self.targets + self.shadows

    def draw(self, examples: int, seed: int) -> Membership:
        """Draws the quarters and each shadow's half of the pool; the same for the same seed.

        Raises:
            ValueError: if the number of examples is no multiple of four, or the matrix too large.
        """
        _check_examples(examples, self.multiple, self.models)
        quarter = examples // 4
        rng = np.random.default_rng(seed)
        order = rng.permutation(examples)
        pool = order[2 * quarter :]
        matrix = np.zeros((self.models, examples), bool)
        matrix[: self.targets, order[:quarter]] = True
        for shadow in range(self.targets, self.models):
            matrix[shadow, rng.permutation(pool)[:quarter]] = True
        return Membership(
            matrix,
            tuple(range(self.targets)),
            tuple(range(self.targets, self.models)),
            np.sort(order[: 2 * quarter]),
        )


def _check_examples(examples: int, multiple: int, models: int) -> None:
    at_least(multiple, examples=examples)
    if models * examples > _MOST_PLACES:
        raise Refused(
            f"the membership matrix of these models and {examples} examples would have more than "
            f"{_MOST_PLACES:,} places: take fewer models"
        )
    if examples % multiple:
        raise Refused(
            f"this split needs a multiple of {multiple} examples, got {examples}; "
            f"the nearest below is {examples // multiple * multiple}"
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
        raise Refused(f"every model needs the same number of members, got {counts.tolist()}")
    return np.nonzero(matrix)[1].reshape(len(matrix), -1)
