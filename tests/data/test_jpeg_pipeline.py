"""Streams of JPEGs: crops cut while they are decoded, and squares of images of any shape."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from infomin_tf.data import pipeline
from infomin_tf.data.indexed import IndexedImages
from infomin_tf.data.order import Order, Shard, views_seed
from infomin_tf.data.records import fit_square
from infomin_tf.errors import UserError
from infomin_tf.views import families, pairs
from infomin_tf.views.augment import jpeg
from infomin_tf.views.augment.crop import RandomResizedCrop
from infomin_tf.views.augment.photometric import Greyscale


@pytest.fixture
def small_canvas(monkeypatch):
    """Code for images of at most 80 pixels, which is compiled sooner.

    It is for views of 17 pixels, as no other test makes them.
    """
    monkeypatch.setattr(jpeg, "_CANVAS", 80)


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
    return files, IndexedImages(
        name="jpegs",
        size=count,
        image_shape=(32, 32, 3),
        class_names=(),
        fetch=lambda places: {"file": tf.gather(files, places), "index": tf.cast(places, tf.int32)},
        decode=lambda r: (fit_square(tf.io.decode_jpeg(r["file"]), 32), r["index"]),
        encoded=lambda r: (r["file"], r["index"]),
    )


def test_crops_are_cut_from_jpegs_of_any_shape_with_the_draws_of_the_step(small_canvas):
    """Against the crop of each whole image with the same draws; a resumed stream is the same."""
    files, images = jpegs()
    family = families.Family(RandomResizedCrop(17), [Greyscale(0.5)])
    pair = pairs.IndependentPair(family)
    stream = list(pipeline.training_batches(images, Order(6, 3), pair).take(4))
    resumed = pipeline.training_batches(images, Order(6, 3, first_step=2), pair).take(2)
    for (views, labels), (again, again_labels) in zip(stream[2:], resumed, strict=True):
        np.testing.assert_array_equal(labels, again_labels)
        np.testing.assert_array_equal(views, again)
    draws = pair.draw(6, views_seed(3, tf.constant(1, tf.int64)))
    views, labels = stream[1]
    for place, label in enumerate(labels.numpy()):
        one = tf.nest.map_structure(lambda x, place=place: x[place : place + 1], draws)
        expected = pair.apply(
            tf.io.decode_jpeg(files[label], dct_method="INTEGER_ACCURATE")[None], one
        )
        for x, y in zip(views, expected, strict=True):
            assert np.abs(x[place] - y[0]).mean() < 2 / 255


def test_shards_of_crops_cut_from_jpegs_are_the_global_batch(small_canvas):
    pair = pairs.IndependentPair(pairs.CropAndFlip(17))
    whole = list(pipeline.training_batches(jpegs()[1], Order(6, 3), pair).take(2))
    parts = [
        pipeline.training_batches(jpegs()[1], Order(6, 3, shard=Shard(*(i, 2))), pair).take(2)
        for i in range(2)
    ]
    for (views, labels_), *shards in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(np.concatenate([label for _, label in shards]), labels_)
        for view, of_shards in zip(views, zip(*[v for v, _ in shards], strict=True), strict=True):
            np.testing.assert_array_equal(np.concatenate(of_shards), view)


def test_streamed_files_are_not_cropped_on_the_device():
    pair = pairs.IndependentPair(families.simclr(size=16), on_device=True)
    with pytest.raises(UserError, match="on_device = False"):
        pipeline.training_batches(jpegs()[1], Order(6, 3), pair)


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
