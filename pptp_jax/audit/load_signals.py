"""Read a user's signals, labels and membership from `.npz` files."""

from pathlib import Path
from typing import Any

import numpy as np

from pptp_jax.audit.user_signals import SIGNALS
from pptp_jax.storage.files import read_arrays
from pptp_jax.validation import Refused, one_of

BESIDE = ("membership", "labels", "inputs", "targets", "shadows", "owners")


def read_given(*paths: Path) -> dict[str, Any]:
    """The arguments of `audit_signals` from arrays in files; in which file each lies is the same.

    Args:
        *paths: `.npz` files.

    Raises:
        ValueError: naming the file and what is wrong with it, or what is in none of them.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "both.npz"
        >>> np.savez(path, losses=np.ones((2, 3)), membership=np.ones((2, 3), bool))
        >>> sorted(read_given(path))
        ['inputs', 'labels', 'membership', 'owners', 'shadows', 'signals', 'targets']
    """
    arrays: dict[str, np.ndarray] = {}
    for path in paths:
        for name, array in _read(path).items():
            if name in arrays:
                raise Refused(f"{path}: {name} is in another of the files as well")
            arrays[name] = array
    if "membership" not in arrays:
        raise Refused(f"there is no array `membership` in {' or '.join(map(str, paths))}")
    beside = {name: arrays.pop(name, None) for name in BESIDE}
    return {"signals": arrays, **beside}


def _read(path: Path) -> dict[str, np.ndarray]:
    arrays = read_arrays(path)
    for name in arrays:
        if name.startswith("arr_"):
            raise Refused(f"{path}: an array has no name: np.savez(path, logits=...)")
        try:
            one_of((*SIGNALS, *BESIDE), array=name)
        except Refused as error:
            raise Refused(f"{path}: {error}") from error
    return arrays
