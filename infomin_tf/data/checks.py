"""What a stage will need, checked before the first training step."""

import numpy as np

from infomin_tf.distribution import strategies
from infomin_tf.errors import UserError, listed


def check_batches(run, images, batch_size, loop, setting):
    """Raises UserError unless an epoch of `images` has a batch that the replicas can share.

    Args:
        run: the `Run`.
        images: loaded images.
        batch_size: of the global batch.
        loop: `TrainingLoop` that will read the batches.
        setting: name of the parameter to bind, such as "LinearProbe.batch_size".
    """
    replicas = run.strategy.num_replicas_in_sync if run.strategy else 1
    if batch_size > images.size:
        raise UserError(
            f"{setting} = {batch_size}, but {images.name} has {images.size} images to train on, "
            f"fewer than one batch; bind {setting} = {images.size} or less, or add images"
        )
    if batch_size % replicas:
        raise UserError(
            f"{setting} = {batch_size} cannot be divided among {replicas} replicas; "
            f"bind a multiple of {replicas}"
        )
    if loop.jit_compile and run.strategy:
        strategies.check_xla(run.strategy)


def check_view_size(pair, view, setting):
    """Raises UserError unless a view (None for none) has the size of the training views."""
    if view is not None and view.size != pair.size:
        raise UserError(
            f"{setting} gives {view.size} px but the views of pre-training have {pair.size} px; "
            "make the sizes equal, with the macro view_size if the gin files have it"
        )


def check_jigsaw(pair, head, num_parts):
    """Raises UserError unless a JigSaw view has its head, a head its view, and both one encoder."""
    jigsaw = pair.jigsaw
    if (jigsaw is None) != (head is None):
        missing = "Pretrain.jigsaw_head" if head is None else "IndependentPair.jigsaw"
        raise UserError(
            f"a JigSaw view and a JigSaw head need each other; bind {missing} (see "
            "gin/recipes/jigsaw.gin)"
        )
    if jigsaw is None:
        return
    if num_parts > 1:
        raise UserError("a JigSaw view needs views of whole images; bind Whole")
    if jigsaw.num_patches != head.num_patches:
        raise UserError(
            f"the JigSaw view has {jigsaw.num_patches} patches but JigsawHead.num_patches is "
            f"{head.num_patches}; make them equal"
        )


def check_classes(why, train, test):
    """Raises UserError unless both sets have labels of the same classes, `train` of two or more.

    Args:
        why: what needs the labels, in words.
        train, test: loaded images, or None.
    """
    if train is None or test is None:
        raise UserError(
            f"{why} needs labelled images; bind Data.train and Data.test in the gin file"
        )
    for images in (train, test):
        if not images.class_names:
            raise UserError(
                f"{why} needs labelled images, but {images.name} has no classes; "
                "bind ImageFolder.labelled or labels_file, or choose another set"
            )
    if train.class_names != test.class_names:
        raise UserError(
            f"{why} needs the same classes in training and test images; only {train.name} has "
            f"{_beyond(train, test)}, only {test.name} has {_beyond(test, train)}; give both sets "
            "the same class names in the same order, and images of each class"
        )
    [shown, _] = [_shown_classes(why, images) for images in (train, test)]
    if len(shown) < 2:
        raise UserError(
            f"{why} needs images of two classes or more, but the {train.size} images of "
            f"{train.name} are all of {shown[0]!r}; add images of another class, or choose "
            "another set"
        )


def _shown_classes(why, images):
    """Names of the classes that a set shows; all of them if its labels are not known.

    Raises:
        UserError: an image has no label, or a label that is not a class.
    """
    if images.known_labels() is None:
        return images.class_names
    labels, number = np.unique(images.known_labels()), len(images.class_names)
    if labels[0] < 0:
        raise UserError(
            f"{why} needs a label for every image, but some of {images.name} have none; "
            "choose another split"
        )
    if labels[-1] >= number:
        raise UserError(
            f"{images.name} has {number} classes, 0 to {number - 1}, but also the label "
            f"{labels[-1]}; prepare it again with all of its classes"
        )
    return [images.class_names[label] for label in labels]


def _beyond(images, others):
    """Names of the classes that one set has and another does not."""
    names = [name for name in images.class_names if name not in others.class_names]
    return listed(names) or "none"
