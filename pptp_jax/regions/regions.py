"""What a transform asks of regions."""

from typing import Protocol

from jaxtyping import PyTree


class Regions(Protocol):
    """Anything that says which weights of a tree belong to which region."""

    @property
    def names(self) -> tuple[str, ...]:
        """The labels of the regions."""
        ...

    def mask(self, tree: PyTree, *labels: str) -> PyTree:
        """The tree of `tree` with True, False or an array of both for each leaf."""
        ...
