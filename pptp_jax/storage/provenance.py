"""The provenance of results: versions and the device."""

import platform
from importlib.metadata import version
from typing import Any

from pptp_jax import __version__


def provenance(*packages: str) -> dict[str, Any]:
    """The versions of Python, of this package and of others, and the device at hand.

    Args:
        *packages: the names of the other distributions, beside JAX.

    Examples:
        >>> list(provenance("numpy")["versions"])
        ['python', 'pptp-jax', 'jax', 'jaxlib', 'numpy']
    """
    import jax  # here, so that those who only store files need no JAX

    own = {"python": platform.python_version(), "pptp-jax": __version__}
    others = {package: version(package) for package in ("jax", "jaxlib", *packages)}
    return {"versions": own | others, "device": str(jax.local_devices()[0].device_kind)}
