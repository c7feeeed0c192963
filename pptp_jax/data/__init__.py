"""Data sources, and membership: which model trains on which example."""

from pptp_jax.data.augmentation import Augmentation
from pptp_jax.data.blind_baseline import BlindBaseline, blind_baseline
from pptp_jax.data.dataset import Dataset
from pptp_jax.data.device import Arrays, absent_rows
from pptp_jax.data.digits import Digits
from pptp_jax.data.distinct import Distinct
from pptp_jax.data.division import Division, divide
from pptp_jax.data.emails import Emails
from pptp_jax.data.gguf_tokenizer import tokenizer_from_gguf
from pptp_jax.data.membership import Balanced, Membership, Pairs, Quarters, member_indices
from pptp_jax.data.near_duplicates import NearDuplicates, near_duplicates
from pptp_jax.data.npz import Npz
from pptp_jax.data.owners import ByOwner, draw_by_owner
from pptp_jax.data.sample import sample
from pptp_jax.data.scales import Scales, of_unit_scale
from pptp_jax.data.secrets import Secrets
from pptp_jax.data.shared_records import SharedRecords, shared_records
from pptp_jax.data.shrunk import Shrunk
from pptp_jax.data.source import Source, moved
from pptp_jax.data.stream import Stream
from pptp_jax.data.table import Table, TableRows
from pptp_jax.data.text import Text
from pptp_jax.data.tfds import Tfds
from pptp_jax.data.tokenizer import Bytes, Tokenizer, TokenizerFile
from pptp_jax.data.topics import Topics

__all__ = [
    "Arrays",
    "Augmentation",
    "Balanced",
    "BlindBaseline",
    "ByOwner",
    "Bytes",
    "Dataset",
    "Digits",
    "Distinct",
    "Division",
    "Emails",
    "Membership",
    "NearDuplicates",
    "Npz",
    "Pairs",
    "Quarters",
    "Scales",
    "Secrets",
    "SharedRecords",
    "Shrunk",
    "Source",
    "Stream",
    "Table",
    "TableRows",
    "Text",
    "Tfds",
    "Tokenizer",
    "TokenizerFile",
    "Topics",
    "absent_rows",
    "blind_baseline",
    "divide",
    "draw_by_owner",
    "member_indices",
    "moved",
    "near_duplicates",
    "of_unit_scale",
    "sample",
    "shared_records",
    "tokenizer_from_gguf",
]
