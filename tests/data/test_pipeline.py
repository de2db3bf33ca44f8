"""The input pipeline: every image once per epoch, orders by seed, and resumption without a trace."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from infomin_tf.data import pipeline
from infomin_tf.data.records import fit_square
from infomin_tf.data.sources import (
    ArrayImages,
    Repeat,
    RepeatedImages,
)
from infomin_tf.data.streams import StreamedImages, spread
from infomin_tf.errors import UserError
from infomin_tf.views import families, pairs


def numbered(count=23):
    """A set whose label, and pixel value, is the image's position."""
    images = (
        np.zeros((count, 4, 4, 3), np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None]
    )
    return ArrayImages("numbered", images, np.arange(count), [str(i) for i in range(count)])


def streamed(count=23):
    whole = numbered(count)
    return StreamedImages(
        "numbered",
        count,
        (4, 4, 3),
        whole.class_names,
        lambda: tf.data.Dataset.range(count),
        lambda index: (whole.images[index], whole.labels[index]),
        shuffle_buffer=count,
    )


class Noise:
    """A view that shows both the image and what was drawn."""

    def draw(self, num_images, seed):
        return {"noise": tf.random.stateless_uniform([num_images, 1, 1, 1], seed)}

    def apply(self, images, draws):
        return tf.cast(images, tf.float32) + draws["noise"]


NOISE = Noise()


def labels(images, batches, seed=0, **arguments):
    stream = pipeline.training_batches(images, 5, seed, NOISE, **arguments)
    return np.array([label.numpy() for _, label in stream.take(batches)])


