"""Compute a risk map: train, modify every region in every way, and measure the changes."""

import numpy as np
from jaxtyping import Bool, Float

from pptp_jax.locate.candidates import Region
from pptp_jax.locate.measures import UNKNOWN, Measures, changes, drawings, estimates
from pptp_jax.locate.result import Modification, RegionRisk, RiskMap
from pptp_jax.locate.spec import RiskMapSpec
from pptp_jax.locate.survey import OnProgress, Survey, survey
from pptp_jax.metrics import UNRESOLVED, Bootstrap, Estimate, bootstrap_metrics
from pptp_jax.validation import Refused


def risk_map(spec: RiskMapSpec, *, on_progress: OnProgress = lambda doing, share: None) -> RiskMap:
    """Finds which blocks of a network carry membership risk, and which generalisation.

    One fleet is trained by plain cross-entropy and one, from the same initial values, with the
    defence. Then every block, and every prefix and suffix of the network, is modified in each model
    of the plain fleet:

    - `rewind`: it goes back to its initial values;
    - `rewind_early`: it goes back to what it was after the first epochs;
    - `graft`: it is taken from the defended model of the same initial values and members;
    - `retrain`: it is trained alone with the defence, from its initial values. Not from those that
      plain training gave it: where the loss is next to zero its gradient is, too, and a defence
      such as RelaxLoss hardly moves the deeper blocks away from there.

    Batch-norm statistics are recomputed after each, and for the unmodified fleet too. What is
    reported is the change of test accuracy, loss gap and attack AUC against the unmodified fleet.
    Every model is attacked in turn, with the others, modified likewise, as its shadows. The
    intervals are paired: both fleets stand on the same resamples of models and examples.

    Args:
        spec: what is trained on what, with which defence, and how.
        on_progress: receives what is done, and the share of the work that is behind.

    Returns:
        The map.

    Raises:
        ValueError: if a model of the plain fleet diverges.

    References:
        Fang and Kim, "Decoupling Generalizability and Membership Privacy Risks in Neural Networks",
        arXiv 2602.02296, for the observation. How it is made here is our reconstruction. On
        rewinding layers: Zhang, Bengio and Singer, "Are All Layers Created Equal?", JMLR 23, 2022.
    """
    return _measured(spec, survey(spec, on_progress))


def _measured(spec: RiskMapSpec, seen: Survey) -> RiskMap:
    matrix, rows, resamples = spec.matrix, spec.rows, spec.resamples
    models, examples = matrix.shape
    resampling = Bootstrap(models, examples, resamples, spec.seed)
    before = drawings(seen.undefended, matrix, resampling)
    if before is None:
        raise Refused(
            "a model of the undefended fleet has diverged, so there is nothing to compare with: "
            "take a lower learning rate"
        )
    defended = drawings(seen.defended, matrix, resampling)
    found: dict[Region, dict[Modification, Measures]] = {}
    for (name, region), signals in seen.modified.items():
        change = changes(drawings(signals, matrix, resampling), before)
        found.setdefault(region, {})[name] = change
    weights = spec.weights
    order = tuple(block.name for block in spec.model.blocks)
    leakage = {
        name: _leakage(-norms, matrix[:, rows], resamples, spec.seed)
        for name, norms in zip(order, seen.norms, strict=True)
    }
    return RiskMap(
        blocks=order,
        regions=tuple(
            RegionRisk(region=region, parameters=sum(weights[b] for b in region), changes=changed)
            for region, changed in found.items()
        ),
        undefended=estimates(before),
        defended=UNKNOWN if defended is None else estimates(defended),
        gradient_norm_auc=leakage,
        setting={
            "models": models,
            "examples": examples,
            "members": int(matrix[0].sum()),
            "epochs": spec.epochs,
            "early": spec.early,
            "retrain": spec.retrain,
            "defence": spec.defence.name,
            "strength": spec.defence.strength,
            "seed": spec.seed,
            "resamples": resamples,
            "gradient_examples": len(rows),
        },
    )


def _leakage(
    scores: Float[np.ndarray, "models rows"],
    membership: Bool[np.ndarray, "models rows"],
    resamples: int,
    seed: int,
) -> Estimate:
    if not np.isfinite(scores).all():
        return UNRESOLVED
    models, rows = scores.shape
    resampling = Bootstrap(models, rows, resamples, seed)
    return bootstrap_metrics(scores, membership, resampling, np.arange(models), fprs=())[
        "auc"
    ].estimate()
