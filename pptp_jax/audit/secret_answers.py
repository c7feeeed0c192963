"""The log-probabilities of secrets in the runs of an audit, and their exposure."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import log_expit

from pptp_jax.audit.exposure import Exposure, exposure_by_fit, exposure_by_rank
from pptp_jax.audit.extraction import extracted_in_tries, greedily_extracted
from pptp_jax.audit.planted_secrets import PlantedSecrets
from pptp_jax.audit.text_canaries import TextCanaryAudit
from pptp_jax.fleets import FleetSpec, Runtime, fingerprint, run_fleet
from pptp_jax.fleets.fingerprint import home_name
from pptp_jax.metrics import masked_mean
from pptp_jax.training import Recipe

# The p of (n, p)-discoverable extraction.
PROBABILITY = 0.5


class SecretAnswers(NamedTuple):
    """The answers of a recipe's runs.

    Attributes:
        log_prob: log of the probability of each secret after its prefix.
        fillings: that of the other fillings.
        greedy: whether greedy decoding of the prefix brings out the secret.
        utility: the model's utility on each record that was held out.
        finite: who did not diverge.
    """

    log_prob: Float[np.ndarray, "runs canaries"]
    fillings: Float[np.ndarray, "runs canaries fillings"]
    greedy: Bool[np.ndarray, "runs canaries"]
    utility: Float[np.ndarray, "runs held_out"]
    finite: Bool[np.ndarray, " runs"]

    def of_finite(self) -> "SecretAnswers":
        """The answers of those runs alone that did not diverge."""
        return SecretAnswers(*(array[self.finite] for array in self))


def secret_answers(
    audit: TextCanaryAudit, planted: PlantedSecrets, recipe: Recipe, fleets: Path, runtime: Runtime
) -> SecretAnswers:
    """Trains the runs of a recipe and queries them, or reads the stored answers of another audit.

    Args:
        audit: the audit.
        planted: its data.
        recipe: which of its recipes.
        fleets: where the recipe gets a directory of its own.
        runtime: how the runs are executed.

    Raises:
        KeyboardInterrupt: if the runtime says stop, when the state has been saved.
    """
    compared = planted.compared
    secret = np.concatenate([compared.secrets, np.unique(compared.fillings)])
    spec = FleetSpec(
        model=audit.model,
        recipe=recipe,
        data=planted.data,
        members=planted.members(),
        optimizer=audit.optimizer,
        batch_size=audit.batch_size,
        seed=audit.seed,
        signals=(audit.model.task.signal("token_first"),),
        queried=np.concatenate([secret, planted.held_out]),
    )
    key = fingerprint(spec)
    end = run_fleet(spec, fleets / home_name(recipe.slug, key), runtime, key=key).end
    canaries = len(compared.secrets)
    there = planted.data.y[secret] >= 0
    # A model's log-probability of a sequence is the mean over the tokens of its secret.
    mean = log_expit(np.asarray(end.confidence[:, 0, : len(secret)], np.float64))
    log_prob = mean * there.sum(axis=1)
    places = np.searchsorted(secret[canaries:], compared.fillings)
    first = np.array(end["token_first"][:, 0, :canaries])
    return SecretAnswers(
        log_prob=log_prob[:, :canaries],
        fillings=log_prob[:, canaries:][:, places],
        greedy=greedily_extracted(first, np.broadcast_to(there[:canaries], first.shape)),
        utility=end.utility[:, len(secret) :],
        finite=end.finite,
    )


def exposures(audit: TextCanaryAudit, planted: PlantedSecrets, answers: SecretAnswers) -> Exposure:
    """The exposure of each canary in each run, an exact rank if the models saw all fillings.

    Args:
        audit: the audit.
        planted: its data.
        answers: of runs that did not diverge.
    """
    if planted.compared.exact:
        return exposure_by_rank(answers.log_prob, answers.fillings)
    return exposure_by_fit(answers.log_prob, answers.fillings, audit.secrets.space)


def by_repetitions(
    audit: TextCanaryAudit,
    planted: PlantedSecrets,
    answers: SecretAnswers,
    present: Bool[np.ndarray, "runs canaries"],
    exposure: Exposure,
) -> list[dict[str, Any]]:
    """Exposure and extraction by repetitions, with intervals over runs and canaries.

    Args:
        audit: the audit.
        planted: its data.
        answers: of runs that did not diverge.
        present: in which of these runs each canary was.
        exposure: in these runs.

    Returns:
        First the canaries that were absent, of all numbers, under 0 repetitions; then those that
        were present, by repetitions.
    """
    tried = extracted_in_tries(np.minimum(answers.log_prob, 0), audit.tries, PROBABILITY)
    rows = []
    for number in (0, *audit.repetitions):
        chosen = ~present if number == 0 else present & (planted.repetitions == number)
        measured = {"exposure": exposure.bits, "greedy": answers.greedy, "in_tries": tried}
        estimates = {
            name: masked_mean(outcomes, chosen, seed=audit.seed)._asdict()
            for name, outcomes in measured.items()
        }
        capped = float(exposure.capped[chosen].mean()) if chosen.any() else None
        pairs = int(chosen.sum())
        rows.append({"repetitions": number, "pairs": pairs, **estimates, "capped": capped})
    return rows