KINDS = [numbered, streamed]


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
    whole = list(pipeline.training_batches(kind(), 5, 7, NOISE).skip(first_step).take(5))
    resumed = list(pipeline.training_batches(kind(), 5, 7, NOISE, first_step=first_step).take(5))
    for (x, y), (again_x, again_y) in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(x, again_x)
        np.testing.assert_array_equal(y, again_y)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_shards_together_are_the_global_batch(kind, count):
    """So an epoch has neither loss nor repetition, whatever the number of shards; from the middle of an epoch on."""
    start = {"first_step": 3}
    whole = list(pipeline.training_batches(kind(26), 12, 7, NOISE, **start).take(4))
    parts = [
        list(pipeline.training_batches(kind(26), 12, 7, NOISE, shard=(i, count), **start).take(4))
        for i in range(count)
    ]
    for (views, labels_), *shards in zip(whole, *parts, strict=True):
        assert {len(label) for _, label in shards} == {12 // count}
        np.testing.assert_array_equal(np.concatenate([label for _, label in shards]), labels_)
        np.testing.assert_array_equal(np.concatenate([view for view, _ in shards]), views)
    epoch = np.concatenate([label for part in parts for _, label in part[1:3]])
    assert len(epoch) == len(set(epoch)) == 24


def test_views_differ_between_steps_and_shapes_are_static():
    stream = pipeline.training_batches(numbered(5), 5, 0, NOISE)
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
        pipeline.training_batches(numbered(), 64, 0, NOISE)


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
    batches = list(pipeline.training_batches(images, 5, 0, NOISE).take(4))
    for views, places in batches:
        np.testing.assert_array_equal(np.floor(views[:, 0, 0, 0]), places)
    assert len(np.unique([places for _, places in batches])) == 20


def of_one_class(images):
    """The images of `numbered`, of which a class of one image would not be held out."""
    return ArrayImages("one class", images.images, np.zeros(images.images.shape[0]))


def read(images):
    """The first pixel of each image."""
    return np.concatenate([x[:, 0, 0, 0] for x, _ in pipeline.evaluation_batches(images, 4)])


@pytest.mark.parametrize("kind", [lambda: of_one_class(numbered()), streamed])
def test_hold_out_divides_a_set(kind):
    rest, held = kind().hold_out(5)
    np.testing.assert_array_equal(read(held), [0, 5, 10, 15, 20])
    np.testing.assert_array_equal(read(rest), np.delete(np.arange(23), [0, 5, 10, 15, 20]))
    assert (rest.size, held.size) == (18, 5)


def jpegs(count=12):
    """A streamed set of JPEGs of several shapes, and how they are decoded whole."""
    generator = np.random.default_rng(4)
    files = []
    for index in range(count):
        shape = (40 + 3 * (index % 4), 70 - 2 * index, 3)
        smooth = np.kron(generator.integers(0, 256, (10, 10, 3)), np.ones((6, 8, 1)))
        with io.BytesIO() as file:
            image = Image.fromarray(smooth[: shape[0], : shape[1]].astype(np.uint8))
            image.save(file, "JPEG", quality=95, subsampling=0)
            files.append(file.getvalue())
    decode = lambda i: (
        fit_square(tf.io.decode_jpeg(tf.constant(files)[i]), 32),
        tf.cast(i, tf.int32),
    )  # noqa: E731
    return files, StreamedImages(
        "jpegs",
        count,
        (32, 32, 3),
        (),
        lambda: tf.data.Dataset.range(count),
        decode,
        shuffle_buffer=count,
        encoded=lambda i: (tf.constant(files)[i], tf.cast(i, tf.int32)),
    )


def test_crops_are_cut_from_jpegs_of_any_shape_with_the_draws_of_the_step():
    """Against the crop of each whole image with the same draws; a resumed stream is the same."""
    files, images = jpegs()
    pair = pairs.IndependentPair(families.simclr(size=16))
    stream = list(pipeline.training_batches(images, 6, 3, pair).take(4))
    resumed = pipeline.training_batches(images, 6, 3, pair, first_step=2).take(2)
    for (views, labels), (again, again_labels) in zip(stream[2:], resumed, strict=True):
        np.testing.assert_array_equal(labels, again_labels)
        np.testing.assert_array_equal(views, again)
    draws = pair.draw(6, pipeline._step_seed(3, tf.constant(1, tf.int64)))
    views, labels = stream[1]
    for place, label in enumerate(labels.numpy()):
        one = tf.nest.map_structure(lambda x, place=place: x[place : place + 1], draws)
        expected = pair.apply(
            tf.io.decode_jpeg(files[label], dct_method="INTEGER_ACCURATE")[None], one
        )
        for x, y in zip(views, expected, strict=True):
            assert np.abs(x[place] - y[0]).mean() < 2 / 255


def test_shards_of_crops_cut_from_jpegs_are_the_global_batch():
    pair = pairs.IndependentPair(pairs.CropAndFlip(16))
    whole = list(pipeline.training_batches(jpegs()[1], 6, 3, pair).take(2))
    parts = [
        pipeline.training_batches(jpegs()[1], 6, 3, pair, shard=(i, 2)).take(2) for i in range(2)
    ]
    for (views, labels_), *shards in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(np.concatenate([label for _, label in shards]), labels_)
        for view, of_shards in zip(views, zip(*[v for v, _ in shards], strict=True), strict=True):
            np.testing.assert_array_equal(np.concatenate(of_shards), view)


def test_streamed_files_are_not_cropped_on_the_device():
    pair = pairs.IndependentPair(families.simclr(size=16), on_device=True)
    with pytest.raises(UserError, match="on_device = False"):
        pipeline.training_batches(jpegs()[1], 6, 3, pair)


@pytest.mark.parametrize("shape", [(60, 90), (90, 61), (40, 40)])
def test_fit_square_equals_pillow(shape):
    blocks = np.random.default_rng(0).integers(0, 256, (shape[0] // 10 + 1, shape[1] // 10 + 1, 3))
    image = np.kron(blocks, np.ones((10, 10, 1)))[: shape[0], : shape[1]].astype(np.uint8)
    height, width = (round(side * 20 / min(shape)) for side in shape)
    small = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    top, left = (height - 20) // 2, (width - 20) // 2
    expected = np.asarray(small, int)[top : top + 20, left : left + 20]
    assert np.abs(fit_square(tf.constant(image), 20).numpy().astype(int) - expected).max() <= 2


@pytest.mark.parametrize("shape", [(10, 20), (20, 10), (8, 8), (9, 8)])
def test_fit_square_cuts_the_centre(shape):
    image = np.tile(np.arange(shape[1], dtype=np.uint8)[None, :, None] * 10, (shape[0], 1, 3))
    square = fit_square(tf.constant(image), 8)
    assert square.shape == (8, 8, 3)
    assert abs(float(tf.reduce_mean(tf.cast(square, tf.float32))) - image.mean()) < 6


def test_repeated_images_come_several_times_and_are_held_once():
    class Source:
        def load(self, data_dir=None):
            return numbered(4)

    repeated = Repeat(Source(), 3).load()
    assert repeated.size == 12 and pipeline.steps_per_epoch(repeated, 6) == 2
    batches = pipeline.training_batches(repeated, 6, 0, pairs.SharedPair(pairs.CropAndFlip(8)))
    labels = np.concatenate([y for _, y in batches.take(2)])
    assert sorted(labels) == sorted(3 * [0, 1, 2, 3])
    assert len(repeated.sample(10)) == 4
    np.testing.assert_array_equal(repeated.thin(5).labels, [0, 1, 2, 3, 0])
    with pytest.raises(UserError, match="needs images that come once"):
        repeated.numbered()
    with pytest.raises(UserError, match="times >= 1"):
        Repeat(Source(), 0).load()
