"""The quality of a generative model's samples, by its own data and without any download."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from pptp_jax.data import Arrays, Dataset
from pptp_jax.metrics.manifolds import manifolds, nearest
from pptp_jax.models import Model, Variables
from pptp_jax.tasks import Batch
from pptp_jax.training import DEFAULT_OPTIMIZER, make_train, undefended
from pptp_jax.validation import Refused, at_least

# The examples in a step of the classifier.
_BATCH = 32


class SampleQuality(NamedTuple):
    """The quality of samples. Distances are root mean squared differences of inputs.

    Attributes:
        accuracy: that of a classifier which learns from samples alone, on non-members.
        precision: the share of samples that lie among non-members, by features; NaN without any.
        recall: the share of non-members that lie among samples, by features; NaN without any.
        to_members: the mean distance of a sample to the nearest member.
        to_nonmembers: that to the nearest of as many non-members.
        nearer_members: the share of samples that are nearer to a member than to any of these
            non-members: a half where members are not copied.

    Examples:
        >>> SampleQuality(0.9, 0.8, 0.7, 0.15, 0.15, 0.5).copying
        False
    """

    accuracy: float
    precision: float
    recall: float
    to_members: float
    to_nonmembers: float
    nearer_members: float

    @property
    def copying(self) -> bool:
        """Whether samples are nearer to members by far: three quarters of them, where a half is."""
        return self.nearer_members > 0.75


@dataclass(frozen=True, eq=False)
class SampleJudge:
    """Judges the samples of many models by one data set, with one classifier for features.

    Attributes:
        data: the examples, with labels.
        classifier: what learns from samples.
        epochs: how long it learns.
        learned: what it has learned of reference examples: its features are what precision and
            recall compare; None if there are no reference examples.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> digits = Digits().load()
        >>> judge = SampleJudge.of(digits, np.arange(300), mlp([64], num_classes=10), epochs=20)
        >>> members, others = np.arange(300, 900), np.arange(900, 1500)
        >>> copies = digits.inputs()[members]
        >>> found = judge.judged(copies, digits.y[members], members, others)
        >>> found.accuracy > 0.8, found.nearer_members, found.copying
        (True, 1.0, True)
    """

    data: Dataset
    classifier: Model
    epochs: int
    learned: Variables | None

    @classmethod
    def of(
        cls,
        data: Dataset,
        reference: Int[np.ndarray, " reference"],
        classifier: Model,
        *,
        epochs: int = 30,
        seed: int = 0,
    ) -> "SampleJudge":
        """A judge whose features are those of a classifier that learns from reference examples.

        Args:
            data: the examples, with labels.
            reference: the rows of those that no model has as members; without any there are no
                features, and so no precision or recall.
            classifier: the network, for features as for accuracy. Its features are what its last
                block but one makes.
            epochs: how long it learns.
            seed: what its initial values and batches derive from.

        Raises:
            ValueError: if the data have no classes, or the classifier's features are not to be had.
        """
        if data.labels is None:
            raise Refused(f"{data.name} has no classes: samples are judged by a classifier")
        at_least(1, epochs=epochs)
        if classifier.features is None or len(classifier.blocks) < 2:
            raise Refused("the classifier must have features: take one with two blocks or more")
        learned = None
        if len(reference):
            x, y = data.inputs()[reference], data.y[reference]
            learned = _trained(classifier, epochs, x, y, seed)
        return cls(data, classifier, epochs, learned)

    def judged(
        self,
        samples: Shaped[np.ndarray, "samples ..."],
        labels: Int[np.ndarray, " samples"],
        members: Int[np.ndarray, " members"],
        nonmembers: Int[np.ndarray, " nonmembers"],
        *,
        neighbours: int = 3,
        seed: int = 0,
    ) -> SampleQuality:
        """The quality of one model's samples.

        The sets that are compared are of equal sizes: as many members as non-members for distances,
        as many samples as non-members for precision and recall.

        Args:
            samples: what it has made up, in the range of the data; flattened or not.
            labels: the labels that it was given.
            members: the rows that it was trained on.
            nonmembers: rows that it was not trained on, none of them a reference example.
            neighbours: those of precision and recall.
            seed: what the sets and the classifier derive from.

        Raises:
            ValueError: if a set is too small.
        """
        rng = np.random.default_rng(seed)
        made = np.asarray(samples, np.float32).reshape(-1, *self.data.x.shape[1:])
        labels = np.asarray(labels)
        if len(labels) != len(made):
            raise Refused(f"there are {len(made)} samples, but {len(labels)} labels")
        inputs = self.data.inputs()
        size = min(len(members), len(nonmembers))
        pools = [inputs[rng.permutation(rows)[:size]] for rows in (members, nonmembers)]
        root = np.sqrt(made[0].size)
        inside, outside = (nearest(made, pool).distance / root for pool in pools)
        count = min(len(made), len(nonmembers))
        real = inputs[rng.permutation(nonmembers)[:count]]
        some = made[rng.permutation(len(made))[:count]]
        precision, recall = self._manifolds(real, some, neighbours)
        own = _trained(self.classifier, self.epochs, made, labels, seed)
        right = _right(self.classifier, own, inputs[nonmembers], self.data.y[nonmembers])
        return SampleQuality(
            accuracy=float(right.mean()),
            precision=precision,
            recall=recall,
            to_members=float(inside.mean()),
            to_nonmembers=float(outside.mean()),
            nearer_members=float(((inside < outside) + 0.5 * (inside == outside)).mean()),
        )

    def _manifolds(
        self, real: Float[np.ndarray, "rows ..."], made: Float[np.ndarray, "rows ..."], count: int
    ) -> tuple[float, float]:
        """Precision and recall by the learned features; NaN without them."""
        if self.learned is None:
            return np.nan, np.nan
        of_real, of_made = (
            np.asarray(_features(self.classifier, self.learned, x)) for x in (real, made)
        )
        found = manifolds(of_real, of_made, count)
        return found.precision, found.recall

    def fleet(
        self,
        samples: Shaped[np.ndarray, "models samples inputs"],
        labels: Int[np.ndarray, " samples"],
        membership: Bool[np.ndarray, "models examples"],
        reference: Int[np.ndarray, " reference"],
    ) -> list[SampleQuality]:
        """The quality of each model's samples, as `samples_signal` stores them.

        Args:
            samples: the fleet's `samples`.
            labels: the labels that all models were given; see `sample_labels`.
            membership: who trained on what.
            reference: the rows that count for no model.
        """
        left = np.ones(membership.shape[1], bool)
        left[reference] = False
        return [
            self.judged(own, labels, np.flatnonzero(there), np.flatnonzero(~there & left))
            for own, there in zip(samples, membership, strict=True)
        ]


def _trained(
    model: Model,
    epochs: int,
    x: Float[np.ndarray, "rows ..."],
    y: Int[np.ndarray, " rows"],
    seed: int,
) -> Variables:
    """A classifier that has learned from these examples."""
    rows = jnp.arange(len(x))
    data = Arrays(jnp.asarray(x), jnp.asarray(y, jnp.int32), jnp.float32(1), rows[:0])
    return _training(model, epochs)(jax.random.key(seed), data, rows)[0]


@lru_cache(maxsize=8)
def _training(model: Model, epochs: int) -> Callable[..., tuple[Variables, Any]]:
    return jax.jit(make_train(model, undefended(epochs), DEFAULT_OPTIMIZER, batch_size=_BATCH))


@jax.jit
def _features(model: Model, own: Variables, x: Float[Array, "rows ..."]) -> Float[Array, "rows _"]:
    assert model.features is not None  # `SampleJudge.of`
    return model.features(*own, x)[-2].reshape(len(x), -1)


@jax.jit
def _right(
    model: Model, own: Variables, x: Float[Array, "rows ..."], y: Int[Array, " rows"]
) -> Shaped[Array, " rows"]:
    outputs, _ = model.task.outputs(model, own, Batch(x, y), train=False, key=None)
    return model.task.utility(outputs, y)
