"""The first text of a training in TensorBoard: what to look at, and what healthy looks like."""

import tensorflow as tf

TAG = "about/what_to_look_at"  # before "configuration" in the alphabet, and so above it

_LEARN_VIEWS = """# Start here: view learning

The generator g makes two views of each image that share little, so that I_NCE is low, and that
still tell the class where labels are used. The critics measure what the views share, and g learns
against them.

{}

**Images.** `views/image_and_channels` has a row per image; the columns v1 and v2 are what the
encoders will see. They should differ more and more, and none should become flat.
`views/image_and_8_views` shows the crops.
"""

_VIEW_LEARNING = {
    "i_nce": (
        "nats that the two views share, as the critics see it; at most log N for N images per step",
        "rises while the critics learn, then falls as g learns. At 0 from the start, the critics "
        "have learned nothing, and g has nothing to learn against",
    ),
    "held_out/i_nce": (
        "the same on held-out images",
        "close to `i_nce`. Far below it, the critics know their images by heart",
    ),
    "classifier_1_accuracy, classifier_2_accuracy": (
        "where labels are used: share of the labelled images whose class each view tells",
        "rise well above the share of the commonest class",
    ),
    "held_out/classifier_1_accuracy, held_out/classifier_2_accuracy": (
        "the same of test images, in percent",
        "rise, too. Where only those above do, the classifiers know their images by heart",
    ),
    "critic_loss, generator_loss, classifier_1_loss, classifier_2_loss": (
        "what each network minimises",
        "no trend to expect of the first two, which work against each other; the others fall",
    ),
    "held_out/distance_from_identity": ("how far g moves a channel", "rises and settles"),
    "held_out/log_det": ("log volume that g adds per pixel", "settles"),
    "held_out/inversion_error": ("how exactly g can be undone", "below 0.001"),
}

_PRETRAIN = """# Start here: pre-training

The encoders learn to tell which two views come from one image. Evaluation measures at the end what
they are worth; these numbers say on the way whether they learn.

{}

**Images.** `views/image_and_8_views`, or `views/frames_and_view_2` of sequences, shows what is
compared. Ask yourself by what you would match two views of an image: the encoders will use the
same. `views/image_and_channels` shows what each encoder sees.
"""

_PRETRAINING = {
    "i_nce, i_nce_ceiling": (
        "nats that the embeddings of two views share, and the most that N candidates can show, "
        "log N",
        "`i_nce` rises and levels off below the ceiling. At the ceiling the task teaches nothing "
        "more: use more negatives or stronger augmentation. Near 0 nothing is learned: lower the "
        "learning rate, or use weaker augmentation",
    ),
    "contrast_accuracy": ("how often the true partner scores highest", "rises from 1/N"),
    "embedding_spread": (
        "1 where the embeddings fill the sphere, 0 where all are one point",
        "near 1; below 0.05 the run warns of a collapse",
    ),
    "alignment, uniformity": (
        "how far partners are apart; how evenly embeddings lie on the sphere",
        "both fall",
    ),
    "knn_accuracy": (
        "percent of test images that kNN on the features gets right; bind "
        "`Pretrain.knn_every_epochs`, which needs labels",
        "rises. Where it falls while `i_nce` rises, the views share what your task does not need: "
        "try other views",
    ),
    "loss": ("what is minimised", "falls"),
    "learning_rate": ("of the optimizer", "follows the schedule that you bound"),
}

_ANY = {
    "waiting_for_data": (
        "share of the time that steps waited for their batches; not measured with several "
        "accelerators of a process, or on a TPU",
        "below 0.1 with an accelerator, which works on while the program waits, so that the share "
        "is the most that waiting costs. Above, the input is slow: more CPU cores or smaller "
        "images help. On CPUs alone input and steps share the cores, and 0.3 is common",
    ),
    "images_per_second": ("speed", "steady; the first point includes compilation"),
    "loss_scale": ("in float16, what the loss is multiplied by", "above 1"),
}


def write(stage):
    """Writes the page of a stage, "learn_views" or "pretrain", by the default writer."""
    tf.summary.text(TAG, page(stage), step=0)


def page(stage):
    """The page, in Markdown."""
    text, scalars = {
        "learn_views": (_LEARN_VIEWS, _VIEW_LEARNING),
        "pretrain": (_PRETRAIN, _PRETRAINING),
    }[stage]
    rows = [("scalar", "what it is", "healthy"), ("---",) * 3]
    for names, cells in (scalars | _ANY).items():
        rows.append((", ".join(f"`{name}`" for name in names.split(", ")), *cells))
    return text.format("\n".join(f"| {' | '.join(row)} |" for row in rows))
