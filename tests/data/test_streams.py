"""Sets that are read from disk each time: orders are those of one worker, and no more is read."""

import functools
import itertools
import multiprocessing

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from infomin_tf.data.image_folder import ImageFolder
from infomin_tf.data.label_maps import TfdsSegmentation
from infomin_tf.data.order import Order, Shard
from infomin_tf.data.tfds_source import Tfds
from tests.data.test_pipeline import indexed, sharded
from tests.data.test_tfds_source import FORMATS, noise, prepare

SIZE, BATCH = 53, 12


def written(kind, folder):
    """A streamed set of 53 images, labelled with their places; of TFDS, in 5 files."""
    pixels = noise(SIZE, 6, 6, 3)
    if kind == "folder":
        for place, image in enumerate(pixels):
            Image.fromarray(image).save(folder / f"{place:02}.png")
        return ImageFolder(str(folder), 6, memory_limit_gib=0.0).load().numbered()
    prepare(folder, tfds.features.Image(shape=(6, 6, 3)), pixels, file_format=kind, shards=5)
    return Tfds("tiny", "train[20:]+train[:20]", memory_limit_gib=0.0).load(folder).numbered()


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Function kind -> the set that is `written`, and a part of it."""

    @functools.cache
    def make(kind):
        whole = written(kind, tmp_path_factory.mktemp(kind))
        return {"whole": whole, "part": whole.hold_out(3)[0]}

    return make


def places(images, batches, batch=BATCH, **order):
    """Places of the images of batches, [batches, b], which views and labels show."""
    order = Order(batch, **({"seed": 7} | order))
    stream = images.raw(order, order.size).take(batches)
    return np.array([labels for _, labels in stream.as_numpy_iterator()])


KINDS = [*FORMATS, "folder"]


@pytest.mark.parametrize("part", ["whole", "part"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_epoch_has_every_image_once_over_all_workers(sets, kind, part):
    """As one worker's global batches have it; so the workers' shares are disjoint."""
    images = sets(kind)[part]
    steps = images.size // BATCH
    whole = places(images, 2 * steps)
    for epoch in (whole[:steps], whole[steps:]):
        assert len(np.unique(epoch)) == steps * BATCH and epoch.max() < images.size
    assert not np.array_equal(whole[:steps], whole[steps:])
    assert not np.array_equal(whole, places(images, 2 * steps, seed=8))
    for count in (2, 3, 4):
        parts = [places(images, 2 * steps, shard=Shard(index, count)) for index in range(count)]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_stream_equals_the_uninterrupted_one(sets, kind):
    images = sets(kind)["whole"]
    whole = places(images, 10)
    for first in range(9):
        shard = Shard(first % 2, 2)
        resumed = places(images, 2, first_step=first, shard=shard)
        expected = whole[first : first + 2, shard.index * 6 : shard.index * 6 + 6]
        np.testing.assert_array_equal(resumed, expected)


def test_a_stream_is_resumed_in_any_window_of_any_epoch():
    """Lanes of 30 images in windows of 5, which begin at one of three shards and go round."""
    images = sharded(60, shards=5, window=10)
    whole = places(images, 92, 2)
    for first in range(3, 90, 12):
        np.testing.assert_array_equal(
            places(images, 2, 2, first_step=first), whole[first : first + 2]
        )


@pytest.mark.parametrize(
    "size, shards, window, batch",
    [(140, 4, 12, 36), (100, 4, 24, 12), (53, 5, 10, 12), (23, 1, 4, 12)],
)
def test_no_image_is_left_out_of_every_epoch(size, shards, window, batch):
    """An image is left out by chance, as often as another, wherever its lane and window end."""
    images, epochs, steps = sharded(size, shards, window), 40, size // batch
    whole = places(images, epochs * steps, batch)
    each = whole.reshape(epochs, -1)
    assert all(len(np.unique(epoch)) == steps * batch for epoch in each)
    share, often = steps * batch / size, np.bincount(each.ravel(), minlength=size) / epochs
    # In lanes of sizes that differ by one, shares differ a bit, too.
    margin = 0.06 + 5 * np.sqrt(share * (1 - share) / epochs)
    assert often.min() > 0 and np.abs(often - share).max() < margin
    for first in range(steps, 3 * steps, 1 + steps // 4):
        resumed = places(images, 2, batch, first_step=first)
        np.testing.assert_array_equal(resumed, whole[first : first + 2])


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_the_places_of_the_images(sets, kind):
    """Else the other tests would compare numbers that say nothing of the images."""
    images = sets(kind)["whole"]
    whole, in_order = next(iter(images.in_order(SIZE)))
    np.testing.assert_array_equal(in_order, np.arange(SIZE))
    for read, labels in images.raw(Order(BATCH, 3), BATCH).take(6):
        np.testing.assert_array_equal(read, tf.gather(whole, labels))
    chosen = [0, 3, 17, 52]
    found, labels = next(iter(images.records_at(chosen).map(images.decode).batch(SIZE)))
    np.testing.assert_array_equal(labels, chosen)
    np.testing.assert_array_equal(found, tf.gather(whole, chosen))


@pytest.mark.parametrize("batch, shards", itertools.product((7, 24), (1, 5, 20)))
def test_shards_of_any_number_make_an_epoch(batch, shards):
    """Also where there are more of them than the images of a batch, or fewer than workers."""
    images = sharded(101, shards, window=30)
    steps = 101 // batch
    whole = places(images, 2 * steps, batch)
    for epoch in (whole[:steps], whole[steps:]):
        assert len(np.unique(epoch)) == steps * batch
    count = 7 if batch == 7 else 4
    parts = [places(images, 2 * steps, batch, shard=Shard(i, count)) for i in range(count)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_an_image_has_no_place_of_its_own_in_the_epochs():
    """Each comes early and late, next to images of all the set."""
    for images in (indexed(96), sharded(96, shards=48, window=24)):
        epochs = places(images, 8 * 60).reshape(60, 96)
        when = np.argsort(epochs, axis=1) / 96
        assert np.all(when.min(0) < 0.3) and np.all(when.max(0) > 0.7)
        assert np.abs(when.mean(0) - 0.5).max() < 0.2


def noting(images, name, seen):
    """The set, whose reading of places notes them in a set."""

    def note(found):
        seen.update(np.ravel(found).tolist())
        return found

    def noted(values):
        return tf.ensure_shape(tf.numpy_function(note, [values], tf.int64), values.shape)

    inner = getattr(images, name)
    if name == "fetch":
        setattr(images, name, lambda found: inner(noted(found)))
    else:
        map_ = lambda record: {"index": noted(record["index"])}
        setattr(images, name, lambda a, b: inner(a, b).map(map_))
    return images


def all_read(make, name, **order):
    """Places that are read for the rest of the first epoch, of 960 images in batches of 96."""
    seen = set()
    images = noting(make(), name, seen)
    places(images, 10 - order.get("first_step", 0), 96, **order)
    return seen


def test_a_worker_reads_its_own_images_alone():
    """And a resumed one those that are left. An epoch's end may read a bit of the next one."""
    large = functools.partial(sharded, 960, shards=16, window=160)
    for index in range(4):
        shard = Shard(index, 4)
        assert all_read(large, "between", shard=shard) == set(range(240 * index, 240 * index + 240))
    # Each lane of 60 images resumes with its window of 10 that the ninth step is in.
    assert len(all_read(large, "between", first_step=9)) == 16 * 10
    by_place = functools.partial(indexed, 960)
    assert len(all_read(by_place, "fetch")) == 960
    # What tf.data reads ahead depends on the cores; it is of the worker's own next batches.
    ahead = 4 + multiprocessing.cpu_count()
    for index in range(4):
        order = {"shard": Shard(index, 4), "first_step": 9}
        own = places(by_place(), ahead, 96, **order)
        assert set(own[0]) <= all_read(by_place, "fetch", **order) <= set(own.ravel())


def test_files_that_are_fewer_than_workers_are_named(caplog):
    places(sharded(48, shards=3), 1, shard=Shard(0, 2))
    assert not caplog.text
    places(sharded(48, shards=3), 1, shard=Shard(0, 4))
    assert "numbered has 3 files" in caplog.text and "4 workers" in caplog.text


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_set_with_label_maps_is_read_from_files_of_any_format(tmp_path, file_format):
    maps = noise(3, 8, 8, 1)
    features = {
        name: tfds.features.Image(shape=(8, 8, n)) for name, n in (("image", 3), ("map", 1))
    }
    examples = [{"image": np.repeat(each, 3, -1), "map": each} for each in maps]
    tfds.dataset_builders.AdhocBuilder(
        name="tiny",
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={"train": list(enumerate(examples))},
        data_dir=str(tmp_path),
    ).download_and_prepare(file_format=file_format)
    images = TfdsSegmentation("tiny", "train", (8, 8), map_feature="map").load(str(tmp_path))
    assert {each.tobytes() for each in images.maps} == {each.tobytes() for each in maps}
    np.testing.assert_array_equal(images.images[..., 0], images.maps)
