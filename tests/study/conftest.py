"""What the tests of studies share."""

from pathlib import Path

import pytest
from small_study import STUDY

from pptp_jax.study import run


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("done")
    run(STUDY, out)
    return out
