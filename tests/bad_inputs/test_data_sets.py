"""Prepared data sets that are damaged, and data that go neither with training nor each other."""

import json
import types

import numpy as np
import pytest
import tensorflow_datasets as tfds

from infomin_tf.data import pipeline
from infomin_tf.data.images import ArrayImages, Repeat
from infomin_tf.data.label_maps import SegmentationImages, TfdsSegmentation
from infomin_tf.data.order import Order
from infomin_tf.data.shapes import Shapes
from infomin_tf.data.tfds_source import Tfds
from infomin_tf.evaluation.logistic import fit_logistic
from infomin_tf.evaluation.segmentation import SegmentationProbe
from infomin_tf.experiment.run import Run
from infomin_tf.moving_mnist.sequences import MovingMnist
from tests.bad_inputs.cases import Refused, check_refused
from tests.data.test_tfds_source import noise, prepare

refused = Refused()


def prepared(folder, file_format="tfrecord"):
    """The folder of the data set "tiny": 7 images of 3 classes."""
    image, label = tfds.features.Image(shape=(6, 6, 3)), tfds.features.ClassLabel(num_classes=3)
    prepare(folder, image, noise(7, 6, 6, 3), label, file_format)
    return folder / "tiny" / "1.0.0"


def with_a_bit_changed(folder, place):
    record = next(prepared(folder).glob("*.tfrecord*"))
    data = np.fromfile(record, np.uint8)
    data[place] ^= 1
    data.tofile(record)


def load(folder, split="train", **arguments):
    return Tfds("tiny", split, **arguments).load(str(folder))


@refused.by("tiny was not found. Looked in .*none, which holds nothing", "--data_dir=DIR")
def no_data_dir(folder):
    load(folder / "none")


@refused.by("tiny was not found", "--data_dir=DIR")
def file_for_a_data_dir(folder):
    (folder / "file").touch()
    load(folder / "file")


@refused.by("other was not found. Looked in .*, which holds .*tiny", "--data_dir=DIR")
def data_dir_without_the_set(folder):
    prepared(folder)
    Tfds("other", "train").load(str(folder))


@refused.by("tiny was not found", "--data_dir=DIR")
def set_that_was_never_finished(folder):
    prepared(folder).rename(folder / "tiny" / "incomplete.ABC_1.0.0")
    load(folder)


@refused.by(
    "tiny cannot be opened",
    r"versions of tiny: 1.0.0 \(usable only with a complete dataset_info.json",
)
def description_that_is_cut(folder):
    path = prepared(folder) / "dataset_info.json"
    path.write_text(path.read_text()[:100])
    load(folder)


@refused.by("tiny cannot be opened", "usable only with a complete dataset_info.json")
def description_that_is_empty(folder):
    (prepared(folder) / "dataset_info.json").write_text("")
    load(folder)


@refused.by("tiny cannot be opened", "usable only with a complete dataset_info.json")
def description_that_is_gone(folder):
    (prepared(folder) / "dataset_info.json").unlink()
    load(folder)


@refused.by("tiny was not found", "usable only with a complete dataset_info.json and features.json")
def features_that_are_cut(folder):
    path = prepared(folder) / "features.json"
    path.write_text(path.read_text()[:50])
    load(folder)


@refused.by("truncated record", "copy or prepare them again")
def records_that_are_cut(folder):
    record = next(prepared(folder).glob("*.tfrecord*"))
    record.write_bytes(record.read_bytes()[:-30])
    load(folder)


@refused.by("corrupted record", "copy or prepare them again")
def records_in_which_a_bit_has_changed(folder):
    with_a_bit_changed(folder, 100)
    load(folder)


@refused.by(r"incomplete \(a record of ArrayRecord cannot be read", "copy or prepare them again")
def array_records_that_are_cut(folder):
    record = next(prepared(folder, "array_record").glob("*.array_record*"))
    record.write_bytes(record.read_bytes()[:-70_000])
    load(folder)


@refused.by(r"incomplete \(a record of ArrayRecord .*hash mismatch", "copy or prepare them again")
def array_records_in_which_a_bit_has_changed(folder):
    record = next(prepared(folder, "array_record").glob("*.array_record*"))
    data = bytearray(record.read_bytes())
    data[1100] ^= 1  # not of the first record, which is read alone to see the size of the images
    record.write_bytes(data)
    load(folder)


@refused.by("is prepared as parquet", "prepare it as array_record")
def files_of_a_format_that_is_not_read(folder):
    prepared(folder, "parquet")
    load(folder)


@refused.by("contained only 0 elements", "copy or prepare them again")
def records_that_are_empty(folder):
    next(prepared(folder).glob("*.tfrecord*")).write_bytes(b"")
    load(folder)


@refused.by("No such file", "copy or prepare them again")
def records_that_are_gone(folder):
    next(prepared(folder).glob("*.tfrecord*")).unlink()
    load(folder)


@refused.by(
    r"Tfds.split='train\[:0\]' is not a split of tiny with examples in it \(train\[0:0\] is empty",
    r"it has train, combined as in 'train\+test'",
)
def split_of_no_images(folder):
    prepared(folder)
    load(folder, "train[:0]")


@refused.by(r"examples in it \(train\[5:2\] ends before it begins", "it has train")
def split_that_is_reversed(folder):
    prepared(folder)
    load(folder, "train[:1]+train[5:2]")


