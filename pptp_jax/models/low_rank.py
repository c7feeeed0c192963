"""Low-rank adapters: which kernels of a tree have one, and the product that it adds."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.models.model import Variables
from pptp_jax.regions import paths
from pptp_jax.regions.rules import Matcher, matches, text
from pptp_jax.validation import Refused

# The last names of leaves that are no kernels, however many axes they have.
_NO_KERNELS = ("bias", "scale")


class Adapter(NamedTuple):
    """Two thin matrices beside a kernel.

    Attributes:
        kernel: the kernel's path.
        shape: its shape.
        cut: how many of its axes are rows of the matrix that it is taken for; the others are
            columns.
        rank: the columns of `lora_a`, and the rows of `lora_b`.
    """

    kernel: str
    shape: tuple[int, ...]
    cut: int
    rank: int

    @property
    def home(self) -> str:
        """The beginning of the paths of its two leaves."""
        way, _, name = self.kernel.rpartition("/")
        beside = way if name in ("kernel", "weight") else self.kernel
        return f"{beside}/" if beside else ""

    @property
    def sides(self) -> tuple[int, int]:
        """The rows and columns of the matrix."""
        return math.prod(self.shape[: self.cut]), math.prod(self.shape[self.cut :])

    def begin(self, drawn: Float[Array, " numbers"], dtype: Any) -> dict[str, Array]:
        """The initial leaves: `lora_a` uniform, `lora_b` zero.

        Args:
            drawn: uniform numbers from -1 to 1, as many as `lora_a` has.
            dtype: the kernel's.
        """
        rows, columns = self.sides
        a = (drawn / math.sqrt(rows)).astype(dtype).reshape(rows, self.rank)
        b = jnp.zeros((self.rank, columns), dtype)
        return {f"{self.home}lora_a": a, f"{self.home}lora_b": b}

    def product(self, leaves: Mapping[str, Array]) -> Float[Array, "..."]:
        """The product of its leaves, which joins the kernel up to the scale.

        Raises:
            ValueError: if a leaf is missing or of another shape.
        """
        (rows, columns), found = self.sides, []
        for name, shape in (("lora_a", (rows, self.rank)), ("lora_b", (self.rank, columns))):
            leaf = leaves.get(self.home + name)
            if leaf is None or leaf.shape != shape:
                got = "there is none" if leaf is None else f"it has shape {leaf.shape}"
                raise Refused(
                    f"{self.home}{name} must be a leaf of shape {shape}, and {got}: give the "
                    "variables of one adapted model"
                )
            found.append(leaf)
        a, b = found
        return (a @ b).reshape(self.shape)


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["variables", "shared"],
    meta_fields=["adapters", "full", "scale"],
)
@dataclass(frozen=True)
class Base:
    """The frozen values that adapters stand beside: `Model.shared` of an adapted model.

    Attributes:
        variables: those of the plain model.
        shared: what the plain model itself shares.
        adapters: what stands beside which kernel.
        full: the paths of the parameters that are trained in full.
        scale: what the product of two adapters is multiplied by.
    """

    variables: Variables
    shared: Any
    adapters: tuple[Adapter, ...]
    full: tuple[str, ...]
    scale: float

    def begin(self, key: Any) -> Any:
        """The initial trained parameters, a nested dict."""
        known = by_path(self.variables.params)
        begun = {path: known[path] for path in self.full}
        # One draw for all: compilers take a second or so for each generator, and there are hundreds
        # of adapters in a language model.
        ends = list(accumulate(adapter.sides[0] * adapter.rank for adapter in self.adapters))
        drawn = jax.random.uniform(key, (ends[-1],), jnp.float32, -1.0, 1.0)
        for adapter, start, end in zip(self.adapters, [0, *ends], ends, strict=False):
            begun |= adapter.begin(drawn[start:end], known[adapter.kernel].dtype)
        return _nested(begun)

    def merged(self, params: Any) -> Any:
        """The parameters of the plain model that compute what the adapted model computes.

        Args:
            params: what is trained of one model.
        """
        trained, leaves = by_path(params), by_path(self.variables.params)
        for adapter in self.adapters:
            leaves[adapter.kernel] += self.scale * adapter.product(trained)
        leaves |= {path: trained[path] for path in self.full}
        return jax.tree.unflatten(jax.tree.structure(self.variables.params), leaves.values())


def place_adapters(
    params: Any, rank: int, targets: Iterable[Matcher], full: Sequence[Matcher]
) -> tuple[tuple[Adapter, ...], tuple[str, ...]]:
    """The adapters beside the kernels that rules name, and the parameters trained in full.

    Args:
        params: the parameters of the plain model.
        rank: that of the adapters.
        targets: the rules of kernels; what they name besides kernels is left alone.
        full: the rules of what is trained in full, kernels included.

    Raises:
        ValueError: if a rule names nothing, or a kernel has fewer rows or columns than the rank.
    """
    leaves = by_path(params)
    in_full = _named(leaves, full, "full")
    kernels = {path: leaf for path, leaf in leaves.items() if _is_kernel(path, leaf)}
    chosen = _named(kernels, targets, "targets")
    adapters = [
        Adapter(path, kernels[path].shape, _cut(kernels[path].shape), rank)
        for path in chosen
        if path not in in_full
    ]
    for adapter in adapters:
        if rank > min(adapter.sides):
            rows, columns = adapter.sides
            raise Refused(
                f"rank must be at most the rows and columns of each kernel; {adapter.kernel} has "
                f"{rows}×{columns}, got {rank}: take a smaller rank or leave it out of targets"
            )
    if not adapters:
        raise Refused("lora needs at least one kernel that is not trained in full, got none")
    return tuple(adapters), tuple(in_full)


def usual_target(path: str, leaf: Any) -> bool:
    """Whether a kernel gets an adapter by default: embeddings and heads do not."""
    parts = path.split("/")
    return not any("embed" in part or part == "head" or part.endswith("_head") for part in parts)


def by_path(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by their paths, in their order."""
    return dict(zip(paths(tree), jax.tree.leaves(tree), strict=True))


def _is_kernel(path: str, leaf: Any) -> bool:
    _, _, name = path.rpartition("/")
    return leaf.ndim > 1 and name not in _NO_KERNELS and jnp.issubdtype(leaf.dtype, jnp.floating)


def _cut(shape: tuple[int, ...]) -> int:
    """The cut of a kernel's axes in two that gives the adapters the fewest weights."""
    sums = {cut: math.prod(shape[:cut]) + math.prod(shape[cut:]) for cut in range(1, len(shape))}
    return min(reversed(sums), key=sums.__getitem__)


def _named(leaves: Mapping[str, Any], rules: Iterable[Matcher], argument: str) -> list[str]:
    """The paths that some rules name.

    Raises:
        ValueError: if a rule names none of them.
    """
    found: set[str] = set()
    for rule in rules:
        own = {path for path, leaf in leaves.items() if matches(rule, path, leaf)}
        if not own:
            raise Refused(f"the rule {text(rule)} of {argument} names none of {', '.join(leaves)}")
        found |= own
    return [path for path in leaves if path in found]


def _nested(leaves: Mapping[str, Any]) -> Any:
    tree: dict[str, Any] = {}
    for path, leaf in leaves.items():
        *way, last = path.split("/")
        home = tree
        for name in way:
            home = home.setdefault(name, {})
        home[last] = leaf
    return tree
