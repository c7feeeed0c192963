"""What TFDS leaves on disk for a data set, written without TensorFlow."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter
from PIL import Image
from tensorflow_datasets.core.example_serializer import ExampleSerializer

LABELLED = {
    "image": tfds.features.Image(shape=(4, 4, 1)),
    "label": tfds.features.ClassLabel(num_classes=3),
}


def grey(i: int) -> np.ndarray:
    """An image that is all one grey, its number times ten."""
    return np.full((4, 4), 10 * i, np.uint8)


def prepare(
    root: Path,
    features: dict[str, object],
    image: Callable[[int], np.ndarray] = grey,
    **counts: int,
) -> Path:
    """The images of each split by their numbers; a label is the rest of the number by three."""
    described = tfds.features.FeaturesDict(features)
    serializer = ExampleSerializer(described.get_serialized_info())
    version = root / "tiny" / "1.0.0"
    version.mkdir(parents=True)
    splits = []
    for split, count in counts.items():
        name = f"tiny-{split}.array_record-00000-of-00001"
        writer = ArrayRecordWriter(str(version / name), "group_size:1")
        for i in range(count):
            png = io.BytesIO()
            Image.fromarray(image(i)).save(png, "PNG")
            record = {"image": png.getvalue(), "label": i % 3, "id": f"{split}{i}".encode()}
            kept = {key: record[key] for key in features}
            writer.write(serializer.serialize_example(kept))
        writer.close()
        splits.append(
            {
                "name": split,
                "shardLengths": [str(count)],
                "numBytes": "1",
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
            }
        )
    described.save_config(version)
    info = {"name": "tiny", "version": "1.0.0", "fileFormat": "array_record", "splits": splits}
    (version / "dataset_info.json").write_text(json.dumps(info))
    return root
