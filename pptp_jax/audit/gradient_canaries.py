"""Audit of DP-SGD by gradient canaries: examples whose gradient is one coordinate."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Int

from pptp_jax.audit.audit_settings import AuditSettings
from pptp_jax.data import Arrays, Dataset, absent_rows
from pptp_jax.models import Model
from pptp_jax.training import Phase, Private, Recipe
from pptp_jax.training.phase_transform import private_clip
from pptp_jax.validation import Refused, at_least
from pptp_jax.validation.faults import faults


@dataclass(frozen=True, kw_only=True)
class GradientCanaryAudit(AuditSettings):
    """An audit of DP-SGD by gradient canaries, as plain frozen data.

    A canary is a place in training whose gradient is the clipping norm along one weight, drawn
    again for each canary, in any network (a Dirac canary). In each run it is present or absent
    by a fair coin. It goes through the clipping, the sampling and the noise of the training. The
    white-box attacker sees every noisy gradient, as the accountant assumes, and adds up what each
    canary's weight gets. With shuffled batches the attacker also knows the step of each place.

    Such canaries are the worst examples that DP-SGD allows, so bounds come near the accounted ε
    where audits of finished networks by wrong labels find little. They are no attack on examples.

    The other fields are those of `AuditSettings`.

    Attributes:
        canaries: how many there are, besides the examples.
        standardize: whether the model standardises its inputs, as in a `Study`.

    Raises:
        ValueError: if there are too few runs, canaries or recipes, or a recipe is not one private
            phase of the optimiser's own schedule and weight decay.

    References:
        Nasr et al., "Tight Auditing of Differentially Private Machine Learning", USENIX Security
        2023, https://arxiv.org/abs/2302.07956. Steinke, Nasr and Jagielski, "Privacy Auditing with
        One (1) Training Run", NeurIPS 2023, https://arxiv.org/abs/2305.08846

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import dp_sgd, undefended
        >>> recipe = dp_sgd(Private(noise_multiplier=1.0), epochs=1)
        >>> settings = {"name": "mine", "data": Digits(), "model": mlp([16], num_classes=10)}
        >>> GradientCanaryAudit(**settings, recipes=(recipe,)).canaries
        400
        >>> GradientCanaryAudit(**settings, recipes=(undefended(1),))
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: gradients as canaries audit DP-SGD alone; undefended has ...
    """

    canaries: int = 400
    runs: int = 8
    standardize: bool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, canaries=self.canaries)
        for recipe in self.recipes:
            _check_private(recipe)

    def plant(self) -> "PlantedGradients":
        """Reads the data, draws the weights of the canaries and flips the coins.

        Raises:
            ValueError: if there are too few examples, or fewer weights than canaries.
        """
        data = self.load()
        rng = np.random.default_rng(self.seed)
        held_out, others = self.hold_out(data, rng)
        present = rng.random((self.runs, self.canaries)) < 0.5
        planted = PlantedGradients(data, held_out, others, present)
        self.check_recipes(data, planted.places)
        for recipe in self.recipes:
            weights = len(trained_weights(self.model, recipe, planted))
            if weights < self.canaries:
                raise Refused(
                    f"{recipe.slug} trains {weights} weights, too few for {self.canaries} "
                    "canaries, of which each has one of its own"
                )
        return planted


class PlantedGradients(NamedTuple):
    """The data and each run's members; the rows of canaries follow those of the examples.

    Attributes:
        data: the examples.
        held_out: the rows that no run trains on.
        others: the rows that every run trains on.
        present: in which run each canary is.
    """

    data: Dataset
    held_out: Int[np.ndarray, " held_out"]
    others: Int[np.ndarray, " others"]
    present: Bool[np.ndarray, "runs canaries"]

    @property
    def extended(self) -> Dataset:
        """The examples, then a row for each canary, whose inputs are not used."""
        rows = np.concatenate([np.arange(len(self.data)), np.zeros(self.present.shape[1], int)])
        x, y = self.data.x[rows], self.data.y[rows]
        return replace(self.data, x=x, y=y, ids=np.arange(len(rows)))

    @property
    def places(self) -> int:
        """How many places a run's batches are dealt from, absent canaries included."""
        return self.present.shape[1] + len(self.others)

    def members(self) -> Int[np.ndarray, "runs places"]:
        """Each run's rows: a canary's place is the same, whether it is present or absent."""
        rows = len(self.data) + np.arange(self.present.shape[1])
        canaries = np.where(self.present, rows, absent_rows(rows))
        others = np.broadcast_to(self.others, (len(self.present), len(self.others)))
        return np.concatenate([canaries, others], axis=1)


def trained_weights(
    model: Model, recipe: Recipe, planted: PlantedGradients
) -> Int[np.ndarray, " weights"]:
    """The places, among all parameters, of the weights that a recipe trains.

    Args:
        model: the network.
        recipe: the recipe, of one private phase.
        planted: the data.
    """
    shape = Arrays.of(planted.data).batch_shape()
    params = jax.eval_shape(model.init, jax.eval_shape(lambda: jax.random.key(0)), shape).params
    clip = private_clip(recipe.phases[0], recipe.regions(model), model.task.blind)
    labels = clip.region_map.labels(params)
    noised = jax.tree.map(lambda p, own: np.full(p.size, own in clip.labels), params, labels)
    return np.flatnonzero(np.concatenate(jax.tree.leaves(noised)))


def _check_private(recipe: Recipe) -> None:
    phase: Phase = recipe.phases[0]
    wrong = {
        "more than one phase": len(recipe.phases) > 1,
        "a gradient that is not private": not isinstance(phase.gradient, Private),
        "a schedule or a weight decay of its own": phase.schedule is not None
        or phase.weight_decay is not None,
        "norms of their own for members": isinstance(phase.gradient, Private)
        and phase.gradient.relative_norms is not None,
        "reference examples to train on": phase.examples == "reference",
    }
    if found := faults(wrong):
        raise Refused(
            f"gradients as canaries audit DP-SGD alone; {recipe.name} has {found}: "
            "give recipes such as dp_sgd(Private(...), epochs)"
        )
