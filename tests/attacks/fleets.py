"""Synthetic fleets: signals of models with a known effect of membership."""

from typing import NamedTuple

import numpy as np
from scipy.special import expit, log_expit, logsumexp

from pptp_jax.attacks import Evidence
from pptp_jax.data import Balanced, Membership, Quarters

CLASSES = 4


class Made(NamedTuple):
    """Signals of a made-up fleet."""

    phi: np.ndarray
    logits: np.ndarray
    labels: np.ndarray
    membership: np.ndarray
    inputs: np.ndarray

    def signals(self) -> dict[str, np.ndarray]:
        """Every signal; those that need a model are made of φ here."""
        margin = self.phi.mean(axis=1)
        # The first of two stops says something of its own; so does a student.
        early = np.float32(self.phi / 2 + np.sin(3 * self.phi))
        along = np.stack([early, self.phi], axis=1)
        metrics = [along, expit(along), expit(along / 2), np.abs(along), -along]
        return {
            "trajectory": along,
            "distilled_trajectory": along,
            "metric_trajectory": np.stack(metrics, axis=-1),
            "transferred_correct": margin[:, None] > np.float32([0, 2, 6])[:, None],
            "logits": self.logits,
            "confidence": self.phi,
            "gradient_norms": np.exp(-np.stack([margin, margin / 2], axis=1)),
            "input_gradient_norm": np.exp(-margin),
            "boundary_distance": np.maximum(margin, 0),
            "noisy_correct": np.round(expit(margin) * 20) / 20,
            "compressed_length": np.broadcast_to(np.float32(9 + self.labels), margin.shape),
            # A base model has seen no example: it knows each as well as its level is.
            "base_log_prob": np.broadcast_to(log_expit(self.inputs[:, 0]), margin.shape),
            # Nor has any model seen these texts.
            **{
                f"{name}_log_prob": np.broadcast_to(
                    log_expit(self.inputs[:, 0] - less), margin.shape
                )
                for name, less in (("lowered", 1), ("prefixed", 2), ("neighbour", 0.1))
            },
            **self.tokens(),
            **self.timesteps(),
            **self.samples(),
        }

    def samples(self) -> dict[str, np.ndarray]:
        """The signals of a GAN: scores, and three samples that are nearer the larger φ is."""
        margin = self.phi.mean(axis=1)
        near = np.float32(np.exp(-margin / 4))
        return {
            "discriminator_score": self.phi,
            "surrogate_score": margin / 3,
            "sample_distances": near[:, None] * np.float32([1, 1.2, 1.5])[:, None],
            "latent_distance": near / 2,
        }

    def timesteps(self) -> dict[str, np.ndarray]:
        """A denoiser's numbers at three timesteps, of which the second says most."""
        margin = self.phi.mean(axis=1)
        noise = np.stack([np.sin(9 * margin), np.zeros_like(margin), np.cos(7 * margin)], axis=1)
        errors = np.float32(np.exp(-margin[:, None] / 4 + noise))
        names = ("secmi_error", "pia_error", "pian_error", "sima_norm")
        return {
            **{name: errors ** (place + 1) for place, name in enumerate(names)},
            "denoising_error": np.stack([errors, errors], axis=1),
            "secmi_difference": np.stack([errors, errors / 2], axis=-1),
            "timestep_gradients": np.stack([errors, np.sqrt(errors)], axis=2),
        }

    def tokens(self) -> dict[str, np.ndarray]:
        """Five tokens a sequence or fewer, the more likely the larger φ is."""
        place = np.arange(5, dtype=np.float32)
        surprise = 1 + place * (self.labels[:, None] + 1) % 5
        there = np.broadcast_to(place <= self.labels[:, None] + 1, (*self.phi.shape, 5))
        log_p = -surprise * np.exp(-self.phi[..., None] / 4)
        # A base model knows every second token better than the level says, the others worse.
        known = self.inputs[:, :1] + 4 * (-1) ** place
        moved = np.abs(self.phi.mean(axis=1)[..., None] - known)
        return {
            "token_first": there & (place == 2),
            "base_token_log_prob": np.broadcast_to(
                np.where(there[0, 0], -surprise * np.exp(-known / 4), 0), moved.shape
            ),
            "base_divergence": np.where(there[:, 0], moved / 10, 0),
            "token_log_prob": np.where(there, log_p, 0),
            "token_mean": np.where(there, -np.float32(1.5), 0),
            "token_deviation": np.where(there, 0.5 + place, 0),
            "token_present": there,
        }

    def held(self, targets=None, shadows=None, signals=None, **more) -> Evidence:
        arrays = {"labels": self.labels, "inputs": self.inputs}
        arrays["nonmembers"] = np.arange(len(self.labels)) % 4 == 0
        signals = self.signals() if signals is None else signals
        return Evidence.split(signals, self.membership, targets, shadows, **arrays | more)

    def with_phi(self, phi: np.ndarray) -> "Made":
        """The same fleet with other confidences."""
        return made_of(np.float32(phi), self.logits, self.labels, self.membership, self.inputs)

    def taken(self, models=slice(None), examples=slice(None)) -> "Made":
        """Some models, some examples, in some order."""
        return Made(
            self.phi[models][:, :, examples],
            self.logits[models][:, :, examples],
            self.labels[examples],
            self.membership[models][:, examples],
            self.inputs[examples],
        )


def made_of(phi, logits, labels, membership, inputs) -> Made:
    """The logits of the wrong classes as they are, that of the label so that φ comes out."""
    logits = np.float64(logits).copy()
    own = np.arange(len(labels))
    logits[:, :, own, labels] = -np.inf
    logits[:, :, own, labels] = phi + logsumexp(logits, axis=-1)
    return Made(phi, np.float32(logits), labels, membership, inputs)


def fleet(
    models: int,
    examples: int,
    queries: int = 1,
    gap: float = 1.0,
    seed: int = 0,
    membership: np.ndarray | None = None,
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
    inputs = np.stack([level[0].mean(axis=0), rng.normal(size=examples)], axis=1)
    return made_of(phi, logits, labels, membership, np.float32(inputs))


def shuffled(membership: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same numbers of members, of others."""
    return rng.permuted(membership, axis=1)


def quarters(shadows: int, examples: int, targets: int = 4, seed: int = 0) -> Membership:
    return Quarters(targets=targets, shadows=shadows).draw(examples, seed)
