"""Images for `accelerator.py`, in one portable file: CIFAR-10 from TFDS, as uint8 x and y.

    python benchmarks/accelerator_data.py --data ../shared/data/tfds [--examples N] [--out FILE]
        [--splits train test] [--first N]

The data must lie prepared as array_record. The file is ignored by git: CIFAR-10 states no licence.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np

from pptp_jax.data import Dataset, Tfds
from pptp_jax.storage.files import write

MOST_BYTES = 40_000_000


def pack(data: Dataset, out: Path) -> int:
    """Writes images and labels, compressed.

    Args:
        data: images of bytes.
        out: the file.

    Returns:
        Its size in bytes.

    Raises:
        SystemExit: if the images are no bytes, or the file is larger than 40 MB and is removed.
    """
    if data.x.dtype != np.uint8:
        raise SystemExit(f"{data.name}: images must be uint8, they are {data.x.dtype}")
    write(out, partial(np.savez_compressed, x=data.x, y=data.y.astype(np.uint8)))
    size = out.stat().st_size
    if size > MOST_BYTES:
        out.unlink()
        raise SystemExit(f"{size:,} bytes are more than {MOST_BYTES:,}: take fewer --examples")
    return size


def main() -> None:
    """Reads some images that follow one another, and writes them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", required=True, help="the directory of TFDS")
    parser.add_argument("--name", default="cifar10", help="the data set; default: cifar10")
    parser.add_argument("--examples", type=int, default=12_000, help="default: 12,000")
    parser.add_argument("--splits", nargs="+", default=["train"], help="default: train")
    parser.add_argument("--first", type=int, default=0, help="how many are left out before them")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".npz"))
    options = parser.parse_args()
    source = Tfds(options.name, tuple(options.splits), data_dir=options.data)
    end = options.first + options.examples
    data = source.load(lambda count: np.arange(options.first, min(end, count)))
    size = pack(data, options.out)
    print(f"{options.out}: {len(data):,} images of {data.name}, {size:,} bytes")


if __name__ == "__main__":
    main()
