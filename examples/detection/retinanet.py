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
import shutil
import sys

from voc import Voc, VocError

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
        "--head_convolutions", type=int, default=4, help="of each head, %(default)s as in the paper"
    )
    made.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    made.add_argument("--measure_on", default="test", help="division measured, %(default)s")
    return made


def main(words=None):
    """Trains, measures, prints a table and writes results.json."""
    arguments = parser().parse_args(words)
    out = pathlib.Path(arguments.out)
    for name in ("epochs", "batch_size", "learning_rate", "side"):
        if getattr(arguments, name) <= 0:
            sys.exit(f"error: --{name} must be above 0, not {getattr(arguments, name)}")
    settings = {name: value for name, value in vars(arguments).items() if name != "out"}
    try:
        _check_same(out, settings)
        voc = Voc(arguments.images)
        training, measured = voc.read("train"), voc.read(arguments.measure_on)
        results = _train_and_measure(training, measured, out, settings)
    except (VocError, _Error) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"stopped; the same command continues {out} where it was")
    (out / "results.json").write_text(json.dumps(results | settings, indent=1) + "\n")
    shutil.rmtree(out / BACKUP)
    print(table(results))


class _Error(Exception):
    """A mistake that the user can fix."""


def _check_same(out, settings):
    """Refuses a folder of results, or of a training with other settings."""
    file = out / "settings.json"
    if (out / "results.json").exists():
        raise _Error(f"{out} has results already; give --out another folder")
    if file.exists() and (old := json.loads(file.read_text())) != settings:
        other = [
            f"--{name}={old.get(name)}" for name in settings if old.get(name) != settings[name]
        ]
        raise _Error(f"{out} was begun with {' '.join(other)}; use these, or another --out")


def _train_and_measure(training, measured, out, settings):
    """Results of a training, which continues where `out` has one that was stopped."""
    try:
        import average_precision
        import detector as detection
        import keras
        from training_images import Canvas, TrainingImages
    except ModuleNotFoundError as error:
        raise _Error(
            f"{error.name} is not installed; install the extra detection: "
            "pip install 'infomin_tf[detection]', in a checkout pip install -e '.[detection]'"
        ) from error
    from infomin_tf.errors import UserError

    keras.utils.set_random_seed(settings["seed"])
    everything = [*training, *measured]
    classes = sorted({name for boxes in training for name in boxes.names})
    _check(training, measured, classes, settings)
    canvas = Canvas([boxes.size for boxes in everything], settings["side"])
    try:
        pyramid = detection.load_pyramid(settings["export"], settings["from_scratch"])
    except UserError as error:
        raise _Error(str(error)) from error
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
    out.mkdir(parents=True, exist_ok=True)
    (out / "settings.json").write_text(json.dumps(settings, indent=1) + "\n")
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
        raise _Error(f"no image of {settings['images']} in the division train has a box")
    if len(training) < settings["batch_size"]:
        raise _Error(
            f"--batch_size={settings['batch_size']} is more than the {len(training)} images of the "
            "division train; make it smaller"
        )
    unknown = {name for boxes in measured for name in boxes.names} - set(classes)
    if unknown:
        raise _Error(
            f"the division {settings['measure_on']} has boxes of {', '.join(sorted(unknown))}, "
            f"train only of {', '.join(classes)}; mend the names, or the lists in ImageSets/Main"
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
