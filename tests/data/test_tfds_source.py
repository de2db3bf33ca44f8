"""TFDS: real data where it is there, and the answers to mistakes."""

import importlib.util
import json
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from infomin_tf.data import pipeline
from infomin_tf.data.indexed import IndexedImages
from infomin_tf.data.sets import Data
from infomin_tf.data.sharded import ShardedImages
from infomin_tf.data.tfds_source import Tfds
from infomin_tf.data.tfds_splits import find_stretch
from infomin_tf.errors import UserError


def test_a_set_that_is_nowhere_says_both_ways_to_get_it(tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no route")

    monkeypatch.setattr("socket.create_connection", offline)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError) as error:
        Tfds("stl10", "train").load(str(tmp_path))
    assert "--data_dir=DIR" in str(error.value) and "tfds.load('stl10')" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_name_gets_the_nearest(tmp_path):
    with pytest.raises(UserError, match="nearest names: .*cifar10"):
        Tfds("cifra10", "train").load(str(tmp_path))


ARRAY_RECORD, TFRECORD = FORMATS = ("array_record", "tfrecord")


def prepare(folder, image, pixels, label=None, file_format=TFRECORD, shards=1):
    """Writes the set "tiny" into a folder, as TFDS files without code; labels: 0, 1, 2, 0, ..."""
    features = {"image": image} | ({} if label is None else {"label": label})
    examples = [
        {"image": x} | ({} if label is None else {"label": i % 3}) for i, x in enumerate(pixels)
    ]
    tfds.dataset_builders.AdhocBuilder(
        name="tiny",
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={"train": list(enumerate(examples))},
        data_dir=str(folder),
    ).download_and_prepare(
        file_format=file_format,
        download_config=tfds.download.DownloadConfig(num_shards=shards),
    )


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def stored(folder, file_format, split="train"):
    """(image, label) of the set "tiny", as TFDS itself reads them."""
    builder = tfds.builder("tiny", data_dir=folder)
    if file_format == ARRAY_RECORD:
        examples = builder.as_data_source(split)
    else:
        examples = builder.as_dataset(split=split, shuffle_files=False).as_numpy_iterator()
    return [(example["image"], example.get("label")) for example in examples]


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_prepared_set_without_code_is_read_in_its_order(tmp_path, file_format, shards):
    pixels = noise(7, 6, 6, 3)
    label = tfds.features.ClassLabel(num_classes=3)
    prepare(tmp_path, tfds.features.Image(shape=(6, 6, 3)), pixels, label, file_format, shards)
    for split in ("train", "train[5:]+train[1:4]"):
        expected = list(zip(*stored(tmp_path, file_format, split), strict=True))
        for limit in (4.0, 0.0):
            images = Tfds("tiny", split, memory_limit_gib=limit).load(str(tmp_path))
            found = next(iter(pipeline.evaluation_batches(images, 10)))
            for values, known in zip(found, expected, strict=True):
                np.testing.assert_array_equal(values, known)
            assert images.size == len(found[1]) and images.class_names == ("0", "1", "2")
    everything = Tfds("tiny", "train").load(str(tmp_path)).images.numpy()
    assert {x.tobytes() for x in everything} == {x.tobytes() for x in pixels}
    with pytest.raises(UserError, match="it has train"):
        Tfds("tiny", "valid").load(str(tmp_path))
    with pytest.raises(UserError, match="It holds these versions of tiny: 1.0.0"):
        Tfds("tiny", "train", version="2.0.0").load(str(tmp_path))


def prepare_both(folder, named, other):
    """Writes the set "tiny" in two formats, side by side as TFDS's own conversion leaves them.

    Returns:
        its folder, whose description names the one format first.
    """
    for file_format in FORMATS:
        image = tfds.features.Image(shape=(6, 6, 3))
        prepare(folder / file_format, image, noise(7, 6, 6, 3), file_format=file_format)
    both, apart = (folder / name / "tiny" / "1.0.0" for name in (named, other))
    [records] = apart.glob(f"*.{other}*")
    records.rename(both / records.name)
    description = json.loads((both / "dataset_info.json").read_text())
    description["alternativeFileFormats"] = [other]
    (both / "dataset_info.json").write_text(json.dumps(description))
    return both


