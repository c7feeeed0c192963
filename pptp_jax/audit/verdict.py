"""Whether a fleet of shadows is worth its time, by what one model shows without it."""

from collections.abc import Mapping
from typing import Any

from pptp_jax.metrics import Estimate

WORTH, LITTLE, NOT_YET = "worth it", "little to find", "not yet"


def verdict(found: Mapping[str, Any]) -> dict[str, str]:
    """A verdict and a sentence that says why.

    A fleet has to wait where members can be distinguished without the model. It is worth its time
    where the loss attack, or its tail, lies above chance by its entire interval. The gap in
    accuracy decides nothing: on our fleets it did not predict what LiRA finds (docs/audits.md).

    Args:
        found: `loss_auc`, the `tail`, and the `blind` baseline, None if there is none.

    Examples:
        >>> rates = [{"fnr": 0.01, "tnr": Estimate(0.08, 0.05, 0.11)}]
        >>> own = {"loss_auc": Estimate(0.52, 0.49, 0.55), "tail": rates, "blind": None}
        >>> print(verdict(own)["sentence"])
        A fleet is worth its time: at 1 % false negatives the loss attack clears 8.0 % of the ...
        >>> verdict(own | {"tail": []})["verdict"]
        'little to find'
    """
    blind = found["blind"]
    if blind is not None and blind["found"]:
        return {
            "verdict": NOT_YET,
            "sentence": (
                "A fleet is not worth its time yet: members can be distinguished from non-members "
                "without the model, so what an attack finds may not come from it. Draw both by "
                "chance from one source first."
            ),
        }
    auc: Estimate = found["loss_auc"]
    seen = []
    if _above(auc, 0.5):
        seen.append(f"the loss attack alone has an AUC of {_interval(auc)}")
    for tail in found["tail"]:
        if _above(tail["tnr"], tail["fnr"]):
            value, low, high = (100 * (end or 0.0) for end in tail["tnr"])
            rate = f"{100 * tail['fnr']:g} %"
            seen.append(
                f"at {rate} false negatives the loss attack clears {value:.1f} % of the "
                f"non-members ({low:.1f} to {high:.1f}), where {rate} is chance"
            )
    if seen:
        return {
            "verdict": WORTH,
            "sentence": (
                f"A fleet is worth its time: {'; '.join(seen)}. Shadows find which members these "
                "are, and mostly more of them."
            ),
        }
    return {
        "verdict": LITTLE,
        "sentence": (
            "A fleet will probably find little: neither the loss attack, with an AUC of "
            f"{_interval(auc)}, nor its tail can be distinguished from chance. This proves "
            "nothing: LiRA can find members that a common threshold on the loss does not."
        ),
    }


def _above(estimate: Estimate, chance: float) -> bool:
    return estimate.low is not None and estimate.low > chance


def _interval(estimate: Estimate) -> str:
    value, low, high = estimate
    if value is None or low is None or high is None:
        return "n/a"
    return f"{value:.3f} ({low:.3f} to {high:.3f})"
