"""The settings of robustness trials, as plain frozen data."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pptp_jax.data import Dataset
from pptp_jax.robustness.ball import Norm
from pptp_jax.robustness.corruption import (
    CORRUPTIONS,
    SEVERITIES,
    Corruption,
    check_image,
    check_severity,
)
from pptp_jax.storage.record import describe
from pptp_jax.validation import Refused, at_least, one_of, positive, several

Kind = Literal["clean", "fgsm", "transfer", "pgd", "noise"] | Corruption

# What came later: left out of the record where it is not used, so that older records stay.
LATER = ("corruptions", "severities", "surrogates", "surrogate_epochs", "eigenvalues")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A trial: one way to perturb the inputs.

    Attributes:
        kind: `clean` leaves them as they are, `noise` is Gaussian, a corruption is what `corrupted`
            does; the others are attacks, of which `transfer` is PGD on other networks.
        norm: what the size is measured in; None where there is no ball.
        size: the radius of the ball, the standard deviation of the noise, or the severity of the
            corruption.
        steps: how many steps are made; None where there are none.

    Examples:
        >>> Trial(kind="pgd", norm="linf", size=0.1, steps=40).kind
        'pgd'
    """

    kind: Kind
    norm: Norm | None = None
    size: float = 0.0
    steps: int | None = None


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """How the robustness of finished models is measured, on examples that they have not seen.

    Sizes are in units of the inputs as a model sees them: a pixel of an image goes from 0 to 1.

    Attributes:
        epsilons: how far each input may be changed, by FGSM and by PGD.
        l2_epsilons: how long the change may be in all, likewise.
        steps: the numbers of steps that PGD is tried with. Several of them show whether it has come
            to its end.
        pace: how often the way of PGD is as long as the radius.
        noise: the standard deviations of Gaussian noise.
        draws: how many noisy copies of an example are looked at.
        corruptions: what is done to images: `gaussian_noise`, `blur`, `contrast` or `jpeg`.
        severities: how bad, each from 1 to 5.
        surrogates: how many undefended networks a study trains on its reference examples, to find
            inputs that the others fall for; 0 for none.
        surrogate_epochs: how long each of them learns.
        eigenvalues: how many eigenvalues of the input Hessian are looked at, with the distance to
            the decision boundary; 0 looks at neither.
        examples: how many non-members of each model are looked at; as many as there are, if fewer.

    Raises:
        ValueError: if a number is out of its range, a corruption is unknown, or nothing is to be
            tried.

    References:
        Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse
        parameter-free attacks", ICML 2020, https://arxiv.org/abs/2003.01690, on how weak attacks
        make a model look robust.

    Examples:
        >>> how = Robustness(epsilons=(8 / 255,), steps=(10, 40), noise=())
        >>> [trial.kind for trial in how.trials]
        ['clean', 'fgsm', 'pgd', 'pgd']
        >>> Robustness(epsilons=(-0.1,))
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: epsilons[0] must be a finite number above 0, got -0.1
    """

    epsilons: tuple[float, ...] = (2 / 255, 8 / 255)
    l2_epsilons: tuple[float, ...] = ()
    steps: tuple[int, ...] = (10, 40)
    pace: float = 2.5
    noise: tuple[float, ...] = (0.1,)
    draws: int = 5
    examples: int = 500
    corruptions: tuple[Corruption, ...] = ()
    severities: tuple[int, ...] = SEVERITIES
    surrogates: int = 0
    surrogate_epochs: int = 30
    eigenvalues: int = 0

    def __post_init__(self) -> None:
        sizes = {
            "epsilons": self.epsilons,
            "l2_epsilons": self.l2_epsilons,
            "noise": self.noise,
        }
        several(steps=self.steps, **sizes)
        several(corruptions=self.corruptions, severities=self.severities)
        one_of(CORRUPTIONS, **{f"corruptions[{i}]": own for i, own in enumerate(self.corruptions)})
        check_severity(**{f"severities[{i}]": own for i, own in enumerate(self.severities)})
        at_least(0, surrogates=self.surrogates, eigenvalues=self.eigenvalues)
        at_least(1, surrogate_epochs=self.surrogate_epochs)
        for name, given in sizes.items():
            positive(**{f"{name}[{i}]": size for i, size in enumerate(given)})
        at_least(1, **{f"steps[{i}]": count for i, count in enumerate(self.steps)})
        at_least(1, draws=self.draws, examples=self.examples)
        positive(pace=self.pace)
        if not (any(sizes.values()) or self.corruptions):
            raise Refused(
                "robustness needs at least one of epsilons, l2_epsilons, noise and corruptions"
            )
        if self.corruptions and not self.severities:
            raise Refused("corruptions need severities, such as (1, 3, 5), got none")
        if self.surrogates and not self.steps:
            raise Refused("surrogates need steps of PGD, such as (40,), got none")
        if self.surrogates and not (self.epsilons or self.l2_epsilons):
            raise Refused("surrogates need epsilons or l2_epsilons to find inputs within, got none")

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The trials; the first leaves the inputs as they are."""
        balls: list[tuple[Norm, float]] = [("linf", size) for size in self.epsilons]
        balls += [("l2", size) for size in self.l2_epsilons]
        found = [Trial(kind="clean")]
        for norm, size in balls:
            found.append(Trial(kind="fgsm", norm=norm, size=size))
            if self.surrogates:
                most = max(self.steps)
                found.append(Trial(kind="transfer", norm=norm, size=size, steps=most))
            found += [Trial(kind="pgd", norm=norm, size=size, steps=n) for n in sorted(self.steps)]
        found += [Trial(kind="noise", size=size) for size in self.noise]
        for kind in self.corruptions:
            found += [Trial(kind=kind, size=float(own)) for own in sorted(self.severities)]
        return tuple(found)

    @property
    def record(self) -> dict[str, Any]:
        """The settings as plain data, without later fields that are not used."""
        unused = {name for name in LATER if getattr(self, name) == getattr(Robustness, name)}
        return {name: own for name, own in describe(self).items() if name not in unused}


def check_disturbable(data: Dataset, how: Robustness | None = None) -> None:
    """Refuses inputs that a small change makes invalid, such as tokens.

    Args:
        data: the examples.
        how: what is to be tried; corruptions are of images alone.

    Raises:
        ValueError: if all of them are 0 or 1, or symbols, or they are no images and shall be
            corrupted.

    Examples:
        >>> check_disturbable(Dataset("bits", np.eye(2), np.arange(2), np.arange(2), 2))
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: bits: all inputs are 0 or 1, so there is no small change of ...
    """
    found = None
    if data.vocabulary is not None:
        found = "symbols"
    elif data.scale == 1 and np.isin(data.x, (0, 1)).all():
        found = "0 or 1"
    if found:
        raise Refused(
            f"{data.name}: all inputs are {found}, so there is no small change of them: robustness "
            "is measured on images and other continuous inputs"
        )
    if how is not None and how.corruptions:
        check_image(data.x.shape[1:])
