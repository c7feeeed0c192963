"""The verdict of a screen: is a fleet of shadows worth its time?"""

from collections.abc import Mapping
from typing import Any

from scipy.stats import hypergeom

from pptp_jax.evaluation.warnings import inverted
from pptp_jax.metrics import Estimate

WORTH, LITTLE, NOT_YET, TOO_FEW = "worth it", "little to find", "not yet", "too few"
INVERTED = "inverted"
# Where the interval of the tail ends this far above chance, nothing is known of it.
_WIDE = 0.2
# The one-sided level of the exact test.
_SURE = 0.025


def verdict(found: Mapping[str, Any]) -> dict[str, str]:
    """A verdict and a sentence that says why.

    Where members have the larger loss by far, membership may be inverted, and nothing is said of a
    fleet. It has to wait where members can be distinguished without the model. It is worth its time
    where the tail of the loss attack lies above chance by its entire interval, at the lowest false
    negative rate that the sample resolves, and Fisher's exact test agrees: a bootstrap of few
    members is too sure of their largest losses. The gap in accuracy and the AUC of the loss decide
    nothing: on our fleets they did not predict what LiRA finds (docs/audits.md).

    Args:
        found: `loss_auc`, the `tail`, how many `members` and `nonmembers` there are, and the
            `blind` baseline, None if there is none.

    Examples:
        >>> rates = [{"fnr": 0.01, "tnr": Estimate(0.08, 0.05, 0.11)}]
        >>> own = {"loss_auc": Estimate(0.52, 0.49, 0.55), "tail": rates, "blind": None}
        >>> own |= {"members": 500, "nonmembers": 500}
        >>> print(verdict(own)["sentence"])
        A fleet is worth its time: 8.0 % of the non-members (5.0 to 11.0) have a larger loss ...
        >>> verdict(own | {"tail": [{"fnr": 0.01, "tnr": Estimate(0.02, 0.0, 0.04)}]})["verdict"]
        'little to find'
    """
    for doubt in inverted(found["loss_auc"]):
        return {"verdict": INVERTED, "sentence": f"{doubt[0].upper()}{doubt[1:]}."}
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
    known = [tail for tail in found["tail"] if tail["tnr"].low is not None]
    if not known:
        return {
            "verdict": TOO_FEW,
            "sentence": (
                "Whether a fleet is worth its time cannot be said: the tail of the loss attack "
                "needs at least 10 members, and 100 for its end at 1 %."
            ),
        }
    tail = min(known, key=lambda one: one["fnr"])
    chance, rate = tail["fnr"], f"{100 * tail['fnr']:g} %"
    value, low, high = (100 * end for end in tail["tnr"])
    allowed = int(tail["fnr"] * found["members"] + 1e-9)
    beyond = round(tail["tnr"].value * found["nonmembers"])
    everyone = found["members"] + found["nonmembers"]
    # By chance alone, of the records with the largest losses so few or fewer are members.
    luck = hypergeom.cdf(allowed, everyone, found["members"], beyond + allowed)
    apart = (
        f"{value:.1f} % of the non-members ({low:.1f} to {high:.1f}) have a larger loss than "
        f"{100 - 100 * tail['fnr']:g} % of the members"
    )
    if tail["tnr"].low > chance and luck < _SURE:
        return {
            "verdict": WORTH,
            "sentence": (
                f"A fleet is worth its time: {apart}, where {rate} is chance. The model gives "
                "members away; on our fleets LiRA found many where this share was large. Train "
                "shadows and attack with pptp audit to measure how many; for a table, pptp table "
                "does both."
            ),
        }
    if tail["tnr"].high > chance + _WIDE:
        return {
            "verdict": TOO_FEW,
            "sentence": (
                f"Whether a fleet is worth its time cannot be said: {apart}, where {rate} is "
                "chance, and an interval so wide says little. Hand over more members and "
                "non-members."
            ),
        }
    auc: Estimate = found["loss_auc"]
    above = ""
    if auc.low is not None and auc.low > 0.5:
        above = (
            f" The AUC of the loss attack, {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f}), is "
            "above chance, but such an AUC did not predict LiRA on our fleets."
        )
    return {
        "verdict": LITTLE,
        "sentence": (
            f"A fleet will probably find little: {apart}, and chance is {rate}.{above} This "
            "proves nothing: LiRA can find members that a common threshold on the loss does not."
        ),
    }
