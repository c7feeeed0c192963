"""What is trained stays what it was, bit for bit, while the house around it is rebuilt."""

import json

import pytest
from programs import STORED, VERSION, programs

KNOWN = json.loads(STORED.read_text())


# Every version of jax lowers to other text, so only recorded versions can be compared.
@pytest.mark.skipif(VERSION not in KNOWN, reason=f"programs.json knows no programs of {VERSION}")
def test_programs_of_the_studies_are_what_they_were() -> None:
    assert programs() == KNOWN[VERSION]
