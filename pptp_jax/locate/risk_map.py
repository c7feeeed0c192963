"""Making a risk map: train, modify every region in every way, and measure what changes."""

import numpy as np
from jaxtyping import Bool, Float, Int

from pptp_jax.data import Arrays, member_indices
from pptp_jax.locate.candidates import Region
from pptp_jax.locate.fleets import RiskMapSpec
from pptp_jax.locate.measures import UNKNOWN, Measures, changes, drawings, estimates
from pptp_jax.locate.result import Modification, RegionRisk, RiskMap
from pptp_jax.locate.survey import OnProgress, Survey, survey
from pptp_jax.metrics import UNRESOLVED, Bootstrap, Estimate, bootstrap_metrics
from pptp_jax.models import Model
from pptp_jax.models.blocks import block_regions
from pptp_jax.objectives import Objective
from pptp_jax.regions import sizes
from pptp_jax.tasks import Task
from pptp_jax.training import Optimizer, check_members, phase_optimizer, undefended
from pptp_jax.validation import Refused, at_least

# LiRA fits two Gaussians to the models other than the target.
_LEAST = 3


def risk_map(
    model: Model,
    data: Arrays,
    matrix: Bool[np.ndarray, "models examples"],
    *,
    defence: Objective,
    epochs: int,
    early: int = 2,
    retrain: int = 4,
    optimizer: Optimizer | None = None,
    batch_size: int = 64,
    seed: int = 0,
    resamples: int = 500,
    gradient_examples: int = 1000,
    on_progress: OnProgress = lambda doing, done: None,
) -> RiskMap:
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
        model: what is trained: any `Model` with at least two blocks, which cover its parameters.
        data: the examples; give none on which the final evaluation is made.
        matrix: who is a member of what: for every example at least 3 models with and without it.
        defence: the objective L_D.
        epochs: the epochs of either fleet.
        early: the epochs behind the early checkpoint, below `epochs`.
        retrain: the epochs for which a region is trained alone; 0 leaves this out, which is what
            takes longest in a network with many blocks.
        optimizer: an `SGD`, an optax transform, or a function from the number of steps of a
            phase's schedule to one; None is `SGD()`.
        batch_size: the members in a step.
        seed: what all keys derive from.
        resamples: the number of bootstrap resamples behind every interval.
        gradient_examples: of how many examples, at most, the gradients are looked at.
        on_progress: is told what is done, and the share of the work that is behind.

    Returns:
        The map.

    Raises:
        ValueError: if the model has no blocks to choose from, a number is out of range, an example
            has too few models with or without it, or a model of the plain fleet diverges.

    References:
        Fang and Kim, "Decoupling Generalizability and Membership Privacy Risks in Neural Networks",
        arXiv 2602.02296, for the observation. How it is made here is our reconstruction. On
        rewinding layers: Zhang, Bengio and Singer, "Are All Layers Created Equal?", JMLR 23, 2022.
    """
    at_least(0, retrain=retrain)
    at_least(1, early=early, resamples=resamples, gradient_examples=gradient_examples)
    at_least(2, epochs=epochs)
    if early >= epochs:
        raise Refused(f"early must lie below the {epochs} epochs of the training, got {early}")
    _check(model, data, matrix)
    members = member_indices(matrix)
    check_members(undefended(epochs), members.shape[1], batch_size)
    spec = RiskMapSpec(
        model=model,
        data=data,
        members=members,
        epochs=epochs,
        early=early,
        retrain=retrain,
        defence=defence,
        optimizer=phase_optimizer(optimizer),
        batch_size=batch_size,
        seed=seed,
    )
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(matrix.shape[1])[:gradient_examples])
    return _measured(spec, survey(spec, rows, on_progress), matrix, rows, resamples)


def _measured(
    spec: RiskMapSpec,
    seen: Survey,
    matrix: Bool[np.ndarray, "models examples"],
    rows: Int[np.ndarray, " rows"],
    resamples: int,
) -> RiskMap:
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
    weights = _weights(spec.model, spec.data)
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


def _weights(model: Model, data: Arrays) -> dict[str, int]:
    """The number of single weights of each block."""
    params = model.shapes(data.batch_shape()).params
    found = sizes(block_regions(model), params)
    return {name: size.parameters for name, size in found.items()}


def check_task(task: Task) -> None:
    """Refuses a task that a risk map does not know how to weigh.

    Raises:
        ValueError: if it has no classes.
    """
    if not task.classes:
        raise Refused(f"a risk map weighs attacks against accuracy, and {task.name} has none")


def _check(model: Model, data: Arrays, matrix: Bool[np.ndarray, "models examples"]) -> None:
    check_task(model.task)
    names = [block.name for block in model.blocks]
    if len(names) < 2:
        raise Refused(
            f"a risk map compares the blocks of a model, and this one has {len(names)}: "
            "give Model(..., blocks=...) at least two, in forward order"
        )
    _weights(model, data)  # refuses blocks that do not cover the parameters
    if matrix.ndim != 2 or matrix.dtype != bool or matrix.shape[1] != len(data.y):
        raise Refused(
            f"matrix must hold truth values of shape (models, {len(data.y)}), one an example; "
            f"got {matrix.dtype} of shape {matrix.shape}"
        )
    for kind, counts in (("with", matrix.sum(axis=0)), ("without", (~matrix).sum(axis=0))):
        if counts.min() < _LEAST:
            raise Refused(
                f"every example needs at least {_LEAST} models trained {kind} it, and some example "
                f"has {counts.min()}: take a balanced matrix of at least {2 * _LEAST} models"
            )
