"""Prepared data sets that are too large for memory, with a record that proves to be damaged."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from infomin_tf.command_line import main
from infomin_tf.data import pipeline
from infomin_tf.data.records import streaming_damage_explained
from infomin_tf.data.tfds_source import Tfds
from tests.bad_inputs.cases import Refused, check_refused
from tests.bad_inputs.test_data_sets import prepared, with_a_bit_changed

refused = Refused()
MEND = "copy or prepare it again"


def read_all(folder):
    images = Tfds("tiny", "train", image_size=6, memory_limit_gib=0).load(str(folder))
    with streaming_damage_explained(str(folder)):
        list(pipeline.evaluation_batches(images, 2))


def rewrite(folder, change):
    """Replaces the records of the set by change(records)."""
    [path] = map(str, prepared(folder).glob("*.tfrecord*"))
    records = change([record.numpy() for record in tf.data.TFRecordDataset(path)])
    with tf.io.TFRecordWriter(path) as file:
        for record in records:
            file.write(record)


def with_last_image(records, function):
    """The records, the encoded image of the last one changed; its checksum is right."""
    example = tf.train.Example.FromString(records[-1])
    values = example.features.feature["image"].bytes_list.value
    values[0] = function(values[0])
    return [*records[:-1], example.SerializeToString()]


@refused.by(r"data set is damaged \(corrupted record at \d+\)", MEND)
def bit_that_has_changed(folder):
    with_a_bit_changed(folder, -20)
    read_all(folder)


@refused.by(r"is damaged \(.*expected to contain 7 elements", MEND)
def records_that_are_missing(folder):
    rewrite(folder, lambda records: records[:-2])
    read_all(folder)


def array_record(folder):
    return next(prepared(folder, "array_record").glob("*.array_record*"))


@refused.by(r"is damaged \(a record of ArrayRecord cannot be read", MEND)
def bit_of_array_record_that_has_changed(folder):
    path = array_record(folder)
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    read_all(folder)


@refused.by(r"is damaged \(a record of ArrayRecord cannot be read", MEND)
def array_record_that_is_gone(folder):
    array_record(folder).unlink()
    read_all(folder)


@refused.by(r"is damaged \(.*PNG", MEND)
def image_that_is_cut(folder):
    rewrite(folder, lambda records: with_last_image(records, lambda image: image[:40]))
    read_all(folder)


@refused.by(r"is damaged \(.*image file format", MEND)
def image_that_is_none(folder):
    rewrite(folder, lambda records: with_last_image(records, lambda image: b"none"))
    read_all(folder)


@pytest.mark.parametrize("function, pattern", refused)
def test_records_that_are_refused(function, pattern, tmp_path):
    check_refused(function, pattern, tmp_path)


def test_other_mistakes_of_tensorflow_stay_what_they_are():
    with pytest.raises(tf.errors.InvalidArgumentError), streaming_damage_explained(None):
        tf.reshape(tf.constant(np.zeros(3)), [2])


@pytest.mark.usefixtures("clean_gin")
def test_commands_say_so_in_one_message(tmp_path, monkeypatch, capsys):
    with_a_bit_changed(tmp_path, -20)
    parts = ("unlabelled", "train", "test")
    bindings = [f"{part}/Tfds.split = 'train'" for part in parts]
    bindings += ["Tfds.name = 'tiny'", "Tfds.memory_limit_gib = 0"]
    files = ("gin/small/infomin.gin", "gin/small/cifar10.gin")
    flags = [f"--gin_file={file}" for file in files] + [f"--gin_param={b}" for b in bindings]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["show_views", f"--data_dir={tmp_path}", *flags])
    with pytest.raises(SystemExit) as end:
        main.show_views_main()
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.count("error: a data set is damaged") == 1
    assert f"prepared sets are in {tmp_path}" in said and "Traceback" not in said
