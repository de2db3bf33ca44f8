"""Which images an experiment learns from, is judged by and is tested on."""

from infomin_tf.data import inspection
from infomin_tf.data.images import ArrayImages, Source
from infomin_tf.data.tfds_splits import find_stretch
from infomin_tf.errors import UserError


class Data:
    """Where the images come from.

    Args:
        unlabelled: source of the images to learn from; its labels are not used.
        train: source of labelled images, for classifiers of view learning and for probes; None when
            there are none.
        test: source of held-out labelled images; None when there are none.
        held_out: source of the images on which mutual information is estimated; None for the test
            images or, if there are none, the unlabelled ones.
        limit: the largest number of images of each source, to try out a configuration; None for
            all.
    """

    def __init__(
        self,
        unlabelled: Source,
        train: Source | None = None,
        test: Source | None = None,
        held_out: Source | None = None,
        limit: int | None = None,
    ):
        if limit is not None and (not isinstance(limit, int) or limit < 2):
            raise UserError(f"Data.limit must be None or at least 2 images, not {limit}; fix it")
        held_out = held_out or test or unlabelled
        self.sources, self._limit = (unlabelled, train, test, held_out), limit

    def load(self, data_dir):
        """[unlabelled, train, test, held out] images, None where there is no source."""
        loaded = []
        for source in self.sources:
            known = zip(self.sources, loaded, strict=False)
            twin = next((images for other, images in known if _are_alike(source, other)), None)
            loaded.append(twin or _shared(self._load(source, data_dir), loaded))
        return loaded

    def load_unlabelled(self, data_dir):
        """The images to learn from alone."""
        return self._load(self.sources[0], data_dir)

    def _load(self, source, data_dir):
        images = source and source.load(data_dir)
        return inspection.thin(images, self._limit) if images and self._limit else images


def _shared(images, others):
    """The images as a stretch of one of other sets, whose memory they share; else themselves."""
    for other in others if isinstance(images, ArrayImages) else ():
        if isinstance(other, ArrayImages) and _looks(images) == _looks(other):
            start = find_stretch(images.facts.places, other.facts.places)
            if start is not None:
                found = other.between(start, start + images.size)
                found.name, found.facts = images.name, images.facts
                return found
    return images


def _looks(images):
    return images.image_shape, images.class_names, type(images)


def _are_alike(source, other):
    """Whether sources are of one class with equal settings, so that one copy of images will do."""
    if not hasattr(source, "load"):
        return source == other
    mine, theirs = vars(source), getattr(other, "__dict__", {})
    same_names = type(source) is type(other) and mine.keys() == theirs.keys()
    return same_names and all(_are_alike(mine[name], theirs[name]) for name in mine)