def without_array_record(monkeypatch):
    """As where the package is not installed: it is neither found nor imported."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == ARRAY_RECORD else find(name)
    )
    for name in [ARRAY_RECORD, *(each for each in sys.modules if each.startswith(ARRAY_RECORD))]:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize("named, other", [FORMATS, FORMATS[::-1]])
def test_of_two_formats_the_one_with_random_access_is_read(tmp_path, named, other):
    both = prepare_both(tmp_path, named, other)
    next(both.glob("*.tfrecord*")).unlink()
    images = Tfds("tiny", "train", memory_limit_gib=0.0).load(str(tmp_path / named))
    assert isinstance(images, IndexedImages) and len(images.sample(10)) == 7


@pytest.mark.parametrize("named, other", [FORMATS, FORMATS[::-1]])
def test_without_array_record_the_other_format_is_read(tmp_path, monkeypatch, named, other):
    both = prepare_both(tmp_path, named, other)
    next(both.glob("*.array_record*")).unlink()
    without_array_record(monkeypatch)
    images = Tfds("tiny", "train", memory_limit_gib=0.0).load(str(tmp_path / named))
    assert isinstance(images, ShardedImages) and len(images.sample(10)) == 7


def test_without_array_record_its_sets_are_refused_with_the_way_out(tmp_path, monkeypatch):
    prepare(tmp_path, tfds.features.Image(), noise(7, 6, 6, 3), file_format=ARRAY_RECORD)
    without_array_record(monkeypatch)
    with pytest.raises(UserError, match="not installed here; .* prepare the set as tfrecord"):
        Tfds("tiny", "train").load(str(tmp_path))


def test_a_sample_of_a_set_that_is_larger_than_its_buffer_is_of_the_whole_set(tmp_path):
    """In blocks, so that not all of it is read."""
    prepare(tmp_path, tfds.features.Image(shape=(6, 6, 3)), noise(130, 6, 6, 3))
    images = Tfds("tiny", "train[50:]+train[:50]", memory_limit_gib=0.0).load(str(tmp_path))
    images.shuffle_buffer = 20
    whole = np.concatenate([x for x, _ in pipeline.evaluation_batches(images, 130)])
    places = [np.flatnonzero((whole == x).all((1, 2, 3)))[0] for x in images.sample(60)]
    assert len(set(places)) == 60 and np.ptp(places) == 128 and np.diff(places).max() <= 5
    assert [x.tobytes() for x in images.sample(2)] == [whole[p].tobytes() for p in (0, 129)]


@pytest.mark.parametrize("label", [None, tfds.features.Scalar(np.int64)])
def test_grey_images_and_no_class_labels(tmp_path, label):
    prepare(tmp_path, tfds.features.Image(shape=(6, 6, 1)), noise(5, 6, 6, 1), label)
    images = Tfds("tiny", "train").load(str(tmp_path))
    assert images.image_shape == (6, 6, 3) and images.class_names == ()
    assert np.all(images.labels.numpy() == -1)
    assert np.ptp(images.images.numpy(), axis=-1).max() == 0


@pytest.mark.parametrize(
    "channels, dtype, message", [(4, np.uint8, "with 4 channels"), (1, np.uint16, "are uint16")]
)
def test_images_of_another_kind_are_refused(tmp_path, channels, dtype, message):
    pixels = noise(2, 6, 6, channels).astype(dtype)
    prepare(tmp_path, tfds.features.Image(shape=(6, 6, channels), dtype=dtype), pixels)
    with pytest.raises(UserError, match=message):
        Tfds("tiny", "train", image_size=4).load(str(tmp_path))


def test_varying_sizes_need_an_image_size(tmp_path):
    prepare(tmp_path, tfds.features.Image(), [noise(6, 6, 3)] * 3 + [noise(5, 5, 3)] * 3)
    for limit in (4.0, 0.0):
        with pytest.raises(UserError, match="bind Tfds.image_size"):
            Tfds("tiny", "train", memory_limit_gib=limit).load(str(tmp_path))
        images = Tfds("tiny", "train", image_size=4, memory_limit_gib=limit).load(str(tmp_path))
        assert images.size == 6 and images.image_shape == (4, 4, 3)


@pytest.mark.real_data
def test_split_expressions_sizes_and_labels(real_data_dir):
    images = Tfds("imagenette96", "train[:40]+unlabelled[:20]", image_size=96).load(real_data_dir)
    assert images.size == 60 and images.image_shape == (96, 96, 3) and len(images.class_names) == 10
    assert np.all(images.labels[:40].numpy() >= 0) and np.all(images.labels[40:].numpy() == -1)
    digits = Tfds("mnist", "test[:10]").load(real_data_dir)
    assert digits.image_shape == (28, 28, 3)
    np.testing.assert_array_equal(digits.images[..., 0], digits.images[..., 2])


@pytest.mark.real_data
def test_streamed_images_equal_those_in_memory(real_data_dir):
    source = {"name": "imagenette96", "split": "train[:30]", "image_size": 48}
    memory, stream = (
        Tfds(**source).load(real_data_dir),
        Tfds(**source, memory_limit_gib=0).load(real_data_dir),
    )
    assert type(memory) is not type(stream) and memory.size == stream.size
    np.testing.assert_array_equal(memory.images, stream.sample(30))


@pytest.mark.real_data
def test_mistakes_on_real_data(real_data_dir):
    with pytest.raises(UserError, match="it has train, test, unlabelled"):
        Tfds("imagenette96", "valid").load(real_data_dir)
    with pytest.raises(UserError, match="bind Tfds.image_size"):
        Tfds("imagenette96", "train[:5]+unlabelled[:5]").load(real_data_dir)
    with pytest.raises(UserError, match="imagenette96:9.0.0"):
        Tfds("imagenette96", "train", version="9.0.0").load(real_data_dir)


@pytest.mark.parametrize(
    ("split", "others", "start"),
    [
        ("train[3:7]", "train", 3),
        ("train[3:7]", "train[2:]", 1),
        ("train[:2]+train[5:7]", "train[:2]+train[5:9]", 0),
        ("train[:2]+train[5:7]", "train", None),  # not together
        ("train[5:7]+train[:2]", "train[:2]+train[5:7]", None),  # in another order
        ("train[3:7]", "train[:5]", None),
    ],
)
def test_a_set_within_another_shares_its_memory(tmp_path, split, others, start):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), np.uint8)
    label = tfds.features.ClassLabel(num_classes=3)
    prepare(tmp_path, tfds.features.Image(shape=(64, 64, 3)), pixels, label)
    alone = Tfds("tiny", split).load(str(tmp_path))
    data = Data(Tfds("tiny", others), train=Tfds("tiny", split), test=Tfds("tiny", "train[8:]"))
    whole, train, *_ = data.load(str(tmp_path))
    for name in ("images", "labels"):
        np.testing.assert_array_equal(getattr(train, name), getattr(alone, name))
    assert (train.name, train.facts, train.class_names) == (
        alone.name,
        alone.facts,
        alone.class_names,
    )
    assert find_stretch(train.facts.places, whole.facts.places) == start
    shared = np.shares_memory(np.asarray(whole.images), np.asarray(train.images))
    assert shared == (start is not None)
