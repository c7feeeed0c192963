"""Trained values by name, in memory and in files."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pptp_jax.models.model import Variables
from pptp_jax.regions import Block, paths
from pptp_jax.storage.files import read_arrays, write_arrays
from pptp_jax.validation import Refused


def named(variables: Variables) -> dict[str, Any]:
    """The leaves, in their order, by names that begin as those of Linen's own variables do.

    Examples:
        >>> named(Variables({"stem": {"bias": 1.0}}, {"batch_stats": {"stem": {"mean": 2.0}}}))
        {'params/stem/bias': 1.0, 'batch_stats/stem/mean': 2.0}
    """
    params, state = variables
    # A state that is no dict of collections has no name of its own.
    homes = [{"params": params}, state if isinstance(state, Mapping) else {"state": state}]
    return {
        name: leaf
        for home in homes
        for name, leaf in zip(paths(home), jax.tree.leaves(home), strict=True)
    }


def belongs(name: str, blocks: Sequence[Block]) -> bool:
    """Whether a name is that of a parameter, or of a statistic, of one of some blocks.

    Examples:
        >>> belongs("batch_stats/stem/norm/mean", [Block("stem", "stem/.*")])
        True
    """
    _, _, path = name.partition("/")
    return any(re.fullmatch(block.pattern, path) for block in blocks)


def checksum(tree: Any) -> str:
    """SHA-256 of the names, types, shapes and values of a tree's leaves, in hexadecimal.

    Args:
        tree: any pytree of arrays.

    Examples:
        >>> checksum({"w": np.zeros(2)}) == checksum({"w": np.ones(2)})
        False
    """
    digest = hashlib.sha256()
    for name, leaf in zip(paths(tree), map(np.asarray, jax.tree.leaves(tree)), strict=True):
        digest.update(f"{name} {leaf.dtype.str} {leaf.shape}".encode())
        digest.update(np.ascontiguousarray(leaf).data)
    return digest.hexdigest()


def save_variables(path: str | PathLike[str], variables: Variables) -> None:
    """Writes a model's parameters and state into a `.npz` file, an array a name.

    Args:
        path: the file.
        variables: what training has made of one model.

    Examples:
        >>> import tempfile
        >>> path = f"{tempfile.mkdtemp()}/mine.npz"
        >>> save_variables(path, Variables({"stem": {"bias": np.zeros(3)}}, {}))
        >>> np.load(path).files
        ['params/stem/bias']
    """
    arrays = {name: np.asarray(leaf) for name, leaf in named(variables).items()}
    write_arrays(Path(path), arrays)


def read_variables(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a `.npz` file, or of a directory that Orbax has saved, by name.

    Args:
        path: the file, or the directory.

    Raises:
        ValueError: if there is neither, or it cannot be read.
    """
    if not path.is_dir():
        return read_arrays(path)
    import orbax.checkpoint as ocp

    try:
        with ocp.PyTreeCheckpointer() as orbax:
            saved = orbax.metadata(path.absolute()).item_metadata
            if saved is None:
                raise Refused("give the directory that has the file _METADATA")
            # As NumPy arrays, on whatever devices they were saved.
            rules = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), saved.tree)
            tree = orbax.restore(path.absolute(), restore_args=rules)
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: this is no tree that Orbax has saved: {error}") from error
    return dict(zip(paths(tree), map(np.asarray, jax.tree.leaves(tree)), strict=True))
