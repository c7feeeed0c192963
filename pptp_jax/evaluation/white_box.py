"""LiRA on each block's gradients and features."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pptp_jax.data import Membership
from pptp_jax.evaluation.attack_fleet import attacked
from pptp_jax.fleets import FleetSignals
from pptp_jax.metrics import attack_metrics


def white_box(
    fleet: FleetSignals,
    membership: Membership,
    blocks: Sequence[str],
    *,
    resamples: int = 500,
    seed: int = 0,
) -> dict[str, dict[str, dict[str, Any]]]:
    """The metrics of LiRA on each block's gradients and features: a white-box attacker.

    The signals are −log ‖∇_b ℓ‖ of a block b, and the margin by which its features speak for the
    label. Those of the shadows are computed alike, so that the attack allows for an example's
    difficulty.

    Args:
        fleet: with the signals that were kept.
        membership: who is a member of what.
        blocks: what the model's blocks are called.
        resamples: the number of bootstrap resamples.
        seed: what the bootstrap depends on.

    Returns:
        What is seen (`gradients`, `features`), then the block, then the metrics.
    """
    kinds = {}
    if "gradient_norms" in fleet:
        # An example that is fitted to the last bit has no gradient left.
        kinds["gradients"] = -np.log(np.maximum(fleet["gradient_norms"], np.finfo(np.float32).tiny))
    if "feature_margins" in fleet:
        kinds["features"] = fleet["feature_margins"]
    known = {"finite": fleet.finite, "utility": fleet.utility}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for kind, signals in kinds.items():
        for block, own in zip(blocks, signals.swapaxes(0, 1), strict=True):
            shown = FleetSignals({**known, "confidence": own[:, None]})
            seen = attacked(shown, membership, ("lira_online",))
            if "lira_online" in seen.scores:
                metrics = attack_metrics(
                    seen.scores["lira_online"], seen.membership, resamples=resamples, seed=seed
                )
                by_block = found.setdefault(kind, {})
                by_block[block] = {key: value._asdict() for key, value in metrics.items()}
    return found
