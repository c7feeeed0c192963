"""The signals of a study's language models on altered and prefixed texts."""

from typing import TYPE_CHECKING

from pptp_jax.data import Bytes, Dataset
from pptp_jax.signals import (
    BASE_DIVERGENCE,
    BASE_TOKEN_LOG_PROB,
    COMPRESSED_LENGTH,
    lowered_signal,
    neighbour_signal,
    prefixed_signals,
)
from pptp_jax.signals.altered_text import Lowering
from pptp_jax.study.tokenizer import tokenizer_of
from pptp_jax.tasks import Language, Signal

if TYPE_CHECKING:
    from pptp_jax.study.config import Study


def text_probes(study: "Study", data: Dataset) -> list[Signal]:
    """The text signals that the study's models permit; none for models of another task.

    Without reference examples there are no non-member prefixes, and without a tokenizer that knows
    the text there is no lower case of tokens that are more than bytes.

    Args:
        study: the study.
        data: its examples.
    """
    if data.vocabulary is None or not isinstance(study.model.task, Language):
        return []
    own = study.probes
    found = [
        COMPRESSED_LENGTH,
        BASE_TOKEN_LOG_PROB,
        BASE_DIVERGENCE,
        neighbour_signal(neighbours=own.neighbours, share=own.neighbour_share),
    ]
    if study.reference:
        found += prefixed_signals(prefixes=own.prefixes)
    known = data.vocabulary <= Bytes().vocabulary
    tokenizer = Bytes() if known else tokenizer_of(study.data, data.vocabulary)
    if isinstance(tokenizer, Lowering):
        found.append(lowered_signal(tokenizer))
    return found
