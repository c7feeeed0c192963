"""Synthetic fleets: what models say, made up so that the truth is known."""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from pptp_jax.attacks import Evidence
from pptp_jax.data import Balanced, Membership, Quarters

CLASSES = 4


class Made(NamedTuple):
    """Signals of a made-up fleet."""

    phi: np.ndarray
    logits: np.ndarray
    labels: np.ndarray
    membership: np.ndarray

    def signals(self) -> dict[str, np.ndarray]:
        return {"logits": self.logits, "confidence": self.phi}

    def held(self, **more) -> Evidence:
        return Evidence(
            signals=self.signals(), membership=self.membership, labels=self.labels, **more
        )

    def with_phi(self, phi: np.ndarray) -> "Made":
        """The same fleet with other confidences."""
        return made_of(np.float32(phi), self.logits, self.labels, self.membership)


def made_of(phi, logits, labels, membership) -> Made:
    """The logits of the wrong classes as they are, that of the label so that φ comes out."""
    logits = np.float64(logits).copy()
    own = np.arange(len(labels))
    logits[:, :, own, labels] = -np.inf
    logits[:, :, own, labels] = phi + logsumexp(logits, axis=-1)
    return Made(phi, np.float32(logits), labels, membership)


def fleet(
    models: int,
    examples: int,
    queries: int = 1,
    gap: float = 1.0,
    seed: int = 0,
    membership: np.ndarray | None = None,
    silent: int | None = None,
) -> Made:
    """Every example has a level of its own, members lie `gap` above it."""
    rng = np.random.default_rng(seed)
    if membership is None:
        membership = Balanced(models).draw(examples, seed).matrix
    level = rng.normal(size=(1, queries, examples)) * 2
    noise = rng.normal(size=(models, queries, examples))
    phi = np.float32(level + noise + gap * membership[:, None])
    labels = rng.integers(CLASSES, size=examples)
    logits = rng.normal(size=(models, queries, examples, CLASSES))
    if silent is not None:
        phi[silent], logits[silent] = 0.0, 0.0
    return made_of(phi, logits, labels, membership)


def shuffled(membership: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same numbers of members, of others."""
    return rng.permuted(membership, axis=1)


def quarters(shadows: int, examples: int, targets: int = 4, seed: int = 0) -> Membership:
    return Quarters(targets=targets, shadows=shadows).draw(examples, seed)
