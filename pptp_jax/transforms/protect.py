"""`pptp`: protect one region of any optax optimiser."""

from typing import Any

import jax
import optax

from pptp_jax.regions import PROTECT, Regions
from pptp_jax.transforms.add_noise import add_region_noise
from pptp_jax.transforms.apply import apply_to_regions
from pptp_jax.transforms.chain import chain
from pptp_jax.transforms.clip import clip_region_norm
from pptp_jax.transforms.drop import drop_region_updates
from pptp_jax.transforms.freeze import freeze_region
from pptp_jax.transforms.scale import scale_region
from pptp_jax.transforms.select import check_label
from pptp_jax.validation import Refused, given

Strength = float | jax.Array


def pptp(
    inner: optax.GradientTransformation,
    region_map: Regions,
    label: str = PROTECT,
    *,
    freeze: bool = False,
    max_norm: Strength | None = None,
    stddev: Strength | optax.Schedule | None = None,
    rate: Strength | None = None,
    scale: Strength | optax.Schedule | None = None,
) -> optax.GradientTransformationExtraArgs:
    """An optimiser that protects one region and trains the others as `inner` alone would.

    Either the region is frozen: `inner` then never sees it, keeps no state for it (where the map
    is one of entire leaves) and decays none of its weights. Or its updates go through those of
    these steps that are requested, in this order: clip the gradient's norm, add noise, drop,
    `inner`, scale. An `inner` like Adam divides by the size of the gradient, which undoes a clip.
    Other orders, regions and transforms: `chain`. Whatever `inner` draws is
    independent of it.

    None of this gives an ε for the model; see `clip_region_norm` and `add_region_noise`.

    Args:
        inner: the optimiser.
        region_map: which parameter, or weight, belongs to which region.
        label: the region to protect.
        freeze: whether the region is frozen.
        max_norm: the norm to clip the region's gradient to; see `clip_region_norm`.
        stddev: the noise on each coordinate of the region's gradient, so that d weights get noise
            of norm stddev √d; see `add_region_noise`.
        rate: the share of the region's gradient to drop; see `drop_region_updates`.
        scale: the region's own learning rate, relative to that of `inner`; see `scale_region`.

    Returns:
        A transform whose `update` needs `key=` if there is noise or a rate.

    Raises:
        ValueError: if nothing is requested, `inner` is no optimiser, or a frozen region is to learn
            with some step; or as the transforms say.

    References:
        Fang and Kim, "Decoupling Generalizability and Membership Privacy Risks in Neural
        Networks", 2026, https://arxiv.org/abs/2602.02296

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from pptp_jax.regions import RegionMap
        >>> regions = RegionMap.from_rules([("stem/.*", "protect"), (".*", "general")])
        >>> params = {"stem": {"w": jnp.ones(2)}, "head": {"w": jnp.ones(2)}}
        >>> tx = pptp(optax.sgd(0.1), regions, max_norm=1.0, stddev=0.5)
        >>> updates, _ = tx.update(params, tx.init(params), params, key=jax.random.key(0))
        >>> tx = pptp(optax.adamw(0.1), regions, freeze=True)
        >>> updates, _ = tx.update(params, tx.init(params), params)
        >>> print(updates["stem"]["w"], bool((updates["head"]["w"] < 0).all()))
        [0. 0.] True
    """
    if not (hasattr(inner, "init") and hasattr(inner, "update")):
        raise Refused(f"inner must be an optimiser, such as optax.sgd(0.1), got {inner!r:.80}")
    if not isinstance(freeze, bool):
        raise Refused(f"freeze must be True or False, got {freeze!r:.80}")
    check_label(region_map, label)
    chosen = given(max_norm=max_norm, stddev=stddev, rate=rate, scale=scale)
    if freeze and chosen:
        raise Refused(
            f"a frozen region does not learn: give freeze=True or {', '.join(chosen)}, not both"
        )
    if freeze:
        others = [name for name in region_map.names if name != label]
        return optax.chain(
            apply_to_regions(inner, region_map, others), freeze_region(region_map, label)
        )
    if not chosen:
        raise Refused(
            f"nothing would protect {label!r}: give freeze=True or some of max_norm, stddev, "
            "rate, scale"
        )
    makers: dict[str, Any] = {
        "max_norm": clip_region_norm,
        "stddev": add_region_noise,
        "rate": drop_region_updates,
    }
    before = [makers[name](region_map, label, chosen[name]) for name in makers if name in chosen]
    after = [] if scale is None else [scale_region(region_map, label, scale)]
    return chain(*before, inner, *after)
