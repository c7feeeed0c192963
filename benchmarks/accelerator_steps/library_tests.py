"""Do the library's device tests pass on this device?"""

from collections import Counter
from typing import Any

from accelerator_steps.recorder import Recorder, Setting, needs

# Convolutions, precisions, strategies, meshes and memory: what a device can change.
FILES = (
    "tests/models/test_convolution.py",
    "tests/models/test_precision.py",
    "tests/training/test_strategy.py",
    "tests/training/test_mesh.py",
    "tests/training/test_memory.py",
    "tests/training/test_autotune.py",
    "tests/study/test_single_precision.py",
)
REHEARSED = ("tests/training/test_strategy.py::test_one_after_another_needs_less_memory",)
# One process, and what a newer library warns of is no failure of the device.
OPTIONS = ("-q", "-p", "no:xdist", "-o", "addopts=", "-o", "filterwarnings=default")
# As many as the tests simulate on a CPU.
DEVICES = 8


class Counted:
    """A plugin of pytest that counts outcomes by file, and stops when the time is over."""

    def __init__(self, show: Recorder) -> None:
        self._show, self._counts = show, Counter[str]()

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Counts calls, and what failed around them or kept a test from being called."""
        if report.when == "call" or not report.passed:
            self._counts[report.outcome] += 1
        if report.failed:
            self._show.note(f"{report.nodeid}: {str(report.longrepr).splitlines()[-1][:200]}")

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        """Leaves out the tests that need more devices than there are."""
        import jax  # now configured by the tests

        count = jax.device_count()
        left_out = [item for item in items if needed(item) > count]
        items[:] = [item for item in items if needed(item) <= count]
        config.hook.pytest_deselected(items=left_out)
        self._counts["left out, they need more devices"] = len(left_out)

    def pytest_collectreport(self, report: Any) -> None:
        """Counts a file that cannot be imported as failed."""
        if report.failed:
            self._counts["failed"] += 1
            self._show.note(f"{report.nodeid}: {str(report.longrepr).splitlines()[-1][:200]}")

    def pytest_runtest_logfinish(self, nodeid: str, location: Any) -> None:
        """Stops after a test behind which no time is left."""
        if self._show.left < 0:
            import pytest

            pytest.exit("no time is left", returncode=0)

    def rows(self, name: str) -> None:
        """Shows what was counted."""
        for outcome, count in ({"passed": 0, "failed": 0} | self._counts).items():
            self._show(f"{name}: {outcome}", count, "tests")


def needed(item: Any) -> int:
    """How many devices a test needs: those of its strategy, or as its name says."""
    given = getattr(item, "callspec", None)
    strategies = [
        one for one in (given.params if given else {}).values() if hasattr(one, "devices")
    ]
    if strategies:
        return max(one.devices * one.data_devices for one in strategies)
    spread = "devices" in item.originalname or "test_mesh" in item.nodeid
    return DEVICES if spread else 1


def measure(show: Recorder, setting: Setting) -> None:
    """File by file, so that one that hangs costs the others nothing."""
    needs("pytest", "hypothesis", "chex", "sklearn")
    import jax
    import pytest

    # Tests compare with twins in float32; in TF32 they would fail by rounding alone.
    jax.config.update("jax_default_matmul_precision", "highest")
    for file in REHEARSED if setting.rehearse else FILES:
        if show.left < 0:
            show.note(f"{file}: left out, no time")
            continue
        counted = Counted(show)
        code = pytest.main([*OPTIONS, file], plugins=[counted])
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            show.note(f"{file}: pytest ended with {code!r}")
        counted.rows(file)
