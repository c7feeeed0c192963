"""The stored signals of a fleet."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from pptp_jax.signals import TRAJECTORIES, SignalStore


@dataclass(frozen=True)
class _Mapped(Mapping[str, Shaped[np.ndarray, "models ..."]]):
    """The arrays of a store, mapped into memory when they are requested."""

    store: SignalStore

    def __getitem__(self, name: str) -> Shaped[np.ndarray, "models ..."]:
        if name not in self.store.layout.parts:
            raise KeyError(name)
        return self.store.read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.store.layout.parts)

    def __len__(self) -> int:
        return len(self.store.layout.parts)


@dataclass(frozen=True)
class _Along(Mapping[str, Shaped[np.ndarray, "models ..."]]):
    """The arrays of the last of some stops, and of signals along all of them."""

    stops: Sequence[_Mapped]

    def __getitem__(self, name: str) -> Shaped[np.ndarray, "models ..."]:
        if name in self._along:
            return np.stack([stop[self._along[name]] for stop in self.stops], axis=1)
        return self.stops[-1][name]

    def __iter__(self) -> Iterator[str]:
        yield from self.stops[-1]
        yield from self._along

    def __len__(self) -> int:
        return len(self.stops[-1]) + len(self._along)

    @property
    def _along(self) -> dict[str, str]:
        """The parts of each signal along the stops; a single stop has none."""
        return {
            signal.name: signal.along
            for signal in TRAJECTORIES
            if signal.along is not None
            and len(self.stops) > 1
            and all(signal.along in stop.store.layout.parts for stop in self.stops)
        }


@dataclass(frozen=True)
class FleetSignals(Mapping[str, Shaped[np.ndarray, "models ..."]]):
    """The signals of a fleet after some epochs, by name.

    Attributes:
        arrays: the signals; `confidence`, `utility` and `finite` are always there.

    Examples:
        >>> seen = FleetSignals({"finite": np.array([True, False]), "utility": np.ones((2, 3))})
        >>> seen.finite.sum(), "logits" in seen, seen.loss.shape
        (np.int64(1), False, (2, 0))
    """

    arrays: Mapping[str, Shaped[np.ndarray, "models ..."]]

    def __getitem__(self, name: str) -> Shaped[np.ndarray, "models ..."]:
        """A signal of all models."""
        return self.arrays[name]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self.arrays)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.arrays)

    @property
    def finite(self) -> Bool[np.ndarray, " models"]:
        """Which models stayed finite; the others diverged."""
        return np.array(self["finite"])

    @property
    def utility(self) -> Shaped[np.ndarray, "models examples"]:
        """The utility of each model's answer on each example."""
        return np.array(self["utility"])

    @property
    def confidence(self) -> Float[np.ndarray, "models queries examples"]:
        """The confidence φ of each model in each example."""
        return self["confidence"]

    @property
    def loss(self) -> Float[np.ndarray, "models epochs"]:
        """The mean loss over the batches of each epoch; without epochs on the way."""
        return np.array(self["loss"]) if "loss" in self else np.zeros((len(self.finite), 0))


@dataclass(frozen=True)
class StoredFleet(Mapping[int, FleetSignals]):
    """The stored signals of a fleet by epoch: at each stop and, last, at the end.

    Attributes:
        stores: where the signals lie.
    """

    stores: Mapping[int, SignalStore]

    def __getitem__(self, epochs: int) -> FleetSignals:
        """The fleet after a number of epochs, with its signals along the stops until then."""
        reached = [_Mapped(store) for stop, store in self.stores.items() if stop <= epochs]
        if epochs not in self.stores:
            raise KeyError(epochs)
        return FleetSignals(_Along(reached))

    def __iter__(self) -> Iterator[int]:
        """The epochs, in order."""
        return iter(self.stores)

    def __len__(self) -> int:
        """The number of stops, the end among them."""
        return len(self.stores)

    @property
    def end(self) -> FleetSignals:
        """The finished models."""
        return self[max(self.stores)]
