"""Models behind `Model(init, apply)`; the only floor that knows flax."""

from pptp_jax.models.cnn import cnn
from pptp_jax.models.mlp import mlp
from pptp_jax.models.model import Model, Variables, from_linen

__all__ = ["Model", "Variables", "cnn", "from_linen", "mlp"]
