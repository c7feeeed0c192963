"""The README of an audit's directory: the command that makes it, and its files."""

import operator
from collections.abc import Mapping
from typing import Any

from pptp_jax.audit.canaries import CanaryAudit
from pptp_jax.audit.gradient_canaries import GradientCanaryAudit
from pptp_jax.audit.text_canaries import TextCanaryAudit
from pptp_jax.study.readme import FILES, LINES, readme, taken_up

_OF_CANARIES = {
    name: FILES[name]
    for name in ("report.html", "report.json", "manifest.json", "fleets/", ".lock")
} | {
    "audit.txt": "the table as it was printed",
    "audit.json": "every bound with what it stands on, the configuration, versions and the "
    "command; it is written last, so an audit that has it is finished",
    "scores/": "for each recipe in `RECIPE.npz` the `scores` (runs, canaries), which canary was "
    "`present`, and which run stayed `finite`; of text canaries also the `repetitions` and the "
    "`exposure` of each, whether decoding is `greedy` enough to bring it out, and the scores of "
    "other `fillings`",
}
_OF_SIGNALS = {
    name: FILES[name] for name in ("report.html", "report.json", "table.txt", "results.json")
} | {
    "roc.png": FILES["roc.png"],
    "manifest.json": "what was attacked, and with which versions; it marks an audit of signals",
    "scores/": "what every attack makes of each example, in `given.npz`, and whose it is where "
    "`owners` were given; `given` are the models, in the place where a study has its recipes",
    "combined/": "the probability of membership by all attacks together: in `given.csv` "
    f"{LINES}; in `given.npz` by every model",
}
_CLASSES = "; a label counts the classes from 0, in the order of `classes` in results.json"

_MODELS = (
    "what each model answers, from which an interrupted audit goes on; may be deleted once "
    "results.json is there, at the cost of training again"
)


def canaries_readme(
    audit: CanaryAudit | GradientCanaryAudit | TextCanaryAudit, places: int, command: str | None
) -> str:
    """The README of an audit by canaries, as Markdown.

    Args:
        audit: the audit.
        places: how many examples and canaries a run's batches are dealt from.
        command: what a person types to get the same numbers.
    """
    if isinstance(audit, TextCanaryAudit):
        planted = (
            f"{sum(audit.canaries)} secrets take up to "
            f"{sum(map(operator.mul, audit.canaries, audit.repetitions))} of {places} records"
        )
    elif isinstance(audit, GradientCanaryAudit):
        planted = f"{audit.canaries} of {places} places have a gradient along one weight alone"
    else:
        planted = f"{audit.canaries} of {places} examples have wrong labels"
    what = (
        f"{audit.runs} models a recipe, trained by pptp_jax; {planted}, each present in a run by a "
        "fair coin. How well an attacker guesses the coins bounds ε from below."
    )
    again = taken_up(command, "pptp_jax.audit.run_canaries")
    return readme(f"The audit {audit.name} by canaries", what, again, files=_OF_CANARIES)


def signals_readme(results: Mapping[str, Any]) -> str:
    """The README of an audit of given signals, as Markdown.

    Args:
        results: the content of `results.json`.

    Examples:
        >>> known = {"study": "theirs", "command": None, "models": 8, "targets": 2}
        >>> known |= {"data": {"examples": 300}}
        >>> print(signals_readme(known).splitlines()[0])
        # An audit of the signals theirs
    """
    model, data = results.get("config", {}).get("model"), results["data"]
    which = "trained elsewhere" if model is None else f"trained on {data['name']} ({model['name']})"
    what = (
        f"{results['targets']} of {results['models']} models that were {which}, attacked "
        f"by what they answer on {data['examples']} examples, by pptp_jax."
    )
    if model is not None:
        what += (
            " This judges a way of training, by models of halves of the table, and no finished "
            "model: `pptp screen` looks at one alone, `pptp audit` attacks it with shadows."
        )
    command = results["command"]
    again = (
        "`pptp_jax.audit.audit_signals` was called from Python; the same call gives it again."
        if command is None
        else f"    {command}\n\ngives the same again."
    )
    files, kind = _OF_SIGNALS, "signals"
    if model is not None:
        named = files["combined/"] + _CLASSES
        files, kind = files | {"combined/": named, "models/": _MODELS}, "table"
    return readme(f"An audit of the {kind} {results['study']}", what, again, files=files)
