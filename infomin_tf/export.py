"""A trained encoder on disk: SavedModel for serving and fine-tuning, .keras for going on in Keras."""

import os
import zipfile

import keras
import tensorflow as tf

from infomin_tf import paths, results
from infomin_tf.errors import UserError, reason
from infomin_tf.views.augment import crop

# Importing these registers the layers that a .keras file names.
from infomin_tf.evaluation import features  # noqa: F401  isort: skip
from infomin_tf.models import alexnet, resnet  # noqa: F401  isort: skip
from infomin_tf.views import color, generators, splits  # noqa: F401  isort: skip

_DAMAGE = (OSError, ValueError, KeyError, IndexError)
_DTYPES = ("uint8", "float32")


@keras.saving.register_keras_serializable(package="infomin_tf")
class ImageEncoder(keras.Model):
    """Images in, features out: [resize and centre crop ->] colour space -> g -> split -> backbones.

    Args:
        extractor: `FeatureExtractor`.
        size: side in pixels of the views that the extractor takes.
        resize: side in pixels to which images of any size are resized before the centre crop, both sides alike (cut
            oblong images to squares first, as the sources of the training images do); None: images are `size` x `size`
            already.
    """

    def __init__(self, extractor, size, resize=None, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.extractor, self.size, self.resize = extractor, size, resize

    @property
    def image_shape(self):
        """(H, W, 3), None where any size goes."""
        side = None if self.resize else self.size
        return (side, side, 3)

    def build(self, input_shape=None):
        del input_shape
        if not self.extractor.built:
            self.extractor.build((None, self.size, self.size, 3))
        self.built = True

    def call(self, images, training=None):
        """Features float32 [B, D] of images uint8, or float in [0, 1], [B, H, W, 3]."""
        scale = 255.0 if images.dtype in (tf.uint8, "uint8") else 1.0
        images = tf.cast(images, tf.float32)
        if self.resize:
            images = crop.resize_and_center_crop(images, self.resize, self.size)
        return self.extractor(images / scale, training=training)

    def get_config(self):
        extractor = keras.saving.serialize_keras_object(self.extractor)
        own = {"extractor": extractor, "size": self.size, "resize": self.resize}
        return super().get_config() | own

    @classmethod
    def from_config(cls, config):
        """Of `get_config`; the parts are made from their own configurations."""
        extractor = keras.saving.deserialize_keras_object(config.pop("extractor"))
        return cls(extractor, **config)


def save_encoder(encoder, directory):
    """Writes directory/saved_model and directory/encoder.keras, each complete or, as it was before, not at all.

    The SavedModel has the endpoints serve and train (uint8 images), serve_float and train_float (float32 images in
    [0, 1]); the train endpoints use batch statistics and update them, and its trainable variables fine-tune.

    Args:
        encoder: a built `ImageEncoder`.
        directory: made when missing; older exports in it are replaced.

    Raises:
        UserError: the disk is full or cannot be written.
    """
    directory = paths.expand(directory)
    archive = keras.export.ExportArchive()
    archive.track(encoder)
    for suffix, dtype in (("", tf.uint8), ("_float", tf.float32)):
        signature = [tf.TensorSpec((None, *encoder.image_shape), dtype, name="images")]
        for endpoint, training in (("serve", False), ("train", True)):
            function = _endpoint(encoder, training)
            archive.add_endpoint(endpoint + suffix, function, input_signature=signature)
    try:
        os.makedirs(directory, exist_ok=True)
        with results.unfinished_folder(directory) as unfinished:
            archive.write_out(os.path.join(unfinished, "saved_model"), verbose=False)
            encoder.save(os.path.join(unfinished, "encoder.keras"))
            results.forget(directory)  # killed between the two, the stage is not finished
            for name in ("saved_model", "encoder.keras"):
                target = os.path.join(directory, name)
                if os.path.isdir(target):  # which cannot be replaced, but moved at once
                    os.replace(target, os.path.join(unfinished, "replaced"))
                os.replace(os.path.join(unfinished, name), target)
    except (OSError, tf.errors.OpError) as error:
        raise UserError(
            f"the export could not be written to {directory} ({reason(error)}); make room or make it "
            "writable, then run the same command"
        ) from error


def _endpoint(encoder, training):
    def endpoint(images):
        return encoder(images, training=training)

    return endpoint


def load_encoder(path, dtype="float32", trainable=True):
    """Loads an exported encoder as a Keras layer.

    Args:
        path: a SavedModel folder or a .keras file, of `save_encoder`; or the export folder that holds both (the
            SavedModel is taken).
        dtype: of the images that a SavedModel will be given: "float32" in [0, 1] or "uint8". A .keras model takes
            both.
        trainable: whether fine-tuning changes its weights.

    Returns:
        A keras layer, images [B, H, W, 3] -> features float32 [B, D].

    Raises:
        UserError: there is no export at `path`, it is damaged, or an unknown dtype.
    """
    if dtype not in _DTYPES:
        raise UserError(f'load_encoder takes dtype "float32" or "uint8", not {dtype!r}')
    path = paths.expand(path)
    try:
        return _load(path, dtype, trainable)
    except (*_DAMAGE, zipfile.BadZipFile, tf.errors.OpError) as error:
        raise UserError(
            f"{path} is damaged or no export of this package ({reason(error)}); make it again by bin/export"
        ) from error


def _load(path, dtype, trainable):
    if path.endswith(".keras") and os.path.isfile(path):
        encoder = keras.saving.load_model(path, safe_mode=True)
        encoder.trainable = trainable
        return encoder
    if os.path.isdir(os.path.join(path, "saved_model")):
        path = os.path.join(path, "saved_model")
    if not os.path.isfile(os.path.join(path, "saved_model.pb")):
        raise UserError(
            f"{path} is neither a SavedModel nor a .keras file; give model_dir/export of a finished run"
        )
    suffix = "_float" if dtype == "float32" else ""
    with paths.without_patterns(path) as readable:
        layer = keras.layers.TFSMLayer(
            readable,
            call_endpoint=f"serve{suffix}",
            call_training_endpoint=f"train{suffix}",
            trainable=trainable,
        )
    layer.filepath = path
    for variable in layer.weights:
        # Keras keeps TensorFlow's ":0", with which no optimizer can name its slots.
        variable._path = variable.path.removesuffix(":0")
    return layer
