"""Files of features: what pyarrow, numpy and csv read in them, and what we read again."""

import csv
import pathlib

import numpy as np
import pytest
from pyarrow import parquet

from infomin_tf.embedding import feature_files
from infomin_tf.embedding.rows import Rows, join
from infomin_tf.errors import UserError

RNG = np.random.default_rng(0)
KINDS = pytest.mark.parametrize("ending", [".parquet", ".npz", ".csv"])
NAMES = ["a/1.png", 'b, "c"\n.png', "猫.jpg", "caf\udce9.jpg"]
PRINTABLE = [*NAMES[:3], "caf\\xe9.jpg"]


def parts(dimensions=5):
    """Three parts, one of them without an image, with features of all magnitudes."""
    features = RNG.normal(size=(4, dimensions)) * 10.0 ** RNG.integers(-30, 30, (4, dimensions))
    features = features.astype(np.float32)
    return [
        Rows(NAMES[:3], ["x", "", "y"], features[:3]),
        Rows([], [], np.zeros((0, 0), np.float32), ["d.png (cut)"]),
        Rows(NAMES[3:], [""], features[3:]),
    ]


def written(folder, ending, made, is_labelled):
    path = str(folder / f"features{ending}")
    feature_files.kind_of(path).write(path, made, is_labelled)
    return path


def read_by_others(path):
    """(paths, labels or None, features) by the library of each kind."""
    if path.endswith(".npz"):
        with np.load(path) as content:
            labels = content["labels"].tolist() if "labels" in content else None
            return content["paths"].tolist(), labels, content["features"]
    if path.endswith(".parquet"):
        table = parquet.read_table(path)
        labels = table["label"].to_pylist() if "label" in table.column_names else None
        labels = labels and ["" if label is None else label for label in labels]
        return (
            table["path"].to_pylist(),
            labels,
            np.array(table["features"].to_pylist(), np.float32),
        )
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    features = [[row[name] for name in row if name.startswith("feature_")] for row in rows]
    labels = [row["label"] for row in rows] if "label" in rows[0] else None
    return [row["path"] for row in rows], labels, np.array(features, np.float32)


@KINDS
@pytest.mark.parametrize("is_labelled", [True, False])
def test_every_number_and_name_comes_back(ending, is_labelled, tmp_path):
    made = parts()
    whole = join(made)
    path = written(tmp_path, ending, made, is_labelled)
    paths, labels, features = read_by_others(path)
    assert paths == PRINTABLE and labels == (whole.labels if is_labelled else None)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, whole.features)
    again = join(feature_files.read(path))
    assert again.paths == PRINTABLE and again.labels == (whole.labels if is_labelled else [""] * 4)
    np.testing.assert_array_equal(again.features, whole.features)


@KINDS
def test_the_same_rows_give_the_same_bytes_and_are_read_in_stretches(ending, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_files, "_ROWS", 2)
    made = parts()
    content = []
    for name in "ab":
        (tmp_path / name).mkdir()
        path = written(tmp_path / name, ending, made, True)
        content.append(pathlib.Path(path).read_bytes())
        blocks = list(feature_files.read(path))
        assert len(blocks) > 1 and max(len(block.paths) for block in blocks) <= 3
        np.testing.assert_array_equal(join(blocks).features, join(made).features)
    assert content[0] == content[1]


@KINDS
def test_a_damaged_file_is_one_message(ending, tmp_path):
    path = written(tmp_path, ending, parts(), True)
    for damaged in (b"", b"file,label\na.png,b\n", pathlib.Path(path).read_bytes()[:-30]):
        with open(path, "wb") as file:
            file.write(damaged)
        with pytest.raises(UserError, match="cannot be read .*make it again with bin/embed"):
            list(feature_files.read(path))


def test_other_endings_and_a_missing_library_are_one_message(monkeypatch):
    with pytest.raises(UserError, match=r"must end in .parquet, .npz or .csv"):
        feature_files.kind_of("features.h5")
    assert feature_files.kind_of("F.NPZ").ending == ".npz"
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(UserError, match=r"pip install 'infomin_tf\[embed\]'"):
        feature_files.kind_of("a.parquet").check()
    feature_files.kind_of("a.npz").check()
