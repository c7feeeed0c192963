"""Llama's published weights, under the names of our own leaves."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from flax.traverse_util import unflatten_dict

from pptp_jax.models.model import Model, Variables
from pptp_jax.models.starting_from import starting_from
from pptp_jax.validation import Refused


def with_weights(
    model: Model, arrays: Mapping[str, np.ndarray], names: Mapping[str, str], path: Path
) -> Model:
    """The model, whose initial values are the arrays of a file.

    Args:
        model: what `llama` has made.
        arrays: float32 by the file's names; a matrix has the outputs first.
        names: for each of the file's names ours; `{}` in both is the number of a block, which the
            file counts from 0.
        path: the file, for errors.

    Raises:
        ValueError: if an array is none of Llama's, one is missing, or one has another shape than
            the model.
    """
    blocks = range(int(model.config["depth"]))
    ours = {
        theirs.format(block): mine.format(block + 1)
        for theirs, mine in names.items()
        for block in blocks
    }
    unknown = sorted(set(arrays) - set(ours))
    if unknown:
        more = f" and {len(unknown) - 1} more" if unknown[1:] else ""
        raise Refused(f"{path}: a plain Llama has no {unknown[0]}{more}")
    leaves = {
        tuple(ours[name].split("/")): np.ascontiguousarray(
            array.T if ours[name].endswith("/kernel") else array
        )
        for name, array in arrays.items()
    }
    started = starting_from(model, Variables(unflatten_dict(leaves), {}))
    try:
        started.shapes(np.zeros((1, 1), np.int32))
    except Refused as error:
        raise Refused(f"{path}: {error}") from error
    return started
