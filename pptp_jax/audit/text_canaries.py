"""Audit by text canaries: secrets in a template, each of which joins a run by its own coin."""

from dataclasses import dataclass

import numpy as np

from pptp_jax.audit.audit_settings import AuditSettings
from pptp_jax.audit.planted_secrets import PlantedSecrets, compare
from pptp_jax.data import Secrets
from pptp_jax.tasks import Language
from pptp_jax.validation import Refused, at_least


@dataclass(frozen=True, kw_only=True)
class TextCanaryAudit(AuditSettings):
    """An audit of language models as plain frozen data: recipes, text, model and secrets.

    Records with random secrets are added to the text. In each run each of these canaries is present
    or absent by a fair coin of its own; one of several repetitions is present or absent with all of
    them. An absent record keeps its place in its batch, but its gradient is zero, as in a
    `CanaryAudit`. Three things are measured: the exposure of the secrets by repetitions, how many
    of them can be extracted, and bounds on ε from below. The bounds rest on the canaries of one
    repetition alone, since ε is of one example: a record that stands there eight times is eight
    examples.

    The other fields are those of `AuditSettings`.

    Attributes:
        secrets: the template, and the space of the secrets.
        repetitions: how often a canary stands in the training data, in rising order from 1 on.
        canaries: how many canaries there are of each of these numbers.
        fillings: to how many other fillings of its template a secret is compared. If the space has
            no more, exposure is an exact rank; else that of a skew-normal fit to this number of
            random ones.
        tries: the n of (n, p)-discoverable extraction, at p = ½.

    Raises:
        ValueError: if there are too few runs, canaries, fillings or recipes, the model is of
            another task, or a recipe does more with its members than to take gradients of a loss.

    Examples:
        >>> from pptp_jax.data import Topics
        >>> from pptp_jax.models import gpt
        >>> from pptp_jax.training import undefended
        >>> audit = TextCanaryAudit(
        ...     name="mine",
        ...     data=Topics(length=64),
        ...     model=gpt(width=32, context=64),
        ...     recipes=(undefended(2),),
        ...     repetitions=(1, 8),
        ...     canaries=(24, 8),
        ... )
        >>> audit.secrets.text((0, 7, 0, 7, 0, 7), label="otter")
        'the secret number otter is 0 7 0 7 0 7'
    """

    secrets: Secrets = Secrets()  # noqa: RUF009 - frozen
    repetitions: tuple[int, ...] = (1, 2, 4, 8)
    canaries: tuple[int, ...] = (40, 8, 8, 8)
    fillings: int = 256
    tries: int = 1000
    held_out: int = 100
    runs: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, tries=self.tries)
        at_least(16, fillings=self.fillings)
        rising = list(self.repetitions) == sorted(set(self.repetitions))
        if not (rising and self.repetitions[:1] == (1,)):
            raise Refused(
                f"repetitions must rise from 1, whose canaries bound ε, got {self.repetitions}"
            )
        if len(self.canaries) != len(self.repetitions):
            raise Refused(
                f"canaries must have one number for each of {len(self.repetitions)} repetitions, "
                f"got {self.canaries}"
            )
        at_least(1, **{f"canaries[{i}]": number for i, number in enumerate(self.canaries)})
        if not isinstance(self.model.task, Language):
            raise Refused(
                f"text canaries need a model of the task language, got {self.model.task.name}"
            )

    def plant(self) -> PlantedSecrets:
        """Reads the text, draws the secrets and flips the coins.

        Raises:
            ValueError: if there are too few records, they are no text of the secrets' tokenizer, or
                a secret is longer than a sequence.
        """
        data = self.load()
        if data.vocabulary != self.secrets.tokenizer.vocabulary:
            raise Refused(
                f"the data must be text of the secrets' tokenizer, with {data.name} of a "
                f"vocabulary of {data.vocabulary}, got one of "
                f"{self.secrets.tokenizer.vocabulary}: give Secrets(tokenizer=...)"
            )
        repetitions = np.repeat(self.repetitions, self.canaries)
        rng = np.random.default_rng(self.seed)
        held_out, others = self.hold_out(data, rng)
        present = rng.random((self.runs, len(repetitions))) < 0.5
        compared = compare(data, self.secrets, len(repetitions), self.fillings, rng)
        planted = PlantedSecrets(compared, repetitions, held_out, others, present)
        self.check_recipes(data, planted.places)
        return planted
