"""Sentences on dataset inference and label inference, for terminal and page."""

from collections.abc import Mapping
from typing import Any

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.results import RunResults
from pptp_jax.evaluation.schema import typed
from pptp_jax.metrics import Estimate


def other_facts(results: RunResults) -> dict[str, str]:
    """What an audit found besides membership, by name; empty where nothing was looked at.

    Args:
        results: of an audit.

    Examples:
        >>> one = {"value": 0.5, "low": 0.4, "high": 0.6}
        >>> target = {"target": 3, "members": 0.45, "share": one, "tpr": one, "fpr": one}
        >>> found = {"attack": "loss", "targets": [target]}
        >>> other_facts(RunResults(rows=(), used_share=found))
        {'share of the data that model 3 used': '0.500 (0.400 to 0.600), by LOSS; it used 0.450'}
    """
    return _shares(typed(results.used_share)) | _labels(typed(results.label_inference))


def render_other(results: RunResults) -> str:
    """A line for each of these facts.

    Examples:
        >>> render_other(RunResults(rows=()))
        ''
    """
    return "\n".join(f"{name}: {words}" for name, words in other_facts(results).items())


def _shares(found: Mapping[str, Any] | None) -> dict[str, str]:
    if not found:
        return {}
    by, targets = attack_name(found["attack"]), found["targets"]
    if len(targets) == 1:
        [one] = targets
        name = f"share of the data that model {one['target']} used"
        return {name: f"{_words(one['share'])}, by {by}; it used {one['members']:.3f}"}
    pairs = [(one["share"], one["members"]) for one in targets]
    off = sum(abs(share.value - true) for share, true in pairs) / len(pairs)
    covered = sum(share.low <= true <= share.high for share, true in pairs)
    width = sum(share.high - share.low for share, _ in pairs) / len(pairs)
    return {
        "share of the data that a model used": (
            f"{by} estimates it with a mean error of {off:.3f}; the intervals of {covered} of "
            f"{len(pairs)} models contain the true share, their mean width is {width:.3f}"
        )
    }


def _labels(found: Mapping[str, Any] | None) -> dict[str, str]:
    if not found:
        return {}
    inside, outside = found["members"], found["nonmembers"]
    return {
        "labels of members that the models reveal": (
            f"{_words(inside['attack'])} right; for models that did not train on the record "
            f"{_words(inside['control'])}; difference {_words(inside['difference'])}, of "
            f"non-members {_words(outside['difference'])}"
        )
    }


def _words(estimate: Estimate) -> str:
    value, low, high = estimate
    if value is None or low is None or high is None:
        return "n/a"
    return f"{value:.3f} ({low:.3f} to {high:.3f})"
