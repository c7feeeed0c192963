"""The protocol of regions that transforms use."""

from typing import Protocol

from jaxtyping import PyTree


class Regions(Protocol):
    """The protocol: which weights of a tree belong to which region."""

    @property
    def names(self) -> tuple[str, ...]:
        """The labels of the regions."""
        ...

    def mask(self, tree: PyTree, *labels: str) -> PyTree:
        """The tree of `tree` with True, False or an array of both for each leaf."""
        ...
