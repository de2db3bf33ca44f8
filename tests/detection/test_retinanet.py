"""RetinaNet on an exported ResNet: its maps, its start, its targets, and a short training."""

import json
import shutil

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from infomin_tf import export
from infomin_tf.errors import UserError
from infomin_tf.models import alexnet
from infomin_tf.views import color, splits
from tests.detection.conftest import write_voc
from tests.formats import encoders

for name in ("keras_hub", "pycocotools"):
    pytest.importorskip(name, reason=f"the extra detection is missing: {name}")

IMAGE_SHAPE = (64, 64, 3)


def saved(folder, backbone, **arguments):
    """A folder with encoder.keras."""
    export.save_encoder(encoders.of_network(backbone, **arguments), folder, ["keras"])
    return folder


def narrow(**arguments):
    return encoders.ShallowResNet(width=0.125, **arguments)


@pytest.fixture(autouse=True)
def known_to_keras():
    with keras.saving.custom_object_scope({"ShallowResNet": encoders.ShallowResNet}):
        yield


@pytest.fixture
def pyramid(tmp_path):
    import detector

    return detector.load_pyramid(saved(tmp_path / "export", narrow()))


@pytest.fixture
def model(pyramid):
    import detector

    return detector.build(pyramid, 2, IMAGE_SHAPE, head_convolutions=1)


