"""Federated training as plain data: the clients, and the updates of each region."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Int

from pptp_jax.data import absent_rows
from pptp_jax.pytree import pytree
from pptp_jax.training.gradient_rules import Number, Perturbation
from pptp_jax.training.optimizer import Optimizer, PhaseOptimizer, phase_optimizer
from pptp_jax.validation import Refused, at_least, given, not_negative, several

_FEDAVG = phase_optimizer(optax.sgd(1.0))


@pytree
@dataclass(frozen=True, kw_only=True)
class Federated:
    r"""A phase is trained in rounds: clients learn from their own members and send an update each.

    A round has the contract of an epoch, so the `epochs` of the phase count rounds. Client k begins
    with the server's network \(w\), trains `local_epochs` passes over its \(n_k\) members and sends
    \(\Delta_k = w_k - w\). The server steps along the mean \(\sum_k \frac{n_k}{n} \Delta_k\), by
    any optimiser: plain descent of rate 1 is FedAvg, `optax.adam` FedAdam.

    All clients take part in each round. A client keeps its optimiser's state, so a schedule spans
    all rounds; without momentum and at a constant rate that is FedAvg as published.

    The phase leaves the server's network. A region that stays at home is in it as the phase began:
    `TrainState.variables` has each client's own.

    Attributes:
        clients: K, how many there are.
        owners: whose each example of the data is, such as `Dataset.owners`; the members of an owner
            are a client's. Each model needs members of K owners, as `ByOwner` draws them. None
            deals the members out in equal parts, by their order; a smaller rest is left out.
        local_epochs: the passes of a client over its members in a round.
        server: the server's optimiser, which has a state for each region; None is FedAvg.
        proximal: the strength μ of FedProx: adds \(\frac{\mu}{2} \|w_k - w\|^2\), over the regions
            that are shared, to the objective of a client.
        home: the regions that stay on the client: personal layers, never sent.
        late: the rounds after which a region is sent, such as 5 for every fifth; clients go on with
            their own values in between.
        perturbed: what is done to a client's update of a region before it is sent. Noise is drawn
            by each client, so that on the sum it is √K times as large. It gives **no ε** as long as
            any other region is sent without.

    Raises:
        ValueError: if a number is out of range, there is no client, or a region is given two rules
            that contradict each other.

    References:
        McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data",
        AISTATS 2017, https://arxiv.org/abs/1602.05629

        Reddi et al., "Adaptive Federated Optimization", ICLR 2021,
        https://arxiv.org/abs/2003.00295

        Li et al., "Federated Optimization in Heterogeneous Networks", MLSys 2020,
        https://arxiv.org/abs/1812.06127

        Arivazhagan et al., "Federated Learning with Personalization Layers", 2019,
        https://arxiv.org/abs/1912.00818

    Examples:
        >>> Federated(clients=10, home=("protect",)).part(members=205)
        20
    """

    clients: int = jax.tree.static()
    owners: tuple[int, ...] | None = jax.tree.static(default=None)
    local_epochs: int = jax.tree.static(default=1)
    server: Optimizer | None = None
    proximal: Number | None = None
    home: tuple[str, ...] = jax.tree.static(default=())
    late: Mapping[str, int | Int[Array, ""]] | None = None
    perturbed: Mapping[str, Perturbation] | None = None

    def __post_init__(self) -> None:
        at_least(1, clients=self.clients, local_epochs=self.local_epochs)
        several(home=self.home)
        not_negative(**given(proximal=self.proximal))
        if self.owners is not None:
            _, numbers = np.unique(np.asarray(self.owners), return_inverse=True)
            object.__setattr__(self, "owners", tuple(numbers.ravel().tolist()))
        if self.owners is not None and len(set(self.owners)) < self.clients:
            raise Refused(
                f"owners must be at least as many as the {self.clients} clients, one an example, "
                f"got {len(set(self.owners))} owners"
            )
        if self.server is not None:
            object.__setattr__(self, "server", phase_optimizer(self.server))
        for name, rules, one in (
            ("late", self.late, "late={'protect': 5}"),
            ("perturbed", self.perturbed, "perturbed={'protect': Perturbation(...)}"),
        ):
            if not isinstance(rules, Mapping | None):
                raise Refused(f"{name} must be a dictionary by region, as in {one}, got {rules!r}")
        for label, every in (self.late or {}).items():
            at_least(1, **{f"the rounds after which {label} is sent": every})
        for label in self.home:
            if label in (self.late or {}) or label in (self.perturbed or {}):
                raise Refused(f"the region {label} stays at home: it has no rule for sending it")

    @property
    def named(self) -> Iterator[str]:
        """The regions that it names."""
        yield from (*self.home, *(self.late or {}), *(self.perturbed or {}))

    @property
    def steps_by(self) -> PhaseOptimizer:
        """The server's optimiser, as a function of the number of rounds."""
        return _FEDAVG if self.server is None else phase_optimizer(self.server)

    @property
    def words(self) -> str:
        """Its settings as text, for the name of a recipe.

        Examples:
            >>> Federated(clients=4, home=("protect",), proximal=0.1).words
            '4 clients home protect prox 0.1'
        """
        parts = [f"{self.clients} clients"]
        if self.local_epochs > 1:
            parts.append(f"{self.local_epochs} local")
        parts += [f"home {label}" for label in self.home]
        parts += [f"late {label} {int(every)}" for label, every in (self.late or {}).items()]
        for label, rule in (self.perturbed or {}).items():
            numbers = (f"{name} {v:g}" for name, v in vars(rule).items() if v is not None)
            parts.append(f"{label} {' '.join(numbers)}")
        if self.proximal is not None:
            parts.append(f"prox {self.proximal:g}")
        return " ".join(parts)

    def part(self, members: int) -> int:
        """The number of places for members that a client has, given a model's members."""
        if self.owners is None:
            return members // self.clients
        return min(members, int(np.bincount(np.asarray(self.owners)).max()))

    def check(self, members: Int[np.ndarray, " members"]) -> None:
        """Refuses members that do not make up the clients.

        Args:
            members: the rows of a model; those of `absent_rows` belong to their owner, too.

        Raises:
            ValueError: naming both numbers.

        Examples:
            >>> Federated(clients=2, owners=[7, 7, 8, 9]).check(np.array([0, 1]))
            Traceback (most recent call last):
                ...
            pptp_jax.validation.Refused: a federation of 2 clients needs members of 2 owners, ...
        """
        if self.owners is None:
            at_least(1, **{"the members of each client": self.part(len(members))})
            return
        rows = np.where(members < 0, absent_rows(members), members)
        if rows.max(initial=0) >= len(self.owners):
            raise Refused(
                f"owners must say whose each example is: there are {len(self.owners)} of them, and "
                f"a member is row {rows.max()}"
            )
        found = len(set(np.asarray(self.owners)[rows].tolist()))
        if found != self.clients:
            raise Refused(
                f"a federation of {self.clients} clients needs members of {self.clients} owners, "
                f"got those of {found}: draw the members with ByOwner, or give clients={found}"
            )

    def check_rounds(self, rounds: int | Int[Array, ""]) -> None:
        """Refuses regions that would never be sent.

        Args:
            rounds: how many the phase has.

        Raises:
            ValueError: naming the region.

        Examples:
            >>> Federated(clients=2, late={"protect": 5}).check_rounds(3)
            Traceback (most recent call last):
                ...
            pptp_jax.validation.Refused: the region protect is sent after 5 rounds, ...
        """
        for label, every in (self.late or {}).items():
            traced = any(isinstance(one, jax.core.Tracer) for one in (every, rounds))
            if not traced and np.max(every) > np.max(rounds):
                raise Refused(
                    f"the region {label} is sent after {np.max(every)} rounds, and the phase has "
                    f"{rounds}: train longer, or keep it at home"
                )

    def rows(self, members: Int[Array, " members"]) -> Int[Array, "clients part"]:
        """The members of each client; `absent_rows` where one has fewer than there are places.

        Args:
            members: the rows of a model.

        Examples:
            >>> print(Federated(clients=2).rows(jnp.arange(5)))
            [[0 1]
             [2 3]]
            >>> print(Federated(clients=2, owners=["b", "a", "b", "b"]).rows(jnp.arange(4)))
            [[ 1 -1 -1]
             [ 0  2  3]]
        """
        part = self.part(len(members))
        if self.owners is None:
            return members[: part * self.clients].reshape(self.clients, part)
        rows = jnp.where(members < 0, absent_rows(members), members)
        owner = jnp.asarray(np.asarray(self.owners, np.int32))[rows]
        order = jnp.argsort(owner, stable=True)
        sorted_owner = owner[order]
        first = jnp.concatenate([jnp.ones(1, bool), sorted_owner[1:] != sorted_owner[:-1]])
        client = jnp.cumsum(first, dtype=jnp.int32) - 1
        place = jnp.arange(len(members), dtype=jnp.int32)
        place -= jax.lax.cummax(jnp.where(first, place, 0))
        empty = jnp.full((self.clients, part), absent_rows(0), members.dtype)
        return empty.at[client, place].set(members[order], mode="drop")
