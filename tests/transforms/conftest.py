"""Nearly all of the time of these tests is the compiler's."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def everywhere(compile_in_haste: None) -> None:
    pass
