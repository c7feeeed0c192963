"""Llama from a checkpoint of the library `transformers`."""

import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from pptp_jax.models.llama_decoder import llama
from pptp_jax.models.llama_weights import with_weights
from pptp_jax.models.model import Model
from pptp_jax.validation import Refused
from pptp_jax.validation.extras import extra

_NAMES = {
    "model.embed_tokens.weight": "embed/embedding",
    "model.layers.{}.input_layernorm.weight": "block{}/norm1/scale",
    "model.layers.{}.self_attn.q_proj.weight": "block{}/attention/query/kernel",
    "model.layers.{}.self_attn.k_proj.weight": "block{}/attention/key/kernel",
    "model.layers.{}.self_attn.v_proj.weight": "block{}/attention/value/kernel",
    "model.layers.{}.self_attn.o_proj.weight": "block{}/attention/out/kernel",
    "model.layers.{}.post_attention_layernorm.weight": "block{}/norm2/scale",
    "model.layers.{}.mlp.gate_proj.weight": "block{}/mlp/gate/kernel",
    "model.layers.{}.mlp.up_proj.weight": "block{}/mlp/up/kernel",
    "model.layers.{}.mlp.down_proj.weight": "block{}/mlp/down/kernel",
    "model.norm.weight": "head/norm/scale",
    "lm_head.weight": "head/dense/kernel",
}
_UNTIED = "lm_head.weight"


def llama_from_safetensors(directory: str | PathLike[str], *, remat: bool = False) -> Model:
    """A network that starts from what `save_pretrained` of `LlamaForCausalLM` has written.

    Weights of half precision become float32. Its `tokenizer.json` is read by the library
    `tokenizers`. Needs the extra `language`; neither `transformers` nor PyTorch.

    Args:
        directory: that of `config.json`, and of `model.safetensors` or the parts that
            `model.safetensors.index.json` lists.
        remat: whether each decoder block is computed again for the backward pass.

    Returns:
        What `starting_from` makes of `llama(...)` and the weights.

    Raises:
        ImportError: if the package `safetensors` is not installed.
        ValueError: if a file is missing or damaged, or the model is no Llama, or has scaled rotary
            positions or biases.

    Examples:
        >>> llama_from_safetensors("SmolLM2-135M")
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: SmolLM2-135M/config.json: there is no such file
    """
    directory = Path(directory)
    config = _config(directory / "config.json")
    load_file = extra("safetensors.numpy", "language").load_file
    index = directory / "model.safetensors.index.json"
    names = set(_json(index)["weight_map"].values()) if index.is_file() else {"model.safetensors"}
    arrays: dict[str, np.ndarray] = {}
    for path in (directory / name for name in sorted(names)):
        try:
            arrays |= {name: array.astype(np.float32) for name, array in load_file(path).items()}
        except Exception as error:  # its own type, which is none of Python's
            raise Refused(f"{path}: this is no safetensors file: {error}") from error
    if config["tied"]:
        arrays.pop(_UNTIED, None)  # some checkpoints hold it twice
    return with_weights(llama(**config, remat=remat), arrays, _NAMES, directory)


def _config(path: Path) -> dict[str, Any]:
    known = _json(path)
    # Since version 5 of `transformers` the base of the angles stands among the others of its kind.
    rope = known.get("rope_parameters") or known.get("rope_scaling") or {}
    size = known["hidden_size"] // known["num_attention_heads"]
    for name, found, needed in (
        ("model_type", known.get("model_type"), "llama"),
        ("hidden_act", known.get("hidden_act", "silu"), "silu"),
        ("the type of rotary positions", rope.get("rope_type", "default"), "default"),
        ("head_dim", known.get("head_dim") or size, size),
    ):
        if found != needed:
            raise Refused(f"{path}: {name} must be {needed!r}, got {found!r}")
    return {
        "vocab": known["vocab_size"],
        "width": known["hidden_size"],
        "depth": known["num_hidden_layers"],
        "heads": known["num_attention_heads"],
        "kv_heads": known.get("num_key_value_heads") or known["num_attention_heads"],
        "hidden": known["intermediate_size"],
        "context": known["max_position_embeddings"],
        "theta": float(rope.get("rope_theta") or known.get("rope_theta", 10_000.0)),
        "epsilon": known["rms_norm_eps"],
        "tied": known.get("tie_word_embeddings", False),
    }


def _json(path: Path) -> Any:
    if not path.is_file():
        raise Refused(f"{path}: there is no such file")
    return json.loads(path.read_text())