@refused.by(r"train\[0:0\] is empty", "it has train")
def split_of_a_percent_of_few_images(folder):
    prepared(folder)
    load(folder, "train[:1%]")


@refused.by(r"uses 2 images twice: train\[0:4\] and train\[2:6\] overlap", "name each image once")
def split_of_overlapping_slices(folder):
    prepared(folder)
    load(folder, "train[:4]+train[2:6]")


@refused.by(
    "tiny:2.0.0 was not found",
    "It holds these versions of tiny: 1.0.0 .* To use one, bind Tfds.version",
)
def version_that_is_not_there(folder):
    prepared(folder)
    load(folder, version="2.0.0")


@refused.by("'test' is not a split of tiny", "it has train")
def segmentation_of_no_such_split(folder):
    prepared(folder)
    TfdsSegmentation("tiny", "test", map_feature="label").load(str(folder))


@refused.by("tiny has no feature 'segmentation_label', only", "bind TfdsSegmentation.map_feature")
def segmentation_without_maps(folder):
    prepared(folder)
    TfdsSegmentation("tiny", "train").load(str(folder))


@refused.by("other was not found", "--data_dir=DIR")
def moving_mnist_without_digits(folder):
    prepared(folder)
    MovingMnist(Tfds("other", "train"), Shapes("train")).load(str(folder))


@refused.by("needs smaller digits", "change MovingMnist.canvas")
def digits_as_large_as_the_canvas(folder):
    MovingMnist(Shapes("train"), Shapes("train"), canvas=32).load()


@refused.by("which tiny:train are not", "raise its memory_limit_gib")
def streamed_digits(folder):
    prepared(folder)
    MovingMnist(Tfds("tiny", "train", memory_limit_gib=0), Shapes("train")).load(str(folder))


@refused.by("times >= 1, not tiny:train 0 times", "raise the source's memory_limit_gib")
def repeated_no_times(folder):
    prepared(folder)
    Repeat(Tfds("tiny", "train"), 0).load(str(folder))


def images(labels, names=("ant", "owl"), name="some"):
    return ArrayImages(name, noise(len(labels), 8, 8, 3), labels, names)


def run(train, test, held_out=None):
    nothing = dict.fromkeys(
        ("model_dir", "strategy", "seed", "unlabelled", "pair", "split", "configuration")
    )
    return Run(train=train, test=test, held_out=held_out, **nothing)


@refused.by("7 images, fewer than one batch of 8", "use a smaller batch size or more images")
def fewer_images_than_a_batch(folder):
    pipeline.training_batches(images([0] * 7), Order(8, 0), None)


@refused.by("a batch must have at least 1 image, not 0", "fix the batch size")
def batch_of_nothing(folder):
    pipeline.training_batches(images([0] * 7), Order(0, 0), None)


@refused.by("two images or more, but some has 1", "add images, or bind Data.held_out")
def one_image_held_out(folder):
    run(None, None, images([0]))


@refused.by("needs labelled images, but photos has no classes", "bind ImageFolder.labelled")
def images_without_classes(folder):
    run(images([0, 1]), images([-1, -1], (), "photos")).need_labels("evaluation")


@refused.by("only some has owl, only test has none", "give both sets the same class names")
def a_class_that_is_not_tested(folder):
    run(images([0, 1]), images([0, 0], ("ant",), "test")).need_labels("evaluation")


@refused.by("only some has a, b, c, d, e and 2 more, only test has A", "the same class names")
def classes_of_other_names(folder):
    run(images([0], "abcdefg"), images([0], "A", "test")).need_labels("evaluation")


@refused.by("some of some have none", "choose another split")
def images_without_a_label(folder):
    run(images([0, 1]), images([0, -1])).need_labels("evaluation")


@refused.by("2 classes, 0 to 1, but also the label 7", "prepare it again with all of its classes")
def label_out_of_range(folder):
    run(images([0, 1]), images([0, 7])).need_labels("evaluation")


@refused.by("hold 9, which are neither below SegmentationProbe.num_classes = 3", "fix one of them")
def class_of_a_map_out_of_range(folder):
    maps = SegmentationImages("maps", noise(2, 8, 8, 3), np.full((2, 8, 8), 9, np.uint8))
    source = types.SimpleNamespace(load=lambda data_dir: maps)
    probe = SegmentationProbe(source, source, num_classes=3)
    probe.check(types.SimpleNamespace(data_dir=None))


@refused.by("needs at least 10 labelled images of two classes or more", "not 20 of 1")
def one_class_to_tell_apart(folder):
    x, y = noise(20, 4), np.zeros(20, int)
    fit_logistic(x, y, x, y)


@pytest.mark.parametrize("function, pattern", refused)
def test_data_that_are_refused(function, pattern, tmp_path):
    check_refused(function, pattern, tmp_path)


def test_a_damaged_set_is_left_as_it_is(tmp_path):
    path = prepared(tmp_path) / "dataset_info.json"
    before = {p.name: p.read_bytes() for p in path.parent.iterdir()}
    path.write_text("{")
    check_refused(load, "cannot be opened", tmp_path)
    assert path.read_text() == "{"
    path.write_bytes(before[path.name])
    assert {p.name: p.read_bytes() for p in path.parent.iterdir()} == before
    assert json.loads(path.read_text())["name"] == "tiny" and load(tmp_path).size == 7
