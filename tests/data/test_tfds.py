"""TFDS: data prepared on the spot, read back without TensorFlow; what is missing is named."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from prepared import LABELLED, prepare

from pptp_jax.data import Tfds

IMAGE = {"image": LABELLED["image"]}


def test_splits_are_joined_and_read_without_tensorflow(tmp_path: Path) -> None:
    root = prepare(tmp_path, LABELLED, train=5, test=3)
    source = Tfds("tiny", splits=("train", "test")).at(root)
    whole = source.load()
    assert whole.x[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40, 0, 10, 20]
    assert whole.y.tolist() == [0, 1, 2, 0, 1, 0, 1, 2]
    assert whole.ids[[0, 4, 5]].tolist() == ["train/0", "train/4", "test/0"]
    assert (whole.name, whole.num_classes, whole.x.dtype) == ("tiny:1.0.0", 3, np.uint8)
    np.testing.assert_allclose(whole.inputs()[1], 10 / 255, rtol=1e-6)
    some = source.load(lambda n: np.array([1, n - 1]))
    assert some.ids.tolist() == ["train/1", "test/2"]
    assert some.x[:, 0, 0, 0].tolist() == [10, 20]
    assert "tensorflow" not in sys.modules


def test_records_that_bring_an_identity_keep_it(tmp_path: Path) -> None:
    root = prepare(tmp_path, LABELLED | {"id": tfds.features.Text()}, train=3)
    assert Tfds("tiny", data_dir=str(root)).load().ids.tolist() == ["train0", "train1", "train2"]


def test_the_environment_says_where_data_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepare(tmp_path, LABELLED, train=3)))
    assert len(Tfds("tiny").load()) == 3


def test_what_is_not_prepared_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cifar10 is not prepared under .*download_and_prepare"):
        Tfds("cifar10", data_dir=str(tmp_path)).load()


def test_another_format_is_named(tmp_path: Path) -> None:
    root = prepare(tmp_path, LABELLED, train=3)
    info = root / "tiny" / "1.0.0" / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "tfrecord", 1))
    with pytest.raises(ValueError, match="stored as tfrecord, which only TensorFlow reads"):
        Tfds("tiny", data_dir=str(root)).load()


def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    root = prepare(tmp_path, LABELLED, train=3)
    with pytest.raises(ValueError, match="tiny has no split 'test'; it has train"):
        Tfds("tiny", splits=("test",), data_dir=str(root)).load()


def test_records_without_a_label(tmp_path: Path) -> None:
    root = prepare(tmp_path, IMAGE, train=3)
    with pytest.raises(ValueError, match="need an image and a label, they hold image"):
        Tfds("tiny", data_dir=str(root)).load()
