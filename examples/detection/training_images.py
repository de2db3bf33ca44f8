"""Images and boxes of one shape for a detector, and back."""

import numpy as np
import tensorflow as tf
from PIL import Image
from voc import open_image

# No anchor overlaps it, and KerasHub's matching needs one more box than an image has.
NO_BOX = np.array([-10001, -10001, -10000, -10000], np.float32)


class Canvas:
    """Images shrunk or enlarged to one longer side, on a canvas that all of them fit.

    Args:
        sizes: (width, height) of every image.
        side: longer side of the images on the canvas, in pixels.
    """

    def __init__(self, sizes, side):
        self.side = side
        fitted = np.array([self.fitted(size) for size in sizes])
        width, height = 32 * np.ceil(fitted.max(axis=0) / 32).astype(int)  # P5's stride
        self.shape = (int(height), int(width), 3)

    def fitted(self, size):
        """(width, height) on the canvas of an image of the size (width, height)."""
        return [max(1, round(extent * self.side / max(size))) for extent in size]

    def scale(self, size):
        """Of the corners of boxes [..., 4] of an image: theirs on the canvas over their own."""
        return np.array(self.fitted(size) * 2, np.float32) / np.array(size * 2, np.float32)

    def back(self, corners, size):
        """Corners of boxes on the canvas [N, 4], within an image of the size (width, height)."""
        return np.clip(corners / self.scale(size), 0, np.array(size * 2))

    def place(self, image):
        """A PIL image in RGB at the top left of a black canvas, uint8 [H, W, 3]."""
        width, height = self.fitted(image.size)
        canvas = np.zeros(self.shape, np.uint8)
        resample = Image.Resampling.BILINEAR  # averages where it shrinks
        canvas[:height, :width] = np.asarray(image.resize((width, height), resample))
        return canvas

    def load(self, examples):
        """The images of `voc.Boxes`, uint8 [M, H, W, 3]."""
        images = np.empty((len(examples), *self.shape), np.uint8)
        for place, boxes in enumerate(examples):
            images[place] = self.place(open_image(boxes.file))
        return images


class TrainingImages:
    """Batches of images, mirrored by chance, and their boxes; another order in each epoch.

    Args:
        examples: `voc.Boxes` of each image.
        canvas: `Canvas`.
        classes: names of the classes.
        batch_size: images per step; what remains of an epoch belongs to none.
        seed: of order and mirroring.
    """

    def __init__(self, examples, canvas, classes, batch_size, seed):
        self.batch_size, self.seed = batch_size, seed
        self.images = canvas.load(examples)
        self.widths = np.array([canvas.fitted(boxes.size)[0] for boxes in examples])
        most = max(len(boxes.names) for boxes in examples)
        self.corners = np.tile(NO_BOX, (len(examples), most + 1, 1))
        self.labels = np.full((len(examples), most + 1), -1, np.int32)
        for place, boxes in enumerate(examples):
            kept = ~boxes.difficult
            count = int(kept.sum())
            self.corners[place, :count] = boxes.corners[kept] * canvas.scale(boxes.size)
            labels = np.array([classes.index(name) for name in boxes.names], np.int32)
            self.labels[place, :count] = labels[kept]
        self.begin(0)

    def begin(self, epoch):
        """Draws the order and the mirroring of an epoch, the same whenever it is drawn."""
        rng = np.random.default_rng([self.seed, epoch])
        self.order = rng.permutation(len(self.images))
        self.mirrored = rng.random(len(self.images)) < 0.5

    def __len__(self):
        return len(self.images) // self.batch_size

    def __getitem__(self, index):
        """(images float32 [B, H, W, 3] in [0, 255], {"boxes": [B, N, 4], "labels": [B, N]})."""
        places = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        images = self.images[places].astype(np.float32)
        corners, labels = self.corners[places].copy(), self.labels[places]
        for image, boxes, label, place in zip(images, corners, labels, places, strict=True):
            if self.mirrored[place]:
                width, real = self.widths[place], label >= 0
                image[:, :width] = image[:, :width][:, ::-1].copy()
                boxes[real] = mirror(boxes[real], width)
        return images, {"boxes": corners, "labels": labels}

    def dataset(self):
        """The batches of the epoch that was begun last, as tf.data: KerasHub takes nothing else."""
        images, boxes = self[0]
        signature = (
            tf.TensorSpec.from_tensor(tf.constant(images)),
            {name: tf.TensorSpec.from_tensor(tf.constant(value)) for name, value in boxes.items()},
        )
        batches = tf.data.Dataset.from_generator(
            lambda: (self[index] for index in range(len(self))), output_signature=signature
        )
        return batches.apply(tf.data.experimental.assert_cardinality(len(self)))


def mirror(corners, width):
    """Corners [N, 4] of boxes in an image of that width, mirrored left to right."""
    left, top, right, bottom = corners.T
    return np.stack([width - right, top, width - left, bottom], axis=1)
