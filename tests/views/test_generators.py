"""View generators: exact inverses, log-determinants of the Jacobian, what holds at the start."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.views import generators, pixel_blocks

ALL = [
    generators.AdditiveGenerator,
    generators.ReversibleGenerator,
    generators.AffineGenerator,
    generators.GlowGenerator,
]
VOLUME_PRESERVING = ALL[:2]
IDENTITY_AT_START = ALL[2:]
RNG = np.random.default_rng(0)
IMAGES = RNG.random((4, 8, 8, 3), np.float32)


STEPS = (0, 3, 5, 40)


def lone(generator_class, channels):
    """The argument for those generators that have it."""
    fixed = generator_class is generators.ReversibleGenerator
    return {} if fixed else {"lone_channels": channels}


@functools.cache
def trained(generator_class, lone_channels=(0, 1, 2)):
    """A generator of a block of each sort; its weights after STEPS that decorrelate channels."""
    keras.utils.set_random_seed(1)
    generator = generator_class(max(len(lone_channels), 2), **lone(generator_class, lone_channels))
    generator.build((None, 8, 8, 3))
    variables = [v.value for v in generator.trainable_variables]

    @graphs.compiled
    def step():
        with tf.GradientTape() as tape:
            pixels = tf.reshape(generator(IMAGES), [-1, 3])
            centred = pixels - tf.reduce_mean(pixels, axis=0)
            loss = tf.reduce_mean(tf.square(centred[:, :1] * centred[:, 1:]))
            loss += tf.reduce_mean(tf.square(pixels - [0.1, 0.5, 0.8]))
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(1e-2 * tf.nn.softsign(1e2 * gradient))  # Adam's graph is large

    weights = {0: generator.get_weights()}
    for number in range(1, max(STEPS) + 1):
        step()
        if number in STEPS:
            weights[number] = generator.get_weights()
    return generator, weights


def standing(generator_class, steps, lone_channels=(0, 1, 2)):
    """The one generator of its kind, with its weights after so many steps."""
    generator, weights = trained(generator_class, lone_channels)
    generator.set_weights(weights[steps])
    return generator


@functools.cache
def under_xla(generator_class, lone_channels=(0, 1, 2)):
    """Compiled once for all weights: (X of g(X), g(X), log|det J|) of images X."""
    generator, _ = trained(generator_class, lone_channels)

    def all_of(images):
        channels, log_det = generator.forward_with_log_det(images)
        return generator.inverse(channels), channels, log_det

    return graphs.compiled(all_of, jit_compile=True)


@pytest.fixture(autouse=True, scope="module")
def forgotten():
    """What the tests of this file share is not kept after them."""
    yield
    trained.cache_clear()
    under_xla.cache_clear()


@pytest.mark.parametrize("lone_channels", [(0, 1, 2), (0,)])
@pytest.mark.parametrize("steps", [0, 40])
@pytest.mark.parametrize("generator_class", ALL)
def test_inverse_inverts(generator_class, steps, lone_channels):
    standing(generator_class, steps, lone_channels)
    back = under_xla(generator_class, lone_channels)(IMAGES)[0]
    np.testing.assert_allclose(back, IMAGES, atol=1e-4)


@pytest.mark.parametrize("generator_class", ALL)
def test_log_det_is_that_of_the_jacobian(generator_class):
    generator = standing(generator_class, 40)
    pixels = tf.constant(IMAGES[:1, 0].transpose(1, 0, 2)[:, :, None])  # [8, 1, 1, 3]
    _, log_det = generator.forward_with_log_det(pixels)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(pixels)
        channels = tf.unstack(generator(pixels), axis=-1)
    rows = [tape.gradient(channel, pixels) for channel in channels]  # of each pixel on its own
    jacobian = tf.reshape(tf.stack(rows, axis=-2), [8, 3, 3]).numpy()
    expected = np.linalg.slogdet(jacobian.astype(np.float64)).logabsdet
    np.testing.assert_allclose(tf.reshape(log_det, [8]), expected, atol=1e-4)
    if generator_class in VOLUME_PRESERVING:
        assert np.abs(log_det).max() == 0.0
    else:
        assert np.abs(log_det).max() > 1e-3


@pytest.mark.parametrize("generator_class", IDENTITY_AT_START)
def test_starts_as_the_identity(generator_class):
    np.testing.assert_allclose(standing(generator_class, 0)(IMAGES), IMAGES, atol=1e-6)


@pytest.mark.parametrize("generator_class", VOLUME_PRESERVING)
def test_starts_near_the_identity_but_not_at_it(generator_class):
    distance = np.abs(standing(generator_class, 0)(IMAGES) - IMAGES)
    assert 1e-3 < distance.mean() < 1.0


@pytest.mark.parametrize("generator_class", ALL)
def test_is_pixel_wise(generator_class):
    generator = standing(generator_class, 5)
    changed = IMAGES.copy()
    changed[0, 2, 3] += 0.3
    difference = np.abs(generator(changed) - generator(IMAGES)).max(axis=-1)
    assert difference[0, 2, 3] > 1e-3
    difference[0, 2, 3] = 0.0
    assert difference.max() < 1e-6


@pytest.mark.parametrize("generator_class", ALL)
def test_every_weight_learns(generator_class):
    generator, weights = trained(generator_class)
    assert generator.weights == generator.trainable_weights
    changed = [bool(np.any(a != b)) for a, b in zip(weights[3], weights[0], strict=True)]
    assert all(changed), [v.path for v, c in zip(generator.weights, changed, strict=True) if not c]


def test_hidden_units_start_small_but_not_dead():
    """Standard deviations 1 / sqrt(inputs) and 0.1 of so many weights, positive biases."""
    network = pixel_blocks.CouplingNetwork(2, 4000, 3, leading_relu=False, last_stddev=0.1)
    hidden_kernel, hidden_bias, output_kernel, output_bias = network.get_weights()
    assert np.std(hidden_kernel) == pytest.approx(2**-0.5, rel=0.05)
    assert np.std(output_kernel) == pytest.approx(0.1, rel=0.05)
    np.testing.assert_array_equal(hidden_bias, np.full((4000, 1), 0.5))
    np.testing.assert_array_equal(output_bias, np.zeros((3, 1)))


def test_parameter_counts_of_the_authors_code():
    for generator_class, expected in zip(VOLUME_PRESERVING, (4 * 9, 4 * 15), strict=True):
        generator = generator_class()
        generator.build((None, 8, 8, 3))
        assert generator.count_params() == expected


def test_the_second_form_is_that_of_the_authors_code():
    """Y1 = X1 + F(X2), Y2 = X2 + G(relu(Y1)) of {0 | 1, 2}, then of {0, 1 | 2}; by NumPy."""
    generator = generators.ReversibleGenerator(num_blocks=2)
    generator.build((None, 8, 8, 3))
    for weight in generator.weights:
        weight.assign(RNG.standard_normal(weight.shape))

    def network(layer, x):
        a, b, c, d = (v.numpy() for v in layer.weights)
        return c @ np.maximum(a @ x + b, 0.0) + d

    x = RNG.standard_normal((3, 50)).astype(np.float32)
    y = x.copy()
    for size, block in zip((1, 2), generator.blocks, strict=True):
        assert [v.shape[1] for v in (block.f.weights[0], block.g.weights[0])] == [3 - size, size]
        y[:size] += network(block.f, y[size:])
        y[size:] += network(block.g, np.maximum(y[:size], 0.0))
    channels = generator(x.T[None, None])[0, 0]
    np.testing.assert_allclose(tf.transpose(channels), y, rtol=1e-4, atol=1e-4)


def test_luminance_stays_apart_from_chroma_when_it_stands_alone():
    """With lone_channels=(0,), a block moves luminance by chroma or chroma by luminance."""
    generator = standing(generators.AdditiveGenerator, 0, lone_channels=(0,))
    x = tf.split(tf.constant(IMAGES[0, 0].T), 3)
    y = generator.blocks[0].forward(x)[0]
    np.testing.assert_array_equal(y[1:], x[1:])
    z = generator.blocks[1].forward(x)[0]
    np.testing.assert_array_equal(z[0], x[0])


def test_wrong_number_of_channels_is_refused():
    with pytest.raises(ValueError, match="3 channels, not 4"):
        generators.AffineGenerator().build((None, 8, 8, 4))


@pytest.mark.parametrize(
    "arguments", [{"lone_channels": (3,)}, {"lone_channels": ()}, {"num_blocks": 0}]
)
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        generators.AdditiveGenerator(**arguments)


@pytest.mark.parametrize("generator_class", ALL)
def test_one_block_is_enough(generator_class):
    generator = generator_class(num_blocks=1)
    generator.build((None, 8, 8, 3))
    assert len(generator.blocks) == 1
    np.testing.assert_allclose(generator.inverse(generator(IMAGES)), IMAGES, atol=1e-5)


@pytest.mark.parametrize("generator_class", ALL)
def test_saved_models_do_not_name_the_module_of_a_generator(generator_class):
    name = keras.saving.get_registered_name(generator_class)
    assert name == f"infomin_tf>{generator_class.__name__}"


@pytest.mark.parametrize("generator_class", ALL)
def test_model_is_restored_from_its_file(generator_class, tmp_path):
    generator = generator_class(num_blocks=2, **lone(generator_class, (0,)))
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, generator(images))
    for weight in generator.weights:
        weight.assign_add(0.1 * RNG.standard_normal(weight.shape).astype(np.float32))
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(restored(IMAGES), model(IMAGES))
    assert restored.layers[-1].num_blocks == 2


@pytest.mark.parametrize("generator_class", ALL)
def test_compiled_equals_eager(generator_class):
    generator = standing(generator_class, 5)
    compiled = under_xla(generator_class)(IMAGES)[1:]
    for ours, expected in zip(compiled, generator.forward_with_log_det(IMAGES), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_weight_names_do_not_depend_on_what_was_built_before():
    first, second = generators.AffineGenerator(), generators.AffineGenerator()
    for generator in (first, second):
        generator.build((None, 8, 8, 3))
    names = [[v.path.split("/", 1)[1] for v in g.weights] for g in (first, second)]
    assert names[0] == names[1] and len(set(names[0])) == len(names[0])
