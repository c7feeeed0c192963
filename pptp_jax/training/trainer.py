"""The two pure functions that training is made of: how a phase starts, and one epoch of it."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables
from pptp_jax.regions import RegionMap
from pptp_jax.training.averages import Averaged
from pptp_jax.training.batches import Drawing, Poisson, Shuffled, placed
from pptp_jax.training.client_round import Anchor, begin_server, federated_round
from pptp_jax.training.ensemble import answers, ensemble_answers, members_of
from pptp_jax.training.forward import outputs_shape
from pptp_jax.training.gradient_canaries import GradientCanaries
from pptp_jax.training.gradient_rules import Private
from pptp_jax.training.keys import (
    beginning_key,
    ensemble_keys,
    fork_keys,
    initial_key,
    noise_key,
    order_key,
)
from pptp_jax.training.mesh import data_devices, on_every_device
from pptp_jax.training.optimizer import PhaseOptimizer
from pptp_jax.training.phase import Phase
from pptp_jax.training.phase_transform import transform
from pptp_jax.training.restoration import taken_back
from pptp_jax.training.side_by_side import Ensemble
from pptp_jax.training.state import Memory, TrainState
from pptp_jax.training.step import Step
from pptp_jax.training.vulnerability import rewound_weights, vulnerability, vulnerable_weights


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["model", "canaries", "anchor"],
    meta_fields=["regions", "batch_size", "places"],
)
@dataclass(frozen=True)
class Trainer:
    """The training of one model under one optimiser.

    A pytree of the model's shared weights, of one structure for recipes that share a model and a
    region map: a fleet compiles `start` and `epoch` once for all phases of the same structure,
    whatever their lengths and strengths.

    Attributes:
        model: the network.
        regions: the recipe's regions; None without any.
        batch_size: the members in a step.
        places: whether members may only keep their places in batches; see `absent_rows`.
        canaries: the rows of private phases whose gradient is known; None without any.
        anchor: what draws a client back to the server's network; None for all else.
    """

    model: Model
    regions: RegionMap | None
    batch_size: int
    places: bool = False
    canaries: GradientCanaries | None = None
    anchor: Anchor | None = None

    def start(
        self,
        optimizer: PhaseOptimizer,
        phase: Phase,
        taught: Ensemble | None,
        key: Key[Array, ""],
        data: Arrays,
        members: Int[Array, " members"],
        before: Variables | None,
        earlier: tuple[Variables, ...] = (),
    ) -> TrainState:
        """The state as a phase begins: rewound where it says so, with a fresh optimiser state.

        Args:
            optimizer: makes the transform.
            phase: the rules.
            taught: the ensemble that the phase before has trained; None if it was the network.
            key: the model's own key, the same in every phase.
            data: the data set.
            members: the rows that this model may learn.
            before: what the phase before has left; None in the first phase.
            earlier: the networks that `phase.restored` takes regions from, in that order.
        """
        if phase.ensemble is not None:
            parts = members_of(phase.ensemble, members)
            begin = partial(self._begin, optimizer, phase)
            return jax.vmap(begin, in_axes=(0, None, 0, None, None))(
                ensemble_keys(key, phase.ensemble.models), data, parts, None, None
            )
        teacher = None
        if phase.needs_teacher:
            assert before is not None  # a recipe's first phase has no teacher
            rows = self._examples(phase, data, members)
            if taught is None:
                teacher = answers(self.model, before, data, rows)
            else:
                teacher = ensemble_answers(taught, self.model, before, data, rows)
        kept = None if phase.from_scratch else before
        apart = phase.clients if phase.fork is None else phase.fork
        if apart is not None:
            # All have the model's own key here: they begin with the same network.
            begun = jax.vmap(
                partial(self._begin, optimizer, phase, key, earlier=earlier),
                in_axes=(None, 0, None, None),
                axis_size=phase.networks,
            )(data, apart.rows(members), kept, None)
            return begin_server(phase, self.regions, begun)
        return self._begin(optimizer, phase, key, data, members, kept, teacher, earlier)

    def epoch(
        self,
        optimizer: PhaseOptimizer,
        phase: Phase,
        state: TrainState,
        data: Arrays,
        members: Int[Array, " members"],
        key: Key[Array, ""],
        number: Int[Array, ""],
        within: Int[Array, ""],
    ) -> tuple[TrainState, Float[Array, ""]]:
        """One pass over the phase's examples in a new order; the last, smaller batch is left out.

        Args:
            optimizer: makes the transform, given the number of steps of the schedule.
            phase: the rules.
            state: where training stands.
            data: the data set.
            members: the rows that this model may learn.
            key: the model's own key, the same in every epoch.
            number: the number of the epoch in the entire recipe, from 0; the randomness depends on
                it.
            within: the number of the epoch in its phase; the objectives depend on it.

        Returns:
            The new state and the mean cross-entropy of the epoch's batches.
        """
        if phase.clients is not None:
            given = optimizer, phase, state, data, members, key
            return federated_round(self, *given, (number, within))[:2]
        if phase.ensemble is not None or phase.fork is not None:
            if phase.ensemble is not None:
                parts = members_of(phase.ensemble, members)
                keys = ensemble_keys(key, phase.ensemble.models)
            else:
                assert phase.fork is not None
                parts, keys = phase.fork.rows(members), fork_keys(key, phase.fork.parts)
            run = partial(self._pass, optimizer, phase)
            states, losses = jax.vmap(run, in_axes=(0, None, 0, 0, None, None))(
                state, data, parts, keys, number, within
            )
            return states, losses.mean()
        rows = self._examples(phase, data, members)
        return self._pass(optimizer, phase, state, data, rows, key, number, within)

    def order(
        self, phase: Phase, key: Key[Array, ""], number: Int[Array, ""], examples: int
    ) -> Int[Array, "steps batch"]:
        """The places of an epoch's examples, a row for each step; `absent_rows` for empty places.

        Args:
            phase: the rules.
            key: the model's own key.
            number: the number of the epoch in the entire recipe.
            examples: how many there are.
        """
        drawing = self.drawing(phase, examples)
        return phase.batches.draw(order_key(key, number), examples, drawing)

    def drawing(self, phase: Phase, examples: int) -> Drawing:
        """The numbers of a phase's batches, whose places microbatches and devices can share.

        Args:
            phase: the rules.
            examples: how many there are.
        """
        rule = phase.gradient
        part = rule.microbatch_size if isinstance(rule, Private) else None
        return phase.batches.drawing(examples, self.batch_size, math.lcm(part or 1, data_devices()))

    def step(
        self,
        optimizer: PhaseOptimizer,
        phase: Phase,
        state: TrainState,
        data: Arrays,
        others: Arrays,
        steps: int | Int[Array, ""],
        within: int | Int[Array, ""],
        expected: float | None = None,
    ) -> Step:
        """The step of an epoch.

        Args:
            optimizer: makes the transform, given the number of steps of the schedule.
            phase: the rules.
            state: where training stands.
            data: where the examples of batches stand.
            others: where reference examples stand.
            steps: how many steps the epoch has.
            within: the number of the epoch in its phase.
            expected: how many examples a batch has on average; None is `batch_size`.
        """
        span, masks, blind = phase.epochs * steps, state.memory.vulnerable, self.model.task.blind
        size = self.batch_size if expected is None else expected
        tx = transform(optimizer, phase, span, self.regions, masks, size, blind)
        if self.anchor is not None:
            tx = self.anchor.pulled(tx, self.regions)
        places = self.places or isinstance(phase.batches, Poisson)
        rest = within, places, self.canaries, self.anchor is not None
        return Step(self.model, self.regions, phase, tx, data, others, *rest)

    def _begin(
        self,
        optimizer: PhaseOptimizer,
        phase: Phase,
        key: Key[Array, ""],
        data: Arrays,
        members: Int[Array, " members"],
        variables: Variables | None,
        teacher: Any,
        earlier: tuple[Variables, ...] = (),
    ) -> TrainState:
        initial = self.model.init(initial_key(key), data.inputs(slice(0, 1)))
        now = initial if variables is None else variables
        scoring, learning = jax.random.split(beginning_key(key))
        now = taken_back(phase, self.regions, now, initial, earlier)
        vulnerable = None
        if phase.rewound_weights is not None:
            rule, size = phase.rewound_weights, self.batch_size
            scores = vulnerability(rule, self.model, now, initial, data, members, scoring, size)
            vulnerable = vulnerable_weights(rule, scores, self.regions)
            if rule.rewinding:
                now = rewound_weights(vulnerable, now, initial)
        learned = {
            label: objective.init(learning, outputs_shape(self.model, now, data))
            for label, objective in phase.by_region.items()
        }
        blind = self.model.task.blind
        tx = transform(optimizer, phase, 1, self.regions, vulnerable, self.batch_size, blind)
        average = None if phase.average is None else Averaged.of(now)
        memory = Memory(learned, teacher, vulnerable, average)
        state = TrainState(now, tx.init(now.params), memory)
        return on_every_device(state)

    def _pass(
        self,
        optimizer: PhaseOptimizer,
        phase: Phase,
        state: TrainState,
        data: Arrays,
        rows: Int[Array, " examples"],
        key: Key[Array, ""],
        number: Int[Array, ""],
        within: Int[Array, ""],
    ) -> tuple[TrainState, Float[Array, ""]]:
        places, noise = self.order(phase, key, number, len(rows)), noise_key(key, number)
        memory, expected = state.memory, self.drawing(phase, len(rows)).expected
        step = self.step(optimizer, phase, state, data, data, len(places), within, expected)

        shuffled = isinstance(phase.batches, Shuffled)
        rule = phase.gradient
        norms = rule.norms(len(rows)) if isinstance(rule, Private) else None

        def one(
            state: TrainState, drawn: tuple[Int[Array, " batch"], Int[Array, ""]]
        ) -> tuple[TrainState, Float[Array, ""]]:
            own, count = drawn
            chosen = rows[own] if shuffled else placed(rows, own)
            teacher = None if memory.teacher is None else memory.teacher[own]
            kept = None if norms is None else norms[own]
            return step(state, chosen, teacher, jax.random.fold_in(noise, count), kept)

        # What no step changes stays outside of the loop.
        moving = state._replace(memory=memory._replace(teacher=None, vulnerable=None))
        moving, losses = jax.lax.scan(one, moving, (places, jnp.arange(len(places))))
        kept = moving.memory._replace(teacher=memory.teacher, vulnerable=memory.vulnerable)
        return moving._replace(memory=kept), losses.mean()

    def _examples(
        self, phase: Phase, data: Arrays, members: Int[Array, " members"]
    ) -> Int[Array, " examples"]:
        return members if phase.examples == "members" else data.reference
