"""Sentences on a screen of one model and its blind baseline, for terminal and page."""

from collections.abc import Mapping
from typing import Any

from pptp_jax.evaluation.schema import typed
from pptp_jax.metrics import Estimate


def render_screen(screen: Mapping[str, Any], name: str = "screen") -> str:
    """A line for each thing that was looked at, and whether a fleet is worth its time.

    Args:
        screen: what `pptp_jax.audit.screen_signals` gives.
        name: what the model is called.

    Examples:
        >>> one = {"value": 0.5, "low": 0.4, "high": 0.6}
        >>> found = {"members": 60, "nonmembers": 60, "loss_auc": one, "sentence": "Nothing."}
        >>> print(render_screen(found))
        screen: one model, 60 members, 60 non-members
        AUC of the loss attack: 0.500 (0.400 to 0.600)
        Nothing.
    """
    head = f"{name}: one model, {screen['members']:,} members, {screen['nonmembers']:,} non-members"
    facts = [f"{key}: {value}" for key, value in screen_facts(screen).items()]
    return "\n".join([head, *facts, *blind_lines(screen.get("blind")), screen["sentence"]])


def screen_facts(screen: Mapping[str, Any]) -> dict[str, str]:
    """What was looked at, by name; what is not known is left out.

    Args:
        screen: as `render_screen` takes it, or with estimates in place of records.
    """
    screen = typed(screen)
    found = {}
    for key in ("accuracy", "loss"):
        if sides := screen.get(key):
            found[f"gap in {key}"] = (
                f"{_words(sides['gap'])}; {_value(sides['members'])} on members, "
                f"{_value(sides['nonmembers'])} on non-members"
            )
    found["AUC of the loss attack"] = _words(screen["loss_auc"])
    for tail in screen.get("tail", ()):
        key = f"tail of the loss: TNR at {100 * tail['fnr']:g} % FNR"
        found[key] = f"{_words(tail['tnr'])}, where {tail['fnr']:g} is chance"
    if own := screen.get("parameters"):
        found["parameters"] = f"{own['count']:,}, {own['per_member']:,.3g} for each member"
    if own := screen.get("smallest_class"):
        found["smallest class"] = (
            f"class {own['label']} has {own['members']:,} members, the fewest of {own['classes']:,}"
        )
    if own := screen.get("smallest_group"):
        columns = ", ".join(map(str, own["columns"]))
        found["smallest group"] = (
            f"{own['records']:,} member{'s' * (own['records'] != 1)}, of {own['groups']:,} groups "
            f"that are equal in columns {columns}; members alone in theirs: {own['alone']:,}"
        )
    return found


def blind_lines(blind: Mapping[str, Any] | None) -> list[str]:
    """Sentences on the blind baseline and the copied records; empty without them.

    Args:
        blind: that of an audit or of a screen.

    Examples:
        >>> blind_lines({"found": False, "words": "labels alone say nothing", "records": None})
        ['without the model: labels alone say nothing']
    """
    if not blind:
        return []
    mark = "warning, " if blind["found"] else ""
    lines = [f"{mark}without the model: {blind['words']}"]
    records = blind.get("records")
    return lines if not records else [*lines, f"copies: {records['words']}"]


def _words(estimate: Estimate) -> str:
    value, low, high = estimate
    if value is None or low is None or high is None:
        return "n/a (too few examples)"
    return f"{'~' if estimate.coarse else ''}{value:.3f} ({low:.3f} to {high:.3f})"


def _value(estimate: Estimate) -> str:
    return "n/a" if estimate.value is None else f"{estimate.value:.3f}"
