"""What is left of a fleet once its models are gone: its signals, as they lie in its stores."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from pptp_jax.signals import SignalStore
from pptp_jax.study.probing import PROBED


class Fleet(NamedTuple):
    """What is left of a fleet once its models are gone.

    Attributes:
        confidence: φ.
        correct: whether the prediction is the label.
        loss: the mean cross-entropy over the batches of each epoch; without epochs on the way.
        finite: whether the model stayed finite.
        gradient_norms: the norm of each block's gradient, for white-box attacks; without blocks
            where nobody asked.
        feature_margins: by how much each block's features speak for the label, likewise; without
            blocks also where the model does not let its features be seen.
        logits: what the models answer; None on the way, where they are not kept.
        probed: what was taken by `probes` for the study's attacks, by name; empty on the way.
        robust: how often the labels of some non-members are right where inputs are disturbed; None
            where nobody asked, and on the way.
    """

    confidence: Float[np.ndarray, "models queries examples"]
    correct: Bool[np.ndarray, "models examples"]
    loss: Float[np.ndarray, "models epochs"]
    finite: Bool[np.ndarray, " models"]
    gradient_norms: Float[np.ndarray, "models blocks examples"]
    feature_margins: Float[np.ndarray, "models blocks examples"]
    logits: Float[np.ndarray, "models queries examples classes"] | None = None
    probed: Mapping[str, Float[np.ndarray, "models examples"]] = MappingProxyType({})
    robust: Float[np.ndarray, "models trials rows"] | None = None


@dataclass(frozen=True)
class Kept(Mapping[int, Fleet]):
    """A fleet by the epochs behind it: on the way and, last, at the end.

    Its arrays are mapped into memory when it is asked for: a study may have more stops than fit.

    Attributes:
        stores: where the signals lie.
    """

    stores: Mapping[int, SignalStore]

    def __getitem__(self, epochs: int) -> Fleet:
        """The fleet after so many epochs."""
        return _read(self.stores[epochs])

    def __iter__(self) -> Iterator[int]:
        """The epochs, in order."""
        return iter(self.stores)

    def __len__(self) -> int:
        """The number of stops, the end among them."""
        return len(self.stores)

    @property
    def end(self) -> SignalStore:
        """The store of the finished models."""
        return [*self.stores.values()][-1]


def _read(store: SignalStore) -> Fleet:
    parts, models = store.layout.parts, store.layout.models
    unseen = np.zeros((models, 0, store.layout.examples), np.float32)
    return Fleet(
        confidence=store.read("confidence"),
        correct=np.array(store.read("correct")),
        loss=np.array(store.read("loss")) if "loss" in parts else unseen[..., 0],
        finite=np.array(store.read("finite")),
        gradient_norms=store.read("gradient_norms") if "gradient_norms" in parts else unseen,
        feature_margins=store.read("feature_margins") if "feature_margins" in parts else unseen,
        logits=store.read("logits") if "logits" in parts else None,
        probed={name: store.read(name) for name in PROBED if name in parts},
        robust=store.read("robust") if "robust" in parts else None,
    )
