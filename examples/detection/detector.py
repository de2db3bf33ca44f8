"""KerasHub's RetinaNet on the ResNet of an export."""

import math

import keras
import keras_hub
import tensorflow as tf
from keras import ops

import infomin_tf
from infomin_tf.errors import UserError
from infomin_tf.models.image_encoder import ImageEncoder
from infomin_tf.models.resnet import ResNet

PRIOR = 0.01  # score of every anchor at the start (arXiv:1708.02002, section 4.1)
SMALLEST_ANCHOR = 16  # side in pixels; the largest is 25 times as long


class Pyramid(keras.layers.Layer):
    """The maps of a ResNet's last three stages, with strides 8, 16 and 32: P3 to P5.

    Args:
        split: of the encoder: colour space and standardisation.
        backbone: its ResNet.
    """

    def __init__(self, split, backbone, **kwargs):
        super().__init__(**kwargs)
        self.split, self.backbone = split, backbone

    def call(self, images, training=None):
        """Dict of maps of RGB images [B, H, W, 3] in [0, 255]."""
        [part] = self.split(images / 255.0)
        maps = self.backbone.stage_outputs(part, training=training)
        return dict(zip(("P3", "P4", "P5"), maps[1:], strict=True))


class Suppression(keras.layers.Layer):
    """At most 100 boxes per image, without those that overlap a more certain one of their class.

    KerasHub's own compares boxes of all classes, and takes no batch whose size the graph does not
    know.
    """

    bounding_box_format = "xyxy"

    def call(self, boxes, logits, images=None):
        """Dict of boxes [B, 100, 4], confidence, labels [B, 100] and num_detections [B]."""
        kept = tf.image.combined_non_max_suppression(
            boxes[:, :, None],
            tf.sigmoid(logits),
            max_output_size_per_class=100,
            max_total_size=100,
            iou_threshold=0.5,
            score_threshold=0.05,
            clip_boxes=False,
        )
        return {
            "boxes": kept.nmsed_boxes,
            "confidence": kept.nmsed_scores,
            "labels": kept.nmsed_classes,
            "num_detections": kept.valid_detections,
        }


def load_pyramid(export, from_scratch=False):
    """The `Pyramid` of an export folder.

    Args:
        export: model_dir/export, with encoder.keras.
        from_scratch: the same network with random weights.

    Raises:
        UserError: there is no export, or it is not one ResNet with the strides of a pyramid.
    """
    encoder = infomin_tf.load_encoder(export)
    if why := _why_not(encoder):
        raise UserError(f"{export} cannot carry a feature pyramid: {why}")
    [backbone], split = encoder.extractor.backbones, encoder.extractor.split
    if from_scratch:
        backbone = type(backbone).from_config(backbone.get_config())
        backbone.build((None, encoder.size, encoder.size, 3))
    return Pyramid(split, backbone, name="pyramid")


def _why_not(encoder):
    """What a pyramid lacks in an encoder, and how to fix it; None for nothing."""
    if not isinstance(encoder, ImageEncoder):
        return "a SavedModel has no layers; write encoder.keras by bin/export --format=keras"
    split, backbone = encoder.extractor.split, encoder.extractor.backbones[0]
    if split.num_parts != 1 or split.generator is not None:
        return (
            f"it splits images into views ({type(split).__name__}), and a detector needs one "
            "network of whole images; pre-train with Experiment.split = @Whole()"
        )
    kind = type(backbone).__name__
    if not isinstance(backbone, ResNet):
        return f"its network is {kind}; pre-train with a ResNet or ResNeXt"
    if backbone.small_images or not backbone.max_pool:
        return (
            f"its {kind} has the stem for small images, so its strides are not 4, 8, 16, 32; "
            f"pre-train with {kind}.small_images = False and {kind}.max_pool = True"
        )
    return None


