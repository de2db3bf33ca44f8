"""What crops and operations have in common: parameters are drawn first and applied then."""


class Transform:
    """One random step of a view. Your own augmentation is a subclass with `draw` and `apply`.

    XLA must be able to compile `apply`; it gets batches of one on the host, whole ones on a device.
    """

    is_adapted = True  # whether nothing is left to be measured in the data

    def draw(self, num_images, seed):
        """Parameters: a dict of tensors [B, ...], by tf.random.stateless_* with seed int32 [2]."""
        raise NotImplementedError

    def apply(self, images, draws):
        """float32 [B, h, w, C] in [0, 255], of images with drawn parameters; deterministic."""
        raise NotImplementedError

    def adapt(self, images):
        """Takes from images uint8 [M, H, W, 3] of the data what it measures."""


class Crop(Transform):
    """The first step of a view: uint8 [B, H, W, C] of any size -> float32 [B, size, size, C].

    Attributes:
        size: side of the view in pixels.
        cuts_files: whether it cuts `boxes`, which can be cut while a file is decoded.
    """

    size, cuts_files = 64, False
