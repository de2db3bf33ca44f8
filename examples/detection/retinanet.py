"""Fine-tunes an exported ResNet as the backbone of RetinaNet on a folder in VOC format.

    python examples/detection/retinanet.py --images=VOC --export=RUN/export --out=runs/detector

Trains on the division train and prints AP and AP50 on the division test. Choose settings with
--measure_on=val, and leave test for the end. The same command continues where it was stopped.
Needs the extra detection: pip install -e '.[detection]'.
"""

import argparse
import json
import os
import pathlib
import sys

from voc import Voc, VocError

INSTALL = (
    "install the extra detection: pip install 'infomin_tf[detection]', "
    "in a checkout pip install -e '.[detection]'"
)
try:
    from infomin_tf.errors import UserError, reason
    from infomin_tf.runs import files
except ModuleNotFoundError as missing:
    sys.exit(f"error: {missing.name} is not installed; {INSTALL}")

BACKUP = "backup"
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def parser():
    """The flags."""
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--images", required=True, help="folder in VOC format")
    made.add_argument("--export", required=True, help="model_dir/export, with encoder.keras")
    made.add_argument("--out", required=True, help="folder of results.json and detector.weights.h5")
    made.add_argument("--from_scratch", action="store_true", help="its network, random weights")
    made.add_argument("--epochs", type=int, default=30, help="default: %(default)s")
    made.add_argument("--batch_size", type=int, default=8, help="default: %(default)s")
    made.add_argument(
        "--learning_rate", type=float, default=1e-3, help="of AdamW, after its warm-up, %(default)s"
    )
    made.add_argument("--side", type=int, default=256, help="longer side in pixels, %(default)s")
    made.add_argument(
        "--head_convolutions",
        type=int,
        default=4,
        help="convolutions of each head before its last; %(default)s, as in the paper",
    )
    made.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    made.add_argument("--measure_on", default="test", help="division measured, %(default)s")
    return made


def main(words=None):
    """Trains, measures, prints a table and writes results.json."""
    arguments = parser().parse_args(words)
    out = pathlib.Path(arguments.out)
    settings = {name: value for name, value in vars(arguments).items() if name != "out"}
    try:
        _check_numbers(settings)
        _check_same(out, settings)
        voc = Voc(arguments.images)
        training, measured = voc.read("train"), voc.read(arguments.measure_on)
        results = _train_and_measure(training, measured, out, settings)
        _write_json(out / "results.json", results | settings)
        files.delete(out / BACKUP)
    except (VocError, UserError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"stopped; the same command continues {out} where it was")
    print(table(results))


def _check_numbers(settings):
    """Refuses numbers that nothing can be trained with."""
    for name in ("epochs", "batch_size", "learning_rate", "side"):
        if not settings[name] > 0:
            raise UserError(f"--{name} must be above 0, not {settings[name]}")
    if settings["head_convolutions"] < 0:
        raise UserError(
            f"--head_convolutions must be 0 or more, not {settings['head_convolutions']}"
        )
    if not 0 <= settings["seed"] < 2**32:
        raise UserError(f"--seed must be 0 to {2**32 - 1}, not {settings['seed']}")


def _check_same(out, settings):
    """Refuses a folder of results, or of a training with other settings."""
    file = out / "settings.json"
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; give --out a folder")
    if (out / "results.json").exists():
        raise UserError(f"{out} has results already; give --out another folder")
    if not file.exists():
        return
    fix = "delete it to continue with the settings given now, or give --out another folder"
    old = files.read_json(file, fix)
    if not isinstance(old, dict):
        raise UserError(f"{file} has no settings; {fix}")
    if old != settings:
        names = [name for name in {**settings, **old} if old.get(name) != settings.get(name)]
        other = " ".join(f"--{name}={old.get(name)}" for name in names)
        raise UserError(f"{out} was begun with {other}; use these, or another --out")


def _write_json(file, content):
    files.write_atomically(file, json.dumps(content, indent=1) + "\n")


def _train_and_measure(training, measured, out, settings):
    """Results of a training, which continues where `out` has one that was stopped."""
    try:
        import average_precision
        import detector as detection
        import keras
        from training_images import Canvas, TrainingImages
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed; {INSTALL}") from error
    except ImportError as error:
        raise UserError(
            f"a library cannot be loaded ({reason(error)}); tensorflow-text fits only the "
            "TensorFlow of its own minor version: with TensorFlow 2.X, "
            "pip install 'tensorflow-text==2.X.*'"
        ) from error

    keras.utils.set_random_seed(settings["seed"])
    everything = [*training, *measured]
    classes = sorted({name for boxes in training for name in boxes.names})
    _check(training, measured, classes, settings)
    canvas = Canvas([boxes.size for boxes in everything], settings["side"])
    pyramid = detection.load_pyramid(settings["export"], settings["from_scratch"])
    model = detection.build(pyramid, len(classes), canvas.shape, settings["head_convolutions"])
    batches = TrainingImages(training, canvas, classes, settings["batch_size"], settings["seed"])
    images = canvas.load(measured)
    steps = settings["epochs"] * len(batches)
    detection.compile_for(model, steps, settings["learning_rate"])
    print(
        f"{len(training)} images to train on, {len(measured)} of {settings['measure_on']} to "
        f"measure on, {canvas.shape[1]}x{canvas.shape[0]}, {steps} steps; left out as empty or "
        f"outside: {sum(boxes.bad for boxes in everything)} boxes"
    )
    if not (out / "settings.json").exists():
        _write_json(out / "settings.json", settings)
    in_turn = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _: batches.begin(epoch))
    backup = keras.callbacks.BackupAndRestore(
        out / BACKUP,
        double_checkpoint=True,  # a kill may leave half of the newest
        delete_checkpoint=False,  # the measuring may be stopped, too
    )
    model.fit(
        batches.dataset(), shuffle=False, epochs=settings["epochs"], callbacks=[in_turn, backup]
    )
    model.save_weights(out / "detector.weights.h5")
    found = [
        (canvas.back(corners, boxes.size), scores, labels)
        for boxes, (corners, scores, labels) in zip(
            measured, detection.find(model, images), strict=True
        )
    ]
    return average_precision.average_precision(measured, found, classes) | {"steps": steps}


def _check(training, measured, classes, settings):
    """Raises an error for divisions that cannot be trained or measured on."""
    if not classes:
        raise UserError(f"no image of {settings['images']} in the division train has a box")
    if len(training) < settings["batch_size"]:
        raise UserError(
            f"--batch_size={settings['batch_size']} is more than the {len(training)} images of the "
            "division train; make it smaller"
        )
    unknown = {name for boxes in measured for name in boxes.names} - set(classes)
    if unknown:
        raise UserError(
            f"the division {settings['measure_on']} has boxes of {', '.join(sorted(unknown))}, "
            f"train only of {', '.join(classes)}; fix the names, or the lists in ImageSets/Main"
        )


def table(results):
    """AP, AP50 and AP75 of all classes and of each, as lines."""
    rows = {"all": results} | results["per_class"]
    lines = [f"{'boxes of':<20}{'AP':>8}{'AP50':>8}{'AP75':>8}"]
    for name, row in rows.items():
        values = ("-" if row[key] is None else f"{row[key]:.1f}" for key in ("AP", "AP50", "AP75"))
        lines.append(f"{name:<20}" + "".join(f"{value:>8}" for value in values))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
