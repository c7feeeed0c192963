"""Data: one way in for every source, and who is a member of what."""

from pptp_jax.data.dataset import Dataset
from pptp_jax.data.digits import Digits
from pptp_jax.data.membership import Membership, balanced, member_indices, quarters
from pptp_jax.data.npz import Npz
from pptp_jax.data.sample import sample
from pptp_jax.data.source import Source
from pptp_jax.data.tfds import Tfds

__all__ = [
    "Dataset",
    "Digits",
    "Membership",
    "Npz",
    "Source",
    "Tfds",
    "balanced",
    "member_indices",
    "quarters",
    "sample",
]