def test_the_maps_are_those_of_the_last_three_stages(pyramid, model):
    images = np.random.default_rng(0).uniform(0, 255, (2, *IMAGE_SHAPE)).astype(np.float32)
    [part] = pyramid.split(images / 255)
    wanted = pyramid.backbone.stage_outputs(part, training=False)[1:]
    found = model.backbone.image_encoder(images)
    assert list(found) == ["P3", "P4", "P5"]
    for level, (name, stage) in enumerate(zip(found, wanted, strict=True), start=3):
        np.testing.assert_array_equal(found[name], stage)
        assert found[name].shape[1:3] == (64 // 2**level,) * 2


def test_weights_are_those_of_the_export_or_new_ones(tmp_path):
    import detector

    folder = saved(tmp_path / "export", narrow())
    encoder = export.load_encoder(folder)
    loaded, new = (detector.load_pyramid(folder, from_scratch) for from_scratch in (False, True))
    detector.build(new, 2, IMAGE_SHAPE)
    pairs = zip(
        encoder.extractor.backbones[0].weights,
        loaded.backbone.weights,
        new.backbone.weights,
        strict=True,
    )
    for of_export, of_loaded, of_new in pairs:
        np.testing.assert_array_equal(of_export, of_loaded)
        assert of_new.shape == of_export.shape
        assert np.abs(of_new.numpy() - of_export.numpy()).max() > 0
    np.testing.assert_array_equal(new.split.channel_mean, encoder.extractor.split.channel_mean)


def test_all_batch_normalisation_is_trained(model):
    import detector

    layers = [
        layer
        for layer in model.backbone.image_encoder._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert len(layers) == 1 + 4 * 2 + 3
    trainable = {id(variable) for variable in model.trainable_variables}
    assert all(id(v) in trainable for layer in layers for v in (layer.gamma, layer.beta))
    before = [[w.numpy() for w in layer.weights] for layer in layers]
    detector.compile_for(model, 10, 1e-2)
    images, boxes = batch()
    model.fit(tf.data.Dataset.from_tensors((images, boxes)).repeat(2), shuffle=False, verbose=0)
    for layer, weights in zip(layers, before, strict=True):
        for weight, old in zip(layer.weights, weights, strict=True):
            assert np.abs(weight.numpy() - old).max() > 0, weight.path


def batch():
    """Two images with two boxes and one, and what stands for no box."""
    from training_images import NO_BOX

    images = np.full((2, *IMAGE_SHAPE), 100, np.float32)
    boxes = np.tile(NO_BOX, (2, 3, 1))
    boxes[0, :2] = [[4, 4, 24, 24], [30, 30, 62, 50]]
    boxes[1, 0] = [10, 40, 17, 46]  # smaller than every anchor
    labels = np.array([[0, 1, -1], [1, -1, -1]])
    for image, corners, classes in zip(images, boxes, labels, strict=True):
        for box, label in zip(corners.astype(int), classes, strict=True):
            if label >= 0:
                image[box[1] : box[3], box[0] : box[2], label] = 250
    return images, {"boxes": boxes, "labels": labels}


def test_the_heads_start_at_the_prior(model):
    from detector import PRIOR

    maps = np.zeros((1, 8, 8, 256), np.float32)
    scores = keras.ops.sigmoid(model.classification_head(maps))
    np.testing.assert_allclose(scores, PRIOR, rtol=1e-5)
    assert not np.any(model.box_head(maps))
    for head in (model.box_head, model.classification_head):
        assert np.std(head.prediction_layer.kernel) == pytest.approx(0.01, rel=0.05)


def test_every_box_has_an_anchor_whose_target_is_the_box(model):
    images, given = batch()
    targets, labels = model.label_encoder(images, given["boxes"], given["labels"])
    anchors = np.concatenate([np.asarray(a) for a in model.anchor_generator(images).values()])
    targets, labels = np.asarray(targets), np.asarray(labels)
    centres, sides = (anchors[:, :2] + anchors[:, 2:]) / 2, anchors[:, 2:] - anchors[:, :2]
    for image in range(2):
        matched = labels[image] >= 0
        moved = centres + targets[image, :, :2] * sides
        extents = sides * np.exp(targets[image, :, 2:])
        corners = np.concatenate([moved - extents / 2, moved + extents / 2], axis=1)[matched]
        found = {
            (int(label), *np.round(box).astype(int).tolist())
            for label, box in zip(labels[image][matched], corners, strict=True)
        }
        real = given["labels"][image] >= 0
        assert found == {
            (int(label), *box.astype(int).tolist())
            for label, box in zip(
                given["labels"][image][real], given["boxes"][image][real], strict=True
            )
        }


def test_the_loss_is_the_papers(model):
    """Focal loss (arXiv:1708.02002, equation 5) and smooth L1, added over all,
    over the number of matched anchors, in NumPy.
    """
    import detector

    images, given = batch()
    detector.compile_for(model, 10, 1e-3)
    examples = tf.data.Dataset.from_tensors((images, given))
    loss = model.evaluate(examples, verbose=0, return_dict=True)["loss"]
    outputs = model(images, training=False)
    targets, labels = model.label_encoder(images, given["boxes"], given["labels"])
    targets, labels = np.asarray(targets, np.float64), np.asarray(labels)
    logits = np.asarray(outputs["cls_logits"], np.float64)
    matched = labels >= 0
    p = 1 / (1 + np.exp(-logits))
    right = labels[..., None] == np.arange(2)
    p_t, alpha_t = np.where(right, p, 1 - p), np.where(right, 0.25, 0.75)
    focal = -alpha_t * (1 - p_t) ** 2 * np.log(p_t)
    away = np.abs(np.asarray(outputs["bbox_regression"]) - targets)
    smooth = np.where(away < 0.1, away**2 / 0.2, away - 0.05)
    wanted = focal[labels != -2].sum() + smooth[matched].sum()
    assert loss == pytest.approx(wanted / matched.sum(), rel=1e-4)


@pytest.mark.long
def test_the_loss_falls(model):
    import detector

    detector.compile_for(model, 20, 3e-3)
    examples = tf.data.Dataset.from_tensors(batch()).repeat(5)
    losses = model.fit(examples, epochs=4, shuffle=False, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


def test_of_overlapping_boxes_of_a_class_the_most_certain_is_kept():
    import detector

    boxes = np.array([[[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 9], [30, 30, 40, 40]]], np.float32)
    scores = np.array([[[0.9, 0], [0.8, 0], [0, 0.7], [0.04, 0]]])
    logits = np.log(np.maximum(scores, 1e-6) / (1 - np.maximum(scores, 1e-6))).astype(np.float32)
    kept = detector.Suppression()(boxes, logits)
    count = int(kept["num_detections"][0])
    assert count == 2
    np.testing.assert_allclose(kept["confidence"][0, :count], [0.9, 0.7], rtol=1e-4)
    np.testing.assert_array_equal(kept["labels"][0, :count], [0, 1])
    np.testing.assert_array_equal(kept["boxes"][0, :count], boxes[0, [0, 2]])


def test_what_carries_no_pyramid_is_refused(tmp_path):
    import detector

    whole = splits.Whole(color.RGB(), (0.5,) * 3, (0.2,) * 3)
    halves = splits.ChannelSplit(color.YDbDr(), mean=(0.5, 0, 0), std=(0.2,) * 3)
    cases = {
        "bind|pre-train with a ResNet": alexnet.AlexNetHalf(width=0.0625),
        "ShallowResNet.small_images = False": narrow(small_images=True),
        "ShallowResNet.max_pool = True": narrow(max_pool=False),
    }
    for number, (message, backbone) in enumerate(cases.items()):
        folder = saved(tmp_path / str(number), backbone, size=64, resize=70, split=whole)
        with pytest.raises(UserError, match=message):
            detector.load_pyramid(folder)
    export.save_encoder(encoders.of_halves(halves), tmp_path / "halves", ["keras"])
    with pytest.raises(UserError, match="splits images into views .ChannelSplit.*= @Whole"):
        detector.load_pyramid(tmp_path / "halves")
    export.save_encoder(encoders.of_network(narrow()), tmp_path / "graph", ["saved_model"])
    with pytest.raises(UserError, match="bin/export --format=keras"):
        detector.load_pyramid(tmp_path / "graph")


def flags(tmp_path, epochs):
    """Of a small training on squares, but for --out."""
    images = write_voc(tmp_path / "voc", {"train": 16, "test": 4})
    folder = saved(tmp_path / "export", narrow())
    small = ["--side=64", "--head_convolutions=1", f"--epochs={epochs}", "--learning_rate=3e-3"]
    return [f"--images={images}", f"--export={folder}", *small]


@pytest.mark.long
def test_a_stopped_training_continues_to_the_same_weights(tmp_path, monkeypatch):
    import retinanet
    from training_images import TrainingImages

    begin, given = TrainingImages.begin, flags(tmp_path, epochs=3)

    def stopped(self, epoch):
        if epoch == 2:
            raise KeyboardInterrupt
        begin(self, epoch)

    monkeypatch.setattr(TrainingImages, "begin", stopped)
    with pytest.raises(SystemExit, match="the same command continues"):
        retinanet.main([*given, f"--out={tmp_path / 'stopped'}"])
    assert not (tmp_path / "stopped" / "results.json").exists()
    shutil.copytree(tmp_path / "stopped", tmp_path / "torn")
    newest = tmp_path / "torn" / "backup" / "latest.weights.h5"
    newest.write_bytes(newest.read_bytes()[:5000])
    monkeypatch.setattr(TrainingImages, "begin", begin)
    for name in ("stopped", "torn", "whole"):
        retinanet.main([*given, f"--out={tmp_path / name}"])
        assert not (tmp_path / name / "backup").exists()
    whole = arrays(tmp_path / "whole" / "detector.weights.h5")
    assert len(whole) > 50
    for name in ("stopped", "torn"):
        found = arrays(tmp_path / name / "detector.weights.h5")
        assert found.keys() == whole.keys()
        for path, value in whole.items():
            np.testing.assert_array_equal(found[path], value, path)


@pytest.mark.parametrize("place", ["save_weights", "find"])
def test_after_a_stop_in_the_measuring_nothing_is_trained_again(tmp_path, monkeypatch, place):
    import detector
    import keras_hub
    import retinanet
    from training_images import TrainingImages

    def stopped(*_):
        raise KeyboardInterrupt

    kind = keras_hub.models.RetinaNetObjectDetector
    given, out = [*flags(tmp_path, epochs=1), f"--out={tmp_path / 'out'}"], tmp_path / "out"
    begin, begun = TrainingImages.begin, []
    with monkeypatch.context() as patched:
        if place == "find":
            patched.setattr(detector, "find", stopped)
        else:
            patched.setattr(kind, "save_weights", only_backups(kind))
        with pytest.raises(SystemExit, match="the same command continues"):
            retinanet.main(given)
    assert not (out / "results.json").exists()
    trained = arrays(out / "backup" / "latest.weights.h5")
    monkeypatch.setattr(
        TrainingImages, "begin", lambda self, epoch: (begun.append(epoch), begin(self, epoch))
    )
    monkeypatch.setattr(kind, "train_step", stopped)
    retinanet.main(given)
    assert begun == [0]  # when they were made; no epoch
    assert json.loads((out / "results.json").read_text())["steps"] == 2
    saved_arrays = arrays(out / "detector.weights.h5")
    for path, value in saved_arrays.items():
        np.testing.assert_array_equal(trained[path], value, path)
    assert len(saved_arrays) > 50 and not (out / "backup").exists()


def only_backups(kind):
    """save_weights that is stopped except where it writes a backup."""
    save = kind.save_weights

    def save_weights(self, filepath, **arguments):
        if "backup" not in str(filepath):
            raise KeyboardInterrupt
        save(self, filepath, **arguments)

    return save_weights


def arrays(path):
    """Dict of the arrays of an HDF5 file."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update(
                {name: item[()]} if isinstance(item, h5py.Dataset) else {}
            )
        )
    return found


@pytest.mark.long
def test_a_training_finds_squares(tmp_path, capsys):
    import retinanet

    retinanet.main([*flags(tmp_path, epochs=25), f"--out={tmp_path / 'out'}"])
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["AP50"] > 25 and found["steps"] == 50
    assert found["measure_on"] == "test" and found["per_class"]["red"]["boxes"] == 4
    shown = capsys.readouterr().out
    assert f"all{found['AP']:>25.1f}" in shown and "50 steps" in shown


def test_names_that_training_does_not_know_are_said(tmp_path):
    import retinanet
    from voc import Voc

    images = write_voc(tmp_path / "voc", {"train": 1, "test": 2})
    made = Voc(images)
    settings = {"batch_size": 8, "measure_on": "test", "images": images}
    with pytest.raises(UserError, match="more than the 1 images"):
        retinanet._check(made.read("train"), made.read("test"), ["red"], settings)
    with pytest.raises(UserError, match="test has boxes of blue, train only of red"):
        settings |= {"batch_size": 1}
        retinanet._check(made.read("train"), made.read("test"), ["red"], settings)
