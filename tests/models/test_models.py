"""Networks: shapes, parameter counts, compilation, serialisation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.errors import UserError
from infomin_tf.models import alexnet, heads, resnet
from infomin_tf.models.encoder import Encoder

RNG = np.random.default_rng(0)


def built(layer, size, channels=3):
    keras.utils.set_random_seed(0)
    layer.build((None, size, size, channels))
    return layer


def shapes_only(layer, size, channels=3):
    """Built, but no weight has a value: where they are counted only."""
    with keras.StatelessScope(initialize_variables=False):
        built(layer, size, channels)
    keras.utils.clear_session(free_memory=False)  # which else would fill them later
    return layer


@pytest.mark.parametrize(
    ("size", "side", "units"), [(96, 11, 2048), (64, 7, 2048), (48, 5, 2048), (32, 3, 512)]
)
def test_alexnet_half_has_the_maps_of_the_recipe(size, side, units):
    network = shapes_only(alexnet.AlexNetHalf(), size, 1)
    assert network.map_shape == (side, side, 96) and network.output_dimension == units


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_alexnet_half_parameter_count(channels):
    """Convolutions without bias, four numbers a normalised channel, two dense layers with bias."""
    filters = [channels, 48, 96, 192, 192, 96]
    convolutions = sum(9 * a * b for a, b in zip(filters, filters[1:], strict=False))
    normalizations = 4 * (sum(filters[1:]) + 2 * 512)
    dense = (3 * 3 * 96 + 1) * 512 + (512 + 1) * 512
    network = shapes_only(alexnet.AlexNetHalf(), 32, channels)
    assert network.count_params() == convolutions + normalizations + dense


def test_alexnet_width_and_small_images():
    network = shapes_only(alexnet.AlexNetHalf(width=0.25), 48, 2)
    assert network.map_shape[-1] == 24 and network.output_dimension == 512
    with pytest.raises(UserError, match="at least 24x24"):
        built(alexnet.AlexNetHalf(), 16)
    for wrong in ({"width": 0}, {"dropout": 1.0}, {"dropout": -0.1}):
        with pytest.raises(ValueError, match="width > 0 and 0 <= dropout < 1"):
            alexnet.AlexNetHalf(**wrong)


def bottleneck_parameters(blocks, groups, group_width):
    """Of a network with 1000 classes, from the table of arXiv:1611.05431."""
    count, channels = 9_408 + 2 * 64, 64
    for stage, number in enumerate(blocks):
        inner, outer = groups * group_width * 2**stage, 256 * 2**stage
        count += channels * outer + 2 * outer  # shortcut
        for _ in range(number):
            count += channels * inner + 9 * inner * inner // groups + inner * outer
            count += 2 * (inner + inner + outer)
            channels = outer
    return count + 2049 * 1000


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (resnet.ResNet18, 11_689_512),
        (resnet.ResNet34, 21_797_672),
        (resnet.ResNet50, 25_557_032),
        (resnet.ResNet101, 44_549_160),
        (resnet.ResNet152, 60_192_808),
        (resnet.ResNeXt50, 25_028_904),
        (resnet.ResNeXt101, 88_791_336),
        (resnet.ResNeXt152, bottleneck_parameters((3, 8, 36, 3), 32, 8)),
    ],
)
def test_resnets_have_torchvisions_parameters(network, expected):
    """ResNeXt-152 is not in torchvision; the formula is checked on its ResNeXt-101."""
    assert bottleneck_parameters((3, 4, 23, 3), 32, 8) == 88_791_336
    backbone = shapes_only(network(), 64)
    trainable = sum(int(np.prod(v.shape)) for v in backbone.trainable_variables)
    assert trainable + (backbone.output_dimension + 1) * 1000 == expected


@pytest.mark.parametrize(
    ("small_images", "max_pool", "first"), [(False, True, 4), (False, False, 2), (True, False, 1)]
)
def test_stage_outputs_have_the_stated_strides(small_images, max_pool, first):
    backbone = built(resnet.ResNet18(0.125, small_images, max_pool), 64)
    images = RNG.random((2, 64, 64, 3), np.float32)
    maps = backbone.stage_outputs(images)
    sides = [64 // (first * 2**stage) for stage in range(4)]
    assert [m.shape for m in maps] == [(2, s, s, 8 * 2**i) for i, s in enumerate(sides)]
    np.testing.assert_allclose(backbone(images), np.mean(maps[-1], (1, 2)), atol=1e-6)


@pytest.mark.usefixtures("shallow_resnets")
@pytest.mark.parametrize("network", [resnet.ResNet18, resnet.ResNet50])
def test_zero_init_last_starts_each_block_as_its_shortcut(network):
    backbone = built(network(0.0625, zero_init_last=True), 32)
    for block in backbone.blocks:
        x = tf.constant(RNG.normal(size=(2, 6, 6, block.residual[0].convolution.kernel.shape[2])))
        x = tf.cast(x, tf.float32)
        shortcut = x if block.shortcut is None else block.shortcut(x, training=True)
        np.testing.assert_allclose(block(x, training=True), tf.nn.relu(shortcut), atol=1e-6)


@pytest.mark.usefixtures("shallow_resnets")
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_the_policy_of_a_backbone_is_that_of_its_parts(dtype):
    arguments = {"synchronized": False, "normalization_splits": 2, "dtype": dtype}
    backbone = built(resnet.ResNeXt50(0.03125, **arguments), 32)
    backbone = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(backbone))
    for part in (
        backbone.stem,
        backbone.blocks[-1].shortcut or backbone.stem,
        backbone.blocks[-1].residual[-1],
    ):
        assert not part.normalization.synchronized and part.normalization.splits == 2
    assert {v.dtype for v in backbone.variables} == {"float32"}
    maps = backbone.stage_outputs(RNG.random((2, 32, 32, 3), np.float32), training=True)
    assert {m.dtype.name for m in maps} == {dtype.removeprefix("mixed_")}


NETWORKS = [
    lambda: alexnet.AlexNetHalf(0.0625),
    lambda: resnet.ResNet18(0.0625, small_images=True, max_pool=False),
    lambda: resnet.ResNet50(0.03125),
    lambda: resnet.ResNeXt50(0.03125),
]


@pytest.mark.usefixtures("shallow_resnets")
@pytest.mark.parametrize("make", NETWORKS)
def test_compiled_equals_eager_and_every_weight_has_a_gradient(make):
    network = built(Encoder(make(), heads.MlpHead(8)), 32)
    images = tf.constant(RNG.random((4, 32, 32, 3)), tf.float32)
    compiled = graphs.compiled(lambda x: network(x, training=True), jit_compile=True)
    with tf.GradientTape() as tape:
        output = network(images, training=True)
        loss = tf.reduce_sum(output[:, 0])
    gradients = tape.gradient(loss, [v.value for v in network.trainable_variables])
    assert all(g is not None and np.isfinite(g).all() for g in gradients)
    np.testing.assert_allclose(compiled(images), output, atol=2e-3)


@pytest.mark.usefixtures("shallow_resnets")
@pytest.mark.parametrize("make", NETWORKS)
def test_configuration_rebuilds_the_network(make):
    network = built(Encoder(make(), heads.LinearHead(8)), 32)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(network))
    copy = built(copy, 32)
    copy.set_weights(network.get_weights())
    images = RNG.random((2, 32, 32, 3), np.float32)
    np.testing.assert_allclose(copy(images), network(images), atol=1e-6)


@pytest.mark.usefixtures("shallow_resnets")
@pytest.mark.parametrize("make", NETWORKS)
def test_saved_and_loaded_model_gives_the_same_output(make, tmp_path):
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, Encoder(make(), heads.MlpHead(8))(inputs))
    model.set_weights([w + 0.05 * RNG.random(w.shape) for w in model.get_weights()])
    model.save(tmp_path / "model.keras")
    images = RNG.random((3, 32, 32, 3), np.float32)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(images), model(images), atol=1e-6)


@pytest.mark.usefixtures("shallow_resnets")
@pytest.mark.parametrize(
    "make", [*NETWORKS[:2], *(pytest.param(make, marks=pytest.mark.long) for make in NETWORKS[2:])]
)
def test_two_replicas_normalise_as_one_device_does(make, two_replicas):
    """The halves differ in contrast, so that statistics of one half only would show."""
    images = RNG.random((8, 32, 32, 3), np.float32) * np.repeat([1, 3], 4)[:, None, None, None]
    images = images.astype(np.float32)
    alone = built(make(), 32)
    expected = alone(images, training=True)
    with two_replicas.scope():
        together = built(make(), 32)

    def part(context):
        start = 4 * context.replica_id_in_sync_group
        return tf.constant(images[start : start + 4])

    step = graphs.compiled(lambda x: two_replicas.run(lambda v: together(v, training=True), (x,)))
    parts = step(two_replicas.experimental_distribute_values_from_function(part))
    output = tf.concat(two_replicas.experimental_local_results(parts), 0)
    np.testing.assert_allclose(output, expected, atol=5e-3)
    for one, other in zip(alone.non_trainable_weights, together.non_trainable_weights, strict=True):
        np.testing.assert_allclose(other.numpy(), one.numpy(), atol=1e-3)


def test_heads():
    features = RNG.normal(size=(5, 12)).astype(np.float32)
    for head in (heads.LinearHead(7), heads.MlpHead(7), heads.MlpHead(7, hidden=30)):
        head.build((None, 12))
        np.testing.assert_allclose(np.linalg.norm(head(features), axis=1), 1.0, atol=1e-5)
    mlp = heads.MlpHead(7)
    mlp.build((None, 12))
    assert mlp.count_params() == 13 * 12 + 13 * 7
    raw = heads.LinearHead(7, normalize=False)
    raw.build((None, 12))
    kernel, bias = raw.get_weights()
    np.testing.assert_allclose(raw(features), features @ kernel + bias, atol=1e-5)
