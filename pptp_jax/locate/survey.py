"""The signals behind a risk map: of its fleets, and of every modification of each region."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.locate.candidates import Region, candidates
from pptp_jax.locate.fleets import retrained, train_fleets
from pptp_jax.locate.measures import Seen
from pptp_jax.locate.result import MODIFICATIONS, Modification
from pptp_jax.locate.spec import RiskMapSpec
from pptp_jax.locate.weight_swaps import signals_after_exchange
from pptp_jax.models import Variables
from pptp_jax.signals import gradient_norms
from pptp_jax.training import Progress, chunks, fitting_chunk

OnProgress = Callable[[str, float], None]


class Survey(NamedTuple):
    """The signals of all models on all examples, under every modification.

    Attributes:
        undefended: the signals of the plain fleet.
        defended: those of the defended fleet.
        modified: those of the plain fleet with one region modified.
        norms: the gradient norms of the plain fleet.
    """

    undefended: Seen
    defended: Seen
    modified: dict[tuple[Modification, Region], Seen]
    norms: Float[np.ndarray, "blocks models rows"]


def survey(spec: RiskMapSpec, on_progress: OnProgress) -> Survey:
    """Trains the fleets group by group, and takes the signals of every modification.

    Args:
        spec: what is trained, and how.
        on_progress: receives what is done, and the share of the work that is behind.
    """
    models = len(spec.members)
    # Five fleets are in memory where training alone has one.
    size = fitting_chunk(spec.model, spec.data, spec.batch_size, models)
    groups = chunks(models, max(1, size // 2))
    steps = _Steps(spec, len(groups), on_progress)
    parts = [_of_group(spec, group, steps) for group in groups]

    def joined(*seen: Seen) -> Seen:
        confidence, utility = (np.concatenate(part) for part in list(zip(*seen, strict=True))[:2])
        rows = [own.log_prob for own in seen if own.log_prob is not None]
        return Seen(confidence, utility, np.concatenate(rows) if rows else None)

    undefended, defended, modified, norms = zip(*parts, strict=True)
    return Survey(
        joined(*undefended),
        joined(*defended),
        {key: joined(*(part[key] for part in modified)) for key in modified[0]},
        np.concatenate(norms, axis=1),
    )


class _Steps:
    """The work in steps: an epoch of a group is one, and so is a look at a group."""

    def __init__(self, spec: RiskMapSpec, groups: int, on_progress: OnProgress) -> None:
        regions = len(candidates([block.name for block in spec.model.blocks]))
        looks = 3 + spec.ways * regions
        of_group = 2 * spec.epochs + regions * spec.retrain + looks
        self._total = groups * of_group
        self._done = 0
        self._on_progress = on_progress

    def __call__(self, doing: str) -> None:
        self._done += 1
        self._on_progress(doing, self._done / self._total)

    def training(self, what: str) -> Callable[[Progress], None]:
        return lambda now: self(f"{what}: loss {now.loss:.3f}")


def _of_group(spec: RiskMapSpec, group: tuple[int, ...], steps: _Steps) -> Survey:
    model, data = spec.model, spec.data
    order = [block.name for block in model.blocks]
    fleets = train_fleets(spec, group, steps.training("training"))
    batches = _batches(spec, group)

    def look(fleet: Variables, donors: Variables, chosen: Bool[Array, " blocks"]) -> Seen:
        signals = signals_after_exchange(model, fleet, donors.params, chosen, data, batches)
        steps("taking signals")
        return Seen(*map(np.asarray, signals))

    nothing = jnp.zeros(len(order), bool)
    donors = {"rewind": fleets.initial, "rewind_early": fleets.early, "graft": fleets.defended}
    modified: dict[tuple[Modification, Region], Seen] = {}
    for region in candidates(order):
        chosen = jnp.array([name in region for name in order])
        for name in MODIFICATIONS[: spec.ways]:
            if name == "retrain":
                report = steps.training(f"retraining {'+'.join(region)}")
                found = retrained(spec, group, fleets, chosen, report)
                modified[name, region] = look(found, found, nothing)
            else:
                modified[name, region] = look(fleets.trained, donors[name], chosen)
    norms = np.asarray(gradient_norms(model, fleets.trained, data, jnp.asarray(spec.rows)))
    steps("taking gradients")
    return Survey(
        look(fleets.trained, fleets.trained, nothing),
        look(fleets.defended, fleets.defended, nothing),
        modified,
        norms,
    )


def _batches(spec: RiskMapSpec, group: tuple[int, ...]) -> Int[Array, "models batches batch"]:
    """Each model's members in a random order, cut into batches, for the statistics."""
    rng = np.random.default_rng(spec.seed)
    shuffled = rng.permuted(spec.members, axis=1)[list(group)]
    whole = shuffled.shape[1] // spec.batch_size * spec.batch_size
    return jnp.asarray(shuffled[:, :whole].reshape(len(group), -1, spec.batch_size))
