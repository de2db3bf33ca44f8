"""Exported encoders take the images that people have, or say what is wrong with them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import infomin_tf
from infomin_tf import graphs
from infomin_tf.errors import UserError
from infomin_tf.models.unit_images import to_unit

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (4, 40, 36, 3), dtype=np.uint8)
FLOATS = IMAGES.astype(np.float32) / 255
WRONG = {
    "0 to 255": FLOATS * 255,
    "-1 to 1": FLOATS * 2 - 1,
    "standardised": (FLOATS - FLOATS.mean()) / FLOATS.std(),
    "nan": np.where(FLOATS > 0.99, np.nan, FLOATS),
    "infinite": np.where(FLOATS > 0.99, np.inf, FLOATS),
}
WRONG_INTEGERS = {
    "16 bits": IMAGES.astype(np.uint16) * 257,
    "negative": IMAGES.astype(np.int32) - 128,
}
KINDS = ["saved_model", "encoder.keras"]


@pytest.fixture(scope="module")
def features(small_export):
    return small_export[0](IMAGES).numpy()


@pytest.fixture(scope="module", params=KINDS)
def layer(request, small_export):
    return infomin_tf.load_encoder(small_export[1] / request.param)


@pytest.fixture(scope="module", params=KINDS)
def byte_layer(request, small_export):
    return infomin_tf.load_encoder(small_export[1] / request.param, dtype="uint8")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "int64"])
def test_integers_of_any_type_are_0_to_255(layer, features, dtype):
    np.testing.assert_allclose(layer(IMAGES.astype(dtype)), features, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_floats_of_any_type_are_0_to_1(layer, features, dtype):
    given = layer(tf.cast(FLOATS, dtype))
    assert given.dtype == tf.float32
    rounding = 0.2 if "16" in dtype else 1e-4
    np.testing.assert_allclose(given, features, atol=rounding)


def test_a_model_that_begins_with_an_input_of_uint8(layer, features):
    sequential = keras.Sequential([keras.Input((40, 36, 3), dtype="uint8"), layer])
    inputs = keras.Input((None, None, 3), dtype="uint8")
    functional = keras.Model(inputs, keras.layers.Identity()(layer(inputs)))
    for model in (sequential, functional):
        np.testing.assert_allclose(model.predict(IMAGES, verbose=0), features, atol=1e-4)


def test_without_that_input_the_encoder_says_how(layer):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        keras.Sequential([layer]).predict(IMAGES, verbose=0)
    assert "begin the model with a keras.Input of dtype uint8" in str(caught.value)


def test_an_encoder_of_uint8_needs_no_input(byte_layer, features):
    np.testing.assert_allclose(byte_layer(IMAGES.astype(np.int32)), features, atol=1e-4)
    model = keras.Sequential([byte_layer])
    np.testing.assert_allclose(model.predict(IMAGES, verbose=0), features, atol=1e-4)
    with pytest.raises(UserError, match="takes images of 0 to 255; leave out the dtype"):
        byte_layer(FLOATS)


@pytest.mark.parametrize("kind", WRONG)
def test_floats_of_another_range_are_refused(layer, kind):
    with pytest.raises(
        UserError, match="^images of floats must be 0 to 1.*; these are [^ ]* to [^ ]*$"
    ):
        layer(WRONG[kind])


@pytest.mark.parametrize("kind", WRONG_INTEGERS)
def test_integers_of_another_range_are_refused(layer, kind):
    with pytest.raises(UserError, match="^images of integers must be 0 to 255.*; these are"):
        layer(WRONG_INTEGERS[kind])


def test_overshoots_and_dark_images_are_taken(layer):
    for images in (FLOATS * 1.4 - 0.2, np.zeros_like(FLOATS)):
        assert np.isfinite(layer(images)).all()


def test_a_saved_model_without_our_code_refuses_the_range(small_export):
    loaded = tf.saved_model.load(str(small_export[1] / "saved_model"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="images of floats must be 0 to 1"):
        loaded.serve_float(WRONG["0 to 255"])


def test_where_code_cannot_stop_features_are_nan():
    compiled = graphs.compiled(to_unit, jit_compile=True)
    assert not np.isnan(compiled(FLOATS)).any()
    for kind, images in (WRONG | WRONG_INTEGERS).items():
        assert np.isnan(compiled(images)).all(), kind


@pytest.mark.parametrize("dtype", [bool, complex, str])
def test_images_of_no_numbers_are_refused(dtype):
    with pytest.raises(UserError, match="expects images of numbers, not"):
        to_unit(tf.constant(np.zeros((1, 2, 2, 3)).astype(dtype)))


@pytest.mark.parametrize(
    "shape, fix",
    [
        ((4, 40, 36, 1), "repeat the grey channel"),
        ((4, 40, 36, 4), r"images\[..., :3\]"),
        ((40, 36, 3), "add a batch axis"),
        ((40, 36), "give a batch of RGB images"),
    ],
)
def test_images_of_another_shape_are_refused(layer, shape, fix):
    given = rf"\[{', '.join(map(str, shape))}\]"
    pattern = rf"^the encoder expects images \[B, H, W, 3\], not {given}; .*{fix}"
    with pytest.raises(UserError, match=pattern):
        layer(np.zeros(shape, np.float32))


def test_a_model_of_grey_images_is_refused_when_it_is_made(layer):
    with pytest.raises(UserError, match="repeat the grey channel"):
        keras.Sequential([keras.Input((40, 36, 1)), layer])
