"""The words for parts of decoders, and what they take with them."""

import jax
import jax.numpy as jnp
import pytest

from pptp_jax.models import Model, Variables, gpt, llama, lora
from pptp_jax.regions import Block, paths, protect
from pptp_jax.tasks import Language

TOKENS = jax.ShapeDtypeStruct((2, 4), "int32")
DECODERS = [
    gpt(11, width=8, depth=2, heads=2, context=4),
    llama(11, width=8, depth=2, heads=2, kv_heads=1, hidden=12, context=4),
]


def protected(model: Model, word: str) -> set[str]:
    params = model.shapes(TOKENS).params
    labels = protect(word, model.blocks, model.parts).labels(params)
    pairs = zip(paths(params), jax.tree.leaves(labels), strict=True)
    return {path for path, label in pairs if label == "protect"}


@pytest.mark.parametrize("model", DECODERS, ids=lambda model: model.config["name"])
def test_attention_and_mlp_are_all_kernels_of_the_blocks(model: Model) -> None:
    attention, mlp = (protected(model, word) for word in ("attention", "mlp"))
    kernels = {path for path in paths(model.shapes(TOKENS).params) if path.endswith("kernel")}
    in_blocks = {path for path in kernels if path.startswith("block")}
    assert attention and mlp and not attention & mlp
    assert {path for path in attention | mlp if path.endswith("kernel")} == in_blocks
    assert all("attention" in path for path in attention)
    assert all(path.startswith("block") for path in attention | mlp)
    assert isinstance(model.task, Language)


@pytest.mark.parametrize("model", DECODERS, ids=lambda model: model.config["name"])
def test_adapters_stay_in_their_part(model: Model) -> None:
    adapted = lora(model, rank=2, x=TOKENS)
    attention = protected(adapted, "attention")
    assert attention and all("/attention/" in path and "/lora_" in path for path in attention)


@pytest.mark.parametrize("model", DECODERS, ids=lambda model: model.config["name"])
def test_lora_is_all_adapters_and_nothing_that_is_trained_in_full(model: Model) -> None:
    [mlp] = (part for part in model.parts if part.name == "mlp")
    adapted = lora(model, rank=2, x=TOKENS, targets=mlp, full="head/.*")
    everything = set(paths(adapted.shapes(TOKENS).params))
    adapters = protected(adapted, "lora")
    assert adapters == {path for path in everything if path.split("/")[-1] in ("lora_a", "lora_b")}
    assert adapters == protected(adapted, "mlp")
    assert everything - adapters == protected(adapted, "not lora") == protected(adapted, "head")
    with pytest.raises(ValueError, match="region 'lora' is unknown"):
        protected(model, "lora")


def test_lora_without_a_way_to_it_and_once_though_declared() -> None:
    """A kernel at the top of the tree, and a model with a part of that name."""
    plain = Model(
        lambda key, x: Variables({"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)}, {}),
        lambda params, state, x, *, train, key: (x @ params["kernel"] + params["bias"], state),
        parts=(Block("lora", "bias"), Block("all", ".*")),
    )
    adapted = lora(plain, rank=1, x=jnp.ones((1, 4)), full="bias")
    assert protected(adapted, "lora") == {"lora_a", "lora_b"}
    assert [part.name for part in adapted.parts] == ["all", "lora"]
