"""A tiny Llama of random weights with a tokenizer of bytes, in a GGUF file like a published one."""

from pathlib import Path
from typing import Any

import numpy as np

WIDTH, HIDDEN, DEPTH, HEADS, KV_HEADS, CONTEXT = 32, 64, 2, 4, 2, 128
MARK = "<|endoftext|>"


def letters() -> list[str]:
    """For each byte the letter that stands for it in byte-level BPE."""
    seen = {*range(33, 127), *range(161, 173), *range(174, 256)}
    above = iter(range(256, 512))
    return [chr(byte) if byte in seen else chr(next(above)) for byte in range(256)]


def write_small_llama(path: Path) -> Path:
    """Writes the file.

    Args:
        path: where.

    Returns:
        The same path.
    """
    import gguf

    tokens = [MARK, *letters(), "th"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(DEPTH)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(1e4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3] + [1] * (len(tokens) - 1))
    writer.add_token_merges(["t h"])
    for name, rows in _weights(len(tokens)).items():
        kind = gguf.GGMLQuantizationType["Q4_1" if rows.ndim == 2 else "F32"]
        writer.add_tensor(name, gguf.quantize(rows, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _weights(vocab: int) -> dict[str, Any]:
    """Random, outputs first; the embedding is the head as well."""
    draw = np.random.default_rng(0)
    key = WIDTH // HEADS * KV_HEADS
    block = {
        "attn_q": (WIDTH, WIDTH),
        "attn_k": (key, WIDTH),
        "attn_v": (key, WIDTH),
        "attn_output": (WIDTH, WIDTH),
        "ffn_gate": (HIDDEN, WIDTH),
        "ffn_up": (HIDDEN, WIDTH),
        "ffn_down": (WIDTH, HIDDEN),
    }
    shapes = {"token_embd.weight": (vocab, WIDTH)}
    shapes |= {f"blk.{i}.{name}.weight": s for i in range(DEPTH) for name, s in block.items()}
    found = {name: draw.normal(0, shape[1] ** -0.5, shape) for name, shape in shapes.items()}
    norms = [f"blk.{i}.{name}.weight" for i in range(DEPTH) for name in ("attn_norm", "ffn_norm")]
    found |= {name: np.ones(WIDTH) for name in (*norms, "output_norm.weight")}
    return {name: rows.astype(np.float32) for name, rows in found.items()}
