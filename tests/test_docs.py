"""The pages of docs/: every example runs and prints what it says."""

import doctest
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_example_of_a_page_runs(page):
    failures, examples = doctest.testfile(str(page), module_relative=False)
    assert examples > 0
    assert failures == 0
