"""The input pipeline: every image once per epoch, orders by seed, resumption without a trace."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from infomin_tf.data import pipeline
from infomin_tf.data.images import ArrayImages, Repeat, RepeatedImages, spread
from infomin_tf.data.indexed import IndexedImages
from infomin_tf.data.order import Order, Shard, steps_per_epoch
from infomin_tf.data.sharded import ShardedImages
from infomin_tf.errors import UserError
from infomin_tf.views import pairs
from infomin_tf.views.sampler import Sampler


def numbered(count=23):
    """A set whose label, and pixel value, is the image's position."""
    images = (
        np.zeros((count, 4, 4, 3), np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None]
    )
    return ArrayImages("numbered", images, np.arange(count), [str(i) for i in range(count)])


def streamed(kind, count, **reading):
    whole = numbered(count)
    return kind(
        name="numbered",
        size=count,
        image_shape=(4, 4, 3),
        class_names=whole.class_names,
        decode=lambda record: (whole.images[record["index"]], whole.labels[record["index"]]),
        **reading,
    )


def indexed(count=23):
    return streamed(IndexedImages, count, fetch=lambda places: {"index": places})


def sharded(count=23, shards=3, window=9):
    """Shards of as equal sizes as may be."""
    return streamed(
        ShardedImages,
        count,
        between=lambda a, b: tf.data.Dataset.range(a, b).map(lambda index: {"index": index}),
        starts=np.arange(shards) * count // shards,
        shuffle_buffer=window,
    )


class Noise(Sampler):
    """A view that shows both the image and what was drawn."""

    def draw(self, num_images, seed):
        return {"noise": tf.random.stateless_uniform([num_images, 1, 1, 1], seed)}

    def apply(self, images, draws):
        return tf.cast(images, tf.float32) + draws["noise"]


NOISE = Noise()


def labels(images, batches, seed=0, **arguments):
    stream = pipeline.training_batches(images, Order(5, seed, **arguments), NOISE)
    return np.array([label.numpy() for _, label in stream.take(batches)])


KINDS = [numbered, indexed, sharded]


@functools.cache
def unbroken(kind):
    """14 batches of 5 images from the first step on."""
    return list(pipeline.training_batches(kind(), Order(5, 7), NOISE).take(14))


@functools.cache
def whole_batches(kind):
    """The global batches of steps 3 to 6 of 12 of 26 images."""
    return list(pipeline.training_batches(kind(26), Order(12, 7, first_step=3), NOISE).take(4))


@pytest.mark.parametrize("kind", KINDS)
def test_an_epoch_has_each_image_at_most_once_and_drops_the_remainder(kind):
    order = labels(kind(), 8)
    for epoch in (order[:4], order[4:]):
        assert len(np.unique(epoch)) == 20
    assert not np.array_equal(order[:4], order[4:])
    assert not np.array_equal(order[:4], labels(kind(), 4, seed=1))
    np.testing.assert_array_equal(order, labels(kind(), 8))


def test_every_image_is_reached_over_the_epochs():
    assert len(np.unique(labels(numbered(), 40))) == 23


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first_step", [0, 1, 3, 4, 6, 9])
def test_a_later_start_equals_skipping(kind, first_step):
    whole = unbroken(kind)[first_step : first_step + 5]
    resumed = list(
        pipeline.training_batches(kind(), Order(5, 7, first_step=first_step), NOISE).take(5)
    )
    for (x, y), (again_x, again_y) in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(x, again_x)
        np.testing.assert_array_equal(y, again_y)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [2, 3, 4])
