"""Where an audit reads and writes; without TensorFlow, so that a slip of the pen is answered at once."""

import os

from infomin_tf.errors import UserError


def check(images, labels, out):
    """Raises UserError when images or labels are missing, or lie in the folder that is written to, or it in them."""
    if not os.path.isdir(images):
        raise UserError(f"--images={images} is not a folder; give one that holds images")
    if labels is not None and not os.path.exists(labels):
        raise UserError(f"--labels={labels} is neither a folder nor a csv file; give one of them")
    written = os.path.realpath(out)
    for folder in folders(images, labels):
        if os.path.commonpath([folder, written]) in (folder, written):
            raise UserError(
                f"--out={out} and {folder} lie in each other; use an --out next to the images"
            )


def folders(images, labels):
    """Real paths of those of the two that are folders."""
    return [os.path.realpath(path) for path in (images, labels) if path and os.path.isdir(path)]
