"""AP of boxes as COCO defines it, by pycocotools."""

import contextlib
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def average_precision(truth, found, classes):
    """AP, AP50 and AP75 in %, of all classes and of each.

    AP is the mean over IoU thresholds of 0.50, 0.55, ... 0.95, and over classes; of each image the
    100 most certain boxes count. Difficult boxes count as COCO's crowds: finding them is neither
    right nor wrong.

    Args:
        truth: a `voc.Boxes` per image.
        found: per image (corners [N, 4] in the pixels of `truth`, scores [N], classes int [N]).
        classes: their names.

    Returns:
        {"AP": , "AP50": , "AP75": , "per_class": {name: {"AP": , "AP50": , "AP75": , "boxes": }}};
        None for a class without a box.
    """
    annotations, detections = [], []
    for number, (true, (corners, scores, labels)) in enumerate(zip(truth, found, strict=True)):
        for box, name, difficult in zip(true.corners, true.names, true.difficult, strict=True):
            place = _placed(number, box, classes.index(name))
            own = {"id": len(annotations) + 1, "iscrowd": int(difficult)}
            annotations.append(place | own | {"area": float(np.prod(box[2:] - box[:2]))})
        detections += [
            _placed(number, box, label) | {"score": float(score)}
            for box, score, label in zip(corners, scores, labels, strict=True)
        ]
    precision = _precision(annotations, detections, len(truth), classes)
    per_class = {
        name: _summary(precision[:, :, place]) | {"boxes": _count(annotations, place)}
        for place, name in enumerate(classes)
    }
    return _summary(precision) | {"per_class": per_class}


def _placed(image, box, label):
    sides = [*box[:2], *(box[2:] - box[:2])]
    return {
        "image_id": image,
        "category_id": int(label),
        "bbox": [float(side) for side in sides],
    }


def _count(annotations, label):
    return sum(one["category_id"] == label and not one["iscrowd"] for one in annotations)


def _precision(annotations, detections, images, classes):
    """Precision [T, R, K] at ten thresholds, 101 recalls and K classes; -1 without a box."""
    if not detections:
        counts = np.array([_count(annotations, place) for place in range(len(classes))])
        return np.tile(np.where(counts > 0, 0.0, -1.0), (10, 101, 1))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": number} for number in range(images)],
            "categories": [{"id": place, "name": name} for place, name in enumerate(classes)],
            "annotations": annotations,
        }
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(detections), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][:, :, :, 0, -1]  # of all areas, at most 100 boxes


def _summary(precision):
    places = {"AP": slice(None), "AP50": slice(0, 1), "AP75": slice(5, 6)}
    values = {name: precision[place] for name, place in places.items()}
    return {
        name: round(100 * float(value[value > -1].mean()), 2) if (value > -1).any() else None
        for name, value in values.items()
    }