def test_shards_together_are_the_global_batch(kind, count):
    """So an epoch has neither loss nor repetition, also from its middle on."""
    orders = (Order(12, 7, first_step=3, shard=Shard(index, count)) for index in range(count))
    streams = (pipeline.training_batches(kind(26), order, NOISE) for order in orders)
    parts = [list(stream.take(4)) for stream in streams]
    for (views, labels_), *shards in zip(whole_batches(kind), *parts, strict=True):
        assert {len(label) for _, label in shards} == {12 // count}
        np.testing.assert_array_equal(np.concatenate([label for _, label in shards]), labels_)
        np.testing.assert_array_equal(np.concatenate([view for view, _ in shards]), views)
    epoch = np.concatenate([label for part in parts for _, label in part[1:3]])
    assert len(epoch) == len(set(epoch)) == 24


def test_views_differ_between_steps_and_shapes_are_static():
    stream = pipeline.training_batches(numbered(5), Order(5, 0), NOISE)
    assert stream.element_spec[0].shape == (5, 4, 4, 3)
    fractions = [np.modf(x.numpy().min())[0] for x, _ in stream.take(10)]
    assert len(set(fractions)) == 10


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_has_every_image_once_in_order(kind):
    batches = list(pipeline.evaluation_batches(kind(), 5, lambda x, seed: x))
    assert [len(label) for _, label in batches] == [5, 5, 5, 5, 3]
    np.testing.assert_array_equal(np.concatenate([label for _, label in batches]), np.arange(23))


def test_too_few_images_for_a_batch():
    with pytest.raises(UserError, match="23 images, fewer than one batch of 64"):
        pipeline.training_batches(numbered(), Order(64, 0), NOISE)


@pytest.mark.parametrize("kind", KINDS)
def test_thin_and_sample(kind):
    assert kind().thin(3).size == 3 and kind().thin(100).size == 23
    order = np.concatenate([y for _, y in pipeline.evaluation_batches(kind().thin(3), 2)])
    assert len(set(order)) == 3 and max(order) >= 14
    assert kind().sample(4).shape == (4, 4, 4, 3)


def test_places_are_spread_evenly_for_every_number_and_size():
    for size in range(1, 41):
        for count in range(1, size + 3):
            places = spread(count, size)
            gaps = np.diff(places)
            assert len(places) == min(count, size) and places[0] == 0
            assert count == 1 or size == 1 or places[-1] == size - 1
            assert size == 1 or count == 1 or gaps.min() >= 1 and np.ptp(gaps) <= 1


@pytest.mark.parametrize("kind", [*KINDS, lambda: RepeatedImages(numbered(), 3)])
@pytest.mark.parametrize("count", [1, 13, 50])
def test_a_sample_and_a_thinned_set_are_of_the_whole_set(kind, count):
    """Not of its first images, which are one class where a folder is sorted."""
    expected = spread(count, 23)
    np.testing.assert_array_equal(kind().sample(count)[:, 0, 0, 0], expected)
    thinned = kind().thin(count)
    found = np.concatenate([y for _, y in pipeline.evaluation_batches(thinned, 50)])
    assert thinned.size == len(found)
    np.testing.assert_array_equal(np.unique(found), expected)


def test_repeated_images_are_held_out_with_all_their_repetitions():
    rest, held = RepeatedImages(of_one_class(numbered()), 3).hold_out(5)
    assert (rest.size, held.size) == (54, 5)
    assert not set(read(rest)) & set(read(held))


@pytest.mark.parametrize("kind", KINDS)
def test_numbered_images_are_labelled_with_their_places(kind):
    images = kind().numbered()
    batches = list(pipeline.training_batches(images, Order(5, 0), NOISE).take(4))
    for views, places in batches:
        np.testing.assert_array_equal(np.floor(views[:, 0, 0, 0]), places)
    assert len(np.unique([places for _, places in batches])) == 20


def of_one_class(images):
    """The images of `numbered`, of which a class of one image would not be held out."""
    return ArrayImages("one class", images.images, np.zeros(images.images.shape[0]))


def read(images):
    """The first pixel of each image."""
    return np.concatenate([x[:, 0, 0, 0] for x, _ in pipeline.evaluation_batches(images, 4)])


@pytest.mark.parametrize("kind", [lambda: of_one_class(numbered()), indexed, sharded])
def test_hold_out_divides_a_set(kind):
    rest, held = kind().hold_out(5)
    np.testing.assert_array_equal(read(held), [0, 5, 10, 15, 20])
    np.testing.assert_array_equal(read(rest), np.delete(np.arange(23), [0, 5, 10, 15, 20]))
    assert (rest.size, held.size) == (18, 5)


def test_repeated_images_come_several_times_and_are_held_once():
    class Source:
        def load(self, data_dir=None):
            return numbered(4)

    repeated = Repeat(Source(), 3).load()
    assert repeated.size == 12 and steps_per_epoch(repeated, 6) == 2
    batches = pipeline.training_batches(
        repeated, Order(6, 0), pairs.SharedPair(pairs.CropAndFlip(8))
    )
    labels = np.concatenate([y for _, y in batches.take(2)])
    assert sorted(labels) == sorted(3 * [0, 1, 2, 3])
    assert len(repeated.sample(10)) == 4
    np.testing.assert_array_equal(repeated.thin(5).labels, [0, 1, 2, 3, 0])
    with pytest.raises(UserError, match="needs images that come once"):
        repeated.numbered()
    with pytest.raises(UserError, match="times >= 1"):
        Repeat(Source(), 0).load()
