"""Store the riskiest examples for the report, with their pictures or tokens."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from pptp_jax.data import Dataset, Membership
from pptp_jax.evaluation.attack_fleet import Attacked
from pptp_jax.evaluation.riskiest_tokens import Texts, has_tokens, riskiest_tokens
from pptp_jax.fleets import FleetSignals
from pptp_jax.metrics import alarm_rates, riskiest
from pptp_jax.storage.files import write_arrays

COUNT = 10
# Pictures are shrunk to this, so that the file stays small whatever the data.
LARGEST = 48


def write_riskiest(
    path: Path,
    data: Dataset,
    membership: Membership,
    seen: Mapping[str, Attacked],
    attack: str,
    *,
    fleets: Mapping[str, FleetSignals] | None = None,
    texts: Texts | None = None,
) -> None:
    """Writes, for each recipe, the examples that one attack identifies best.

    The arrays: `slugs` of the recipes; of each recipe's examples `ids` and, of data with classes,
    `labels`; for every target `scores`, `alarm_rates` and `membership` (recipes, examples,
    targets), NaN for targets that diverged; `pictures` (recipes, examples, height, width, channels)
    where the data are images; and, where they are text and the fleets are given, the arrays of
    `riskiest_tokens`, with the number and the score of the `surest` target: of those that trained
    on the example, the one with the highest score. Nothing is left at the path where no recipe has
    been attacked.

    Args:
        path: the file.
        data: the examples.
        membership: who is a member of what.
        seen: each recipe's fleet, attacked.
        attack: the name of the attack.
        fleets: the signals of each recipe's finished models; None keeps no tokens.
        texts: decodes tokens; None if there is no tokenizer.
    """
    scored = {slug: one for slug, one in seen.items() if len(one.scores.get(attack, ()))}
    if not scored:
        path.unlink(missing_ok=True)
        return
    chosen = {s: riskiest(one.scores[attack], one.membership, COUNT) for s, one in scored.items()}
    count = min(map(len, chosen.values()))
    shape = len(scored), count, len(membership.targets)
    scores, rates, members = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, bool)
    rows = np.zeros(shape[:2], int)
    for i, (slug, one) in enumerate(scored.items()):
        best, at = chosen[slug][:count], np.searchsorted(membership.targets, one.targets)
        rows[i] = membership.evaluated[best]
        scores[i][:, at] = one.scores[attack][:, best].T
        rates[i][:, at] = alarm_rates(one.scores[attack], one.membership)[:, best].T
        members[i][:, at] = one.membership[:, best].T
    arrays = {
        "slugs": np.array(list(scored)),
        "attack": np.array(attack),
        "ids": data.ids[rows],
        "scores": scores,
        "alarm_rates": rates,
        "membership": members,
    }
    if data.labels is not None:
        arrays["labels"] = data.labels[rows]
    if data.x.ndim == 4 and data.x.shape[-1] in (1, 3):
        arrays["pictures"] = pictures(data.x[rows] * data.scale)
    if fleets is not None and has_tokens(data):
        # Even one whose score is −∞ comes before those that did not train on the example.
        own = np.maximum(scores, np.finfo(float).min)
        first = np.where(members & np.isfinite(rates), own, -np.inf).argsort(axis=-1)[..., -1]
        arrays["surest"] = surest = np.asarray(membership.targets)[first]
        arrays["surest_score"] = np.take_along_axis(scores, first[..., None], axis=-1)[..., 0]
        kept = [fleets[slug] for slug in scored]
        arrays |= riskiest_tokens(data, membership, rows, surest, kept, texts)
    write_arrays(path, arrays)


def pictures(
    images: Float[np.ndarray, "*batch height width channels"],
) -> UInt8[np.ndarray, "*batch small small channels"]:
    """Images as bytes, shrunk by means over squares; what leaves [0, 1] is stretched to it.

    Args:
        images: numbers.
    """
    *batch, height, width, channels = images.shape
    side = min(-(-max(height, width) // LARGEST), height, width)
    tall, wide = height // side, width // side
    squares = images[..., : tall * side, : wide * side, :].reshape(
        *batch, tall, side, wide, side, channels
    )
    small = squares.mean(axis=(-4, -2))
    low, high = min(small.min(), 0), max(small.max(), 1)
    if low < 0 or high > 1:
        low, high = small.min(), small.max()
    return np.round(255 * (small - low) / (high - low)).astype(np.uint8)