def build(pyramid, num_classes, image_shape, head_convolutions=4):
    """RetinaNet (arXiv:1708.02002) with P3 to P7 and all batch normalisation trained.

    The heads start as in the paper: KerasHub 0.32 gives the bias of the prior to the box head in
    place of the classification head, and kernels five times as large.

    Args:
        pyramid: `Pyramid`; it is trained along.
        num_classes: of boxes.
        image_shape: (H, W, 3).
        head_convolutions: of each head before its last; the paper has 4.

    Returns:
        `keras_hub.models.RetinaNetObjectDetector` of boxes (left, top, right, bottom) in pixels.
    """
    images = keras.Input(image_shape)
    encoder = keras.Model(images, pyramid(images))
    encoder.pyramid_outputs = encoder.output
    backbone = keras_hub.models.RetinaNetBackbone(
        encoder, min_level=3, max_level=7, use_p5=False, image_shape=image_shape
    )
    anchors = keras_hub.layers.AnchorGenerator(
        "xyxy",
        min_level=3,
        max_level=7,
        num_scales=3,
        aspect_ratios=[0.5, 1.0, 2.0],
        anchor_size=SMALLEST_ANCHOR / 8,
    )
    detector = keras_hub.models.RetinaNetObjectDetector(
        backbone,
        num_classes,
        bounding_box_format="xyxy",
        anchor_generator=anchors,
        pre_logits_num_conv_layers=head_convolutions,
        prediction_decoder=Suppression(),
    )
    matcher = detector.label_encoder.box_matcher
    matcher.force_match_for_each_col = True  # small boxes get their nearest anchor
    for head, bias in (
        (detector.box_head, 0.0),
        (detector.classification_head, -math.log((1 - PRIOR) / PRIOR)),
    ):
        for layer in (*head.conv_layers, head.prediction_layer):
            layer.kernel.assign(keras.random.normal(layer.kernel.shape, stddev=0.01))
            layer.bias.assign(ops.zeros_like(layer.bias))
        head.prediction_layer.bias.assign(ops.full_like(head.prediction_layer.bias, bias))
    return detector


def compile_for(detector, steps, learning_rate, weight_decay=1e-4):
    """The paper's losses, focal and smooth L1, each per matched anchor, and AdamW.

    Keras averages over classes and the four sides, where the paper adds; the weights make up.

    Args:
        detector: of `build`.
        steps: of the whole training. The rate rises over the first tenth, then falls to 0.
        learning_rate: the largest.
        weight_decay: of kernels.
    """
    beta = 0.1  # where smooth L1 turns from a parabola to a line
    warm_up = max(1, steps // 10)
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / 100,
        max(1, steps - warm_up),
        warmup_target=learning_rate,
        warmup_steps=warm_up,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=weight_decay, clipnorm=10.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    detector.compile(
        optimizer,
        box_loss=keras.losses.Huber(delta=beta, reduction="sum"),
        classification_loss=keras.losses.BinaryFocalCrossentropy(
            apply_class_balancing=True, alpha=0.25, gamma=2.0, from_logits=True, reduction="sum"
        ),
        loss_weights={"cls_logits": detector.num_classes, "bbox_regression": 4 / beta},
        jit_compile=False,  # XLA is for accelerators
    )
    optimizer.build(detector.trainable_variables)


def find(detector, images, batch_size=8):
    """Boxes that a detector finds.

    Args:
        detector: of `build`.
        images: uint8 [M, H, W, 3].
        batch_size: images at a time.

    Returns:
        List of M (corners [N, 4], scores [N], classes int [N]), N up to 100.
    """
    batches = tf.data.Dataset.from_tensor_slices(images).batch(batch_size)
    outputs = detector.predict(batches.map(lambda part: tf.cast(part, tf.float32)))
    columns = (outputs[name] for name in ("num_detections", "boxes", "confidence", "labels"))
    return [
        (corners[:count], scores[:count], labels[:count].astype(int))
        for count, corners, scores, labels in zip(*columns, strict=True)
    ]
