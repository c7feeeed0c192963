"""LoRA: low-rank adapters beside frozen kernels, which all models of a fleet share."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from pptp_jax.models.low_rank import Base, place_adapters, usual_target
from pptp_jax.models.model import Mode, Model, Variables
from pptp_jax.models.products import full_float32
from pptp_jax.regions import Block
from pptp_jax.regions.rules import Matcher, matcher, matches, text
from pptp_jax.validation import Refused, at_least, positive

Targets = Matcher | Block | Sequence[Matcher | Block]

_PART = Block("lora", "(.*/)?lora_[ab]")


def lora(
    model: Model,
    rank: int,
    targets: Targets | None = None,
    *,
    x: Any,
    alpha: float | None = None,
    full: Targets = (),
    public: bool | None = None,
) -> Model:
    r"""The same model with frozen weights, and adapters of low rank that are trained.

    A kernel W that is a target becomes

        W + (alpha / rank) · A B,

    with a uniform A (rows, rank) and B (rank, columns) = 0. Their leaves `lora_a` and `lora_b`
    stand beside the kernel, in place of it: `stem/lora_a` for `stem/kernel`; a leaf with a name
    other than `kernel` or `weight` has them below it, `w/lora_a`. So rules on paths find them, and
    they stay in the kernel's block. A kernel of more than two axes (attention, convolution) is
    taken for the matrix that its axes make when they are cut in two where A and B have the fewest
    weights.

    The frozen weights are the model's initial values, as `starting_from` sets them. They are
    `Model.shared`: a fleet keeps them once, no checkpoint has them, and a fleet's fingerprint
    depends on their content. Running statistics belong to them: where the model has any, it
    normalises by them in training too, with nothing dropped, and its state is empty. A block in
    which nothing is trained is no block of the new model, and is not in training mode. The part
    `lora` is all adapters: a region of that name leaves out what is trained in full.

    The sum is taken in every step, so a step holds the kernels of the models that are worked on at
    the same time: of one under `Strategy(order="scan")`, of all under `order="vmap"`. Per-example
    gradients pass through gradients of kernels, example by example: for large ones take a small
    `Private(microbatch_size=...)`.

    Args:
        model: the plain model.
        rank: that of the adapters.
        targets: the kernels that get adapters: a rule on paths as in a `RegionMap` (a regular
            expression, a `Block` or a predicate), or several; leaves of one axis, biases and scales
            are passed over. None takes all kernels but those of embeddings and heads: those with a
            part of the path that has `embed` in its name, is `head` or ends with `_head`.
        x: a batch of inputs, or its shape, for which the initial values are made.
        alpha: the strength of the adapters; None is `rank`, a scale of 1.
        full: what is trained in full, such as a new head: rules likewise. It begins at the initial
            values of the base, the same for all models, and gets no adapter.
        public: whether the base has seen no example that is to stay private; see `Model.public`.

    Returns:
        The model, whose parameters are the adapters and what is trained in full. `merged` gives
        the plain model's variables.

    Raises:
        ValueError: if the rank is below 1 or above what a kernel can have, alpha is not positive,
            or a rule names nothing.

    References:
        Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022,
        https://arxiv.org/abs/2106.09685. A begins as in the authors' code, uniform within
        1/√rows.

    Examples:
        >>> from pptp_jax.models import mlp
        >>> plain, x = mlp([6, 5], num_classes=3), jnp.ones((1, 4))
        >>> adapted = lora(plain, rank=2, x=x, full="head/.*")
        >>> params, state = adapted.init(jax.random.key(0), x)
        >>> jax.tree.map(jnp.shape, params)["stage1"], sorted(params["head"])
        ({'lora_a': (6, 2), 'lora_b': (2, 5)}, ['bias', 'kernel'])
        >>> [part.name for part in adapted.parts]
        ['lora']
        >>> adapted.apply(params, state, x, train=False, key=None)[0].shape
        (1, 3)
    """
    at_least(1, rank=rank)
    if model.sees_rows:
        raise Refused("adapters are for models without tied dropout: build this one without")
    alpha = float(rank) if alpha is None else alpha
    positive(alpha=alpha)
    named = (usual_target,) if targets is None else _rules(targets)
    in_full = _rules(full)
    variables = model.init(jax.random.key(0), jax.tree.map(_zeros, x))
    adapters, own = place_adapters(variables.params, rank, named, in_full)
    base = Base(variables, model.shared, adapters, own, alpha / rank)
    homes = {path: path for path in own}
    for adapter in adapters:
        homes |= {f"{adapter.home}lora_{side}": adapter.kernel for side in "ab"}
    blocks = _blocks(model.blocks, homes)
    config = {
        "name": "lora",
        "model": dict(model.config),
        "rank": rank,
        "alpha": alpha,
        "targets": "usual" if targets is None else [text(rule) for rule in named],
        "full": [text(rule) for rule in in_full],
        "public": public,
    }
    return replace(
        _adapted(model, [block.name for block in blocks]),
        blocks=blocks,
        config=config,
        shared=base,
        public=public,
        parts=(*(part for part in model.parts if part.name != _PART.name), _PART),
    )


@full_float32
def merged(model: Model, variables: Variables) -> Variables:
    """The plain model's variables that compute what an adapted one computes, for release.

    They need neither the base nor `lora`. For stacked models take `jax.vmap`.

    Args:
        model: the adapted model, or one that wraps it.
        variables: those of one such model.

    Returns:
        The parameters, and the running statistics of the base.

    Raises:
        ValueError: if the model is not adapted, or the variables are not those of one such model.

    Examples:
        >>> from pptp_jax.models import mlp
        >>> plain, x = mlp([6], num_classes=3), jnp.ones((1, 4))
        >>> adapted = lora(plain, rank=2, x=x)
        >>> released = merged(adapted, adapted.init(jax.random.key(0), x))
        >>> jax.tree.map(jnp.shape, released.params["stem"])
        {'bias': (6,), 'kernel': (4, 6)}
    """
    base = model.shared
    if not isinstance(base, Base):
        raise Refused("only what lora(model, ...) has adapted can be merged, got another model")
    return Variables(base.merged(variables.params), base.variables.state)


def _adapted(model: Model, trained: Sequence[str]) -> Model:
    """The model as functions of what is trained and the base.

    Args:
        model: the plain model.
        trained: the names of the blocks in which something is trained.
    """

    def inner(base: Base) -> dict[str, Any]:
        return {} if _is_empty(base.shared) else {"shared": base.shared}

    def init(key: Any, x: Any, *, shared: Base) -> Variables:
        return Variables(shared.begin(key), {})

    def apply(
        params: Any, state: Any, x: Any, *, train: Mode, key: Any, shared: Base
    ) -> tuple[Any, Any]:
        frozen = shared.variables.state
        mode = False if jax.tree.leaves(frozen) else _mode(train, model, trained)
        outputs, _ = model.apply(
            shared.merged(params), frozen, x, train=mode, key=key if mode else None, **inner(shared)
        )
        return outputs, state

    def features(params: Any, state: Any, x: Any, *, shared: Base) -> tuple[Any, ...]:
        assert model.features is not None
        full = shared.merged(params), shared.variables.state
        seen = model.features(*full, x, **inner(shared))
        order = [block.name for block in model.blocks]
        return tuple(part for name, part in zip(order, seen, strict=True) if name in trained)

    looking: Any = None if model.features is None else features
    return replace(model, init=init, apply=apply, statistics=None, features=looking)


def _mode(train: Mode, model: Model, trained: Sequence[str]) -> Mode:
    """The training mode of the plain model: in blocks where nothing is trained there is none."""
    everywhere = len(trained) == len(model.blocks)
    return tuple(trained) if train is True and not everywhere else train


def _zeros(leaf: Any) -> Any:
    return jnp.zeros(leaf.shape, jax.dtypes.canonicalize_dtype(leaf.dtype))


def _is_empty(shared: Any) -> bool:
    return isinstance(shared, tuple) and not shared


def _rules(given: Targets) -> tuple[Matcher, ...]:
    one = isinstance(given, str | Block) or callable(given)
    return tuple(map(matcher, (given,) if one else given))  # type: ignore[arg-type]


def _blocks(blocks: Sequence[Block], homes: Mapping[str, str]) -> tuple[Block, ...]:
    """The blocks in which something is trained, by patterns of what is trained.

    Args:
        blocks: those of the plain model.
        homes: for each path that is trained the path in the plain model.
    """
    owned: dict[Block, list[str]] = {}
    for block in blocks:
        own = [new for new, old in homes.items() if _first(blocks, old) is block]
        if own:
            owned[block] = own
    # A pattern may name its leaves one by one.
    if all(_first(list(owned), new) is block for block, own in owned.items() for new in own):
        return tuple(owned)
    return tuple(Block(b.name, "|".join(map(re.escape, own))) for b, own in owned.items())


def _first(blocks: Sequence[Block], path: str) -> Block | None:
    return next((block for block in blocks if matches(block.pattern, path, None)), None)
