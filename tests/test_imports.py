"""What a package loads: attacks and transforms serve those who have neither flax nor orbax."""

import subprocess
import sys

import pytest

HEAVY = ("flax", "orbax", "tensorflow", "tensorflow_datasets", "sklearn", "matplotlib", "rich")


@pytest.mark.parametrize("package", ["attacks", "metrics", "regions", "signals", "transforms"])
def test_a_package_of_arrays_loads_no_framework(package: str) -> None:
    code = f"import sys, pptp_jax.{package}; print([p for p in {HEAVY} if p in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_networks_of_linen_are_there_when_they_are_used() -> None:
    code = (
        "import sys\n"
        "from pptp_jax import models\n"
        "before = 'flax' in sys.modules\n"
        "found = [getattr(models, name) for name in models.__all__]\n"
        "print(before, 'flax' in sys.modules, all(callable(f) or f for f in found))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True"]
    with pytest.raises(AttributeError, match="no attribute 'resnet19'"):
        from pptp_jax import models

        _ = models.resnet19
