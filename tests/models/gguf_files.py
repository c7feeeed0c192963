"""Small GGUF files for tests, in llama.cpp's order of rows."""

from pathlib import Path

import gguf
import numpy as np

_ADD = {str: "string", int: "uint32", float: "float32", list: "array", bool: "bool"}


def neighbours(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of each head as GGUF has them: the i-th of either half are neighbours."""
    found, size = np.empty_like(rows), len(rows) // heads
    for head in range(heads):
        for i in range(size // 2):
            for side in (0, 1):
                found[head * size + 2 * i + side] = rows[head * size + side * (size // 2) + i]
    return found


def dequantised(rows: np.ndarray, kind: str) -> np.ndarray:
    """What the bytes of quantised rows mean, block by block, as ggml defines them."""
    raw = gguf.quantize(rows, gguf.GGMLQuantizationType[kind])
    if kind in ("F32", "F16"):
        return raw.astype(np.float32)
    size = {"Q4_1": 20, "Q8_0": 34}[kind]
    values = []
    for block in raw.reshape(-1, size):
        scale = np.float32(block[:2].view(np.float16)[0])
        if kind == "Q8_0":
            values += [scale * np.float32(whole) for whole in block[2:].view(np.int8)]
        else:
            least = np.float32(block[2:4].view(np.float16)[0])
            low, high = block[4:] & 15, block[4:] >> 4
            values += [scale * np.float32(n) + least for n in (*low, *high)]
    return np.array(values, np.float32).reshape(rows.shape)


def write(path: Path, metadata: dict, tensors: dict[str, tuple[np.ndarray, str]]) -> Path:
    """Writes metadata, and tensors each with the name of its type."""
    metadata = dict(metadata)
    writer = gguf.GGUFWriter(path, metadata.pop("general.architecture", "llama"))
    for name, value in metadata.items():
        getattr(writer, f"add_{_ADD[type(value)]}")(name, value)
    for name, (rows, kind) in tensors.items():
        known = gguf.GGMLQuantizationType[kind]
        writer.add_tensor(name, gguf.quantize(rows, known), raw_dtype=known)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
