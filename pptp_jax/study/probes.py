"""The settings of probes: the budget of an attacker who queries a study's models."""

from dataclasses import dataclass

from pptp_jax.signals.boundary_distance import Budget
from pptp_jax.validation import at_least, fraction, positive
from pptp_jax.validation.field_types import check_fields


@dataclass(frozen=True, kw_only=True)
class Probes:
    """The settings of the probes; see `pptp_jax.signals` for each.

    Attributes:
        boundary_queries: how many labels the search for the decision boundary may ask for, for each
            example and model.
        boundary_iterations: how many steps it makes of them.
        noise_draws: how many disturbed copies of an example are looked at.
        noise_flips: with which probability each input is flipped, where all are 0 or 1.
        noise_stddev: the standard deviation of Gaussian noise elsewhere, in units of the inputs as
            the model sees them.
        student_epochs: how long a student learns from a model's answers.
        surrogates: how many models of his own the attacker trains to find inputs that they doubt.
        surrogate_epochs: how long each of them learns.
        neighbours: how many neighbours of a text are looked at.
        neighbour_share: which share of a text's tokens is replaced in a neighbour.
        prefixes: behind how many known texts another one is looked at.

    Raises:
        ValueError: if a number is out of its range, or the queries are too few for the iterations.

    Examples:
        >>> Probes(boundary_queries=100)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: queries must be an integer of at least 309, got 100
    """

    boundary_queries: int = 1000
    boundary_iterations: int = 10
    noise_draws: int = 100
    noise_flips: float = 0.05
    noise_stddev: float = 0.1
    student_epochs: int = 10
    surrogates: int = 6
    surrogate_epochs: int = 30
    neighbours: int = 8
    neighbour_share: float = 0.15
    prefixes: int = 4

    def __post_init__(self) -> None:
        check_fields(self)
        Budget.of(self.boundary_queries, self.boundary_iterations)
        at_least(1, noise_draws=self.noise_draws)
        fraction(noise_flips=self.noise_flips)
        positive(noise_stddev=self.noise_stddev, neighbour_share=self.neighbour_share)
        fraction(neighbour_share=self.neighbour_share)
        at_least(1, student_epochs=self.student_epochs, surrogate_epochs=self.surrogate_epochs)
        at_least(2, surrogates=self.surrogates)
        at_least(1, neighbours=self.neighbours, prefixes=self.prefixes)
