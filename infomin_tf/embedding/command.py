"""What bin/embed does: features in parts, one file of them, the projector's folder, a page."""

import os

from infomin_tf import progress
from infomin_tf.embedding import (
    about,
    encoders,
    feature_files,
    neighbours,
    parts,
    pictures,
    projector,
    reading,
)
from infomin_tf.embedding.rows import join, printable
from infomin_tf.errors import UserError, reason


def run(request):
    """Does what a checked `Request` asks for, and prints what was written."""
    if request.computes:
        embed(request)
    known = about.read(request.out)
    images = pictures.of_place(known["place"], request.images, request.data_dir)
    if request.projector:
        points = projector.write(request.out, known["images"], images)
        all_of = f"{points} of {known['images']} images, spread evenly"
        said = all_of if points < known["images"] else f"{points} images"
        folder = projector.path_of(request.out)
        print(f"wrote {folder} ({said}); look at it with tensorboard --logdir {folder}")
    if request.neighbours:
        print(f"wrote {_write_page(request, known, images)}")


def embed(request):
    """Writes the file of features, unless it is finished.

    Raises:
        UserError: the file is there and is of other arguments, or cannot be written; see
            `reading.Reader` and `encoders.open_encoder`, too.
    """
    encoder = encoders.open_encoder(request.export)
    reader = open_reader(encoder, request)
    arguments = {"encoder": encoders.digest(encoder), **reader.contents()}
    arguments["image_size"] = str(reader.side)
    if _is_finished(request, arguments):
        progress.say(f"{request.out} is finished: skipped")
        return
    made = parts.Parts(request.out, reader.size)
    with made.claimed(arguments, request.overwrite):
        left_out = _fill(made, encoder, reader, request.batch_size)
        progress.say(f"writing {request.out}")
        _write(request.out, made, reader.is_labelled)
        facts = {
            "images": reader.size - len(left_out),
            "features": feature_files.dimensions(made),
            "left_out": left_out,
            "export": os.path.abspath(request.export),
            "place": reader.place,
        }
        about.write(request.out, arguments, **facts)
        made.remove()
    out_of = f", {len(left_out)} left out" if left_out else ""
    print(f"wrote {request.out} ({facts['images']} images, {facts['features']} features{out_of})")


def open_reader(encoder, request):
    """The images of a request, read as the run of the encoder reads its own."""
    usual = encoders.usual_side(encoder)
    given = request.image_size or (None if getattr(encoder, "resize", None) else usual)
    if request.tfds:
        given = given or _of_run(request, "Tfds.image_size", int)
        return reading.TfdsReader(request.tfds, request.split, request.data_dir, given, usual)
    side = given or _of_run(request, "ImageFolder.image_size", int) or usual
    white = request.white
    if white is None:
        white = _of_run(request, "ImageFolder.white", float)
    return reading.FolderReader(request.images, side, request.labels, white)


def _of_run(request, name, kind):
    number = encoders.number_of_run(request.export, name)
    return None if number is None else kind(number)


def _is_finished(request, arguments):
    """Whether the file is there and is of these arguments; UserError where it is of others."""
    known = about.read(request.out)
    changed = known and parts.differing(known["arguments"], arguments)
    if known and not changed:
        return True
    # Without `known` a command was stopped between the file and what it is of.
    continues = not known and os.path.isdir(parts.Parts(request.out, 0).directory)
    if request.overwrite or continues or not os.path.exists(request.out):
        return False
    what = f"is there, but {about.path_of(request.out)} does not say of what"
    if known:
        what = f"holds features that differ in {', '.join(changed)}"
    raise UserError(f"{request.out} {what}; use another --out, or --overwrite to replace it")


def _fill(made, encoder, reader, batch_size):
    """Computes the parts that are missing; returns what was left out of all."""
    missing, call = made.missing(), encoders.compiled(encoder, reader.side)
    done = reader.size - sum(map(made.images, missing))
    with progress.Progress("embed", "image", reader.size, done, warms_up=True) as shown:
        for start in missing:
            batches = []
            stop = start + made.images(start)
            for rows in encoders.embed(call, reader, start, stop, batch_size):
                batches.append(rows)
                done += len(rows.paths) + len(rows.left_out)
                shown.update(done)
            made.write(start, join(batches))
    left_out = [problem for rows in made for problem in rows.left_out]
    reader.check(left_out)
    return left_out


def _write(out, made, is_labelled):
    """Writes the file next to the parts, and moves it once it is whole."""
    unfinished = os.path.join(made.directory, os.path.basename(out))
    try:
        feature_files.kind_of(out).write(unfinished, made, is_labelled)
        with open(unfinished, "rb+") as file:
            os.fsync(file.fileno())
        about.forget(out)
        os.replace(unfinished, out)
    except OSError as error:
        raise UserError(
            f"{out} cannot be written ({reason(error)}); make room or make it writable, then run "
            "the same command to continue"
        ) from error


def _write_page(request, known, images):
    """Finds the neighbours of the query; returns the path of their page."""
    names = _names(request.query, images.directory)
    there = neighbours.of_image(request.out, names)
    picture = _read(request.query, images, neighbours.SIDE)
    if there:
        name, features, label = there
    else:
        name, features, label = names[-1], _features(request, known, images), ""
    found = neighbours.nearest(request.out, features, without=name if there else None)
    text = (
        f"{len(found)} of the {known['images']} images in {request.out} whose features have the "
        "least cosine distance, 1 - cosine, to those of the query."
    )
    path = neighbours.path_of(request.out, name)
    neighbours.write_page(path, name, (picture, label), found, images, text)
    return path


def _names(path, directory):
    """What an image may be called in a file of features; last its name without any folder."""
    names = [os.path.basename(path)]
    for real in (os.path.realpath, os.path.abspath) if directory else ():
        relative = os.path.relpath(real(path), real(directory))
        names = names if relative.startswith(os.pardir) else [relative, *names]
    return [printable(name) for name in names]


def _read(path, images, side):
    try:
        return images.read_file(path, side)
    except Exception as error:  # decoders fail in many ways, all with the same fix
        raise UserError(
            f"--neighbours={path} cannot be read as an image ({error}); give another"
        ) from error


def _features(request, known, images):
    """Features of a query that is not in the file."""
    encoder = encoders.open_encoder(request.export or known["export"])
    if encoders.digest(encoder) != known["arguments"]["encoder"]:
        raise UserError(
            f"{request.export or known['export']} is not the encoder that made {request.out}; give "
            "that by --export, or make the features again"
        )
    side = int(known["arguments"]["image_size"])
    pixels = _read(request.query, images, side)
    return encoders.compiled(encoder, side)(pixels[None])[0]
