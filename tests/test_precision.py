"""Mixed precision: the networks compute in 16 bits, and what must not be rounded is float32."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import graphs
from infomin_tf.errors import UserError
from infomin_tf.evaluation.linear import ProbeLearner
from infomin_tf.export import ImageEncoder, load_encoder, save_encoder
from infomin_tf.models.features import FeatureExtractor
from infomin_tf.models.resnet import ResNet18
from infomin_tf.training import precision
from infomin_tf.views import color, splits
from tests import small

ROUNDING = {"mixed_bfloat16": 2**-8, "mixed_float16": 2**-11}


@pytest.fixture(params=["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.long)])
def mixed(request):
    precision.use(request.param)
    yield request.param
    precision.use("float32")


@functools.cache
def loss_of_first_step(policy, **arguments):
    precision.use(policy)
    learner = small.contrastive_learner(**arguments)
    return float(learner.train_step(small.views())["loss"])


@pytest.mark.parametrize("arguments", [{}, {"queue": 24}, {"bank": 10, "whole": True}])
def test_a_step_is_that_of_float32_up_to_rounding(mixed, arguments):
    rounded = loss_of_first_step(mixed, **arguments)
    exact = loss_of_first_step("float32", **arguments)
    assert rounded != exact
    np.testing.assert_allclose(rounded, exact, atol=20 * ROUNDING[mixed])


def test_what_is_float32_and_what_is_not(mixed):
    learner = small.contrastive_learner(queue=24)
    seen = []
    convolution = learner.encoders[0].backbone.convolution
    call = convolution.call
    convolution.call = lambda x: seen.append(call(x)) or seen[-1]
    views, _ = small.views()
    parts = learner.split(views[0])
    embedding = learner.encoders[0](parts[0])
    assert seen[0].dtype == mixed.removeprefix("mixed_")
    assert {part.dtype for part in parts} == {tf.float32}
    assert embedding.dtype == tf.float32
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1.0, rtol=1e-6)
    assert {variable.dtype for variable in learner.trainable_variables} == {"float32"}
    assert {str(queue.dtype) for queue in learner.negatives.queues} == {"float32"}


@functools.cache
def losses(policy, steps):
    precision.use(policy)
    learner = small.contrastive_learner(learning_rate=0.1)
    step = graphs.compiled(learner.train_step)
    return [float(step(small.views(seed=i % 2))["loss"]) for i in range(steps)]


def test_training_goes_the_way_of_float32(mixed):
    rounded = losses(mixed, 12)
    exact = losses("float32", 12)
    assert exact[-1] < exact[0] - 0.3
    np.testing.assert_allclose(rounded, exact, atol=20 * ROUNDING[mixed])


def test_a_learned_split_inverts_as_in_float32(mixed):
    learner = small.view_learner()
    step = graphs.compiled(learner.train_step)
    for seed in range(3):
        pair, labels = small.views(seed=seed)
        step(((pair, labels), (pair, labels)))
    generator = learner.split.generator
    image = small.views(seed=9)[0][0]
    np.testing.assert_allclose(generator.inverse(generator(image)), image, atol=1e-5)


@pytest.mark.usefixtures("shallow_resnets")
def test_features_and_exports_are_float32(mixed, tmp_path):
    backbone = ResNet18(width=1 / 16, small_images=True, max_pool=False)
    encoder = ImageEncoder(FeatureExtractor(splits.Whole(color.RGB()), [backbone]), 12)
    encoder.build()
    images = small.views()[0][0]
    features = encoder(images)
    save_encoder(encoder, tmp_path)
    precision.use("float32")
    for path in (tmp_path / "saved_model", tmp_path / "encoder.keras"):
        loaded = load_encoder(path)(images)
        assert loaded.dtype == features.dtype == tf.float32
        np.testing.assert_allclose(loaded, features, rtol=ROUNDING[mixed])


def test_a_probe_sees_unrounded_images_and_features(mixed):
    seen = []
    extractor = FeatureExtractor(splits.Whole(color.RGB()), [small.SmallBackbone()])
    extractor.build((None, *small.VIEW_SHAPE))
    call = extractor.split.call
    extractor.split.call = lambda images: seen.append(images) or call(images)
    probe = ProbeLearner(extractor, 3, keras.optimizers.SGD(0.1))
    probe.build(None)
    images = small.views()[0][0]
    logits = probe(images)
    np.testing.assert_array_equal(seen[0], images)
    kernel, bias = (v.numpy() for v in probe.classifier.projection.variables)
    np.testing.assert_allclose(logits, extractor(images).numpy() @ kernel + bias, rtol=1e-5)


def test_other_precisions_are_refused():
    with pytest.raises(UserError, match="'float16' is not one of float32, mixed_bfloat16"):
        precision.use("float16")
    assert precision.in_use() == keras.config.dtype_policy().name == "float32"
