"""What bin/embed is asked for, checked without TensorFlow: a slip is answered at once."""

import dataclasses
import os

from infomin_tf.embedding import about, feature_files
from infomin_tf.errors import UserError
from infomin_tf.runs import paths

_HELP = "see bin/embed --help"


@dataclasses.dataclass(frozen=True)
class Request:
    """The flags of bin/embed.

    Args:
        export: an export, or the model_dir of a run with one; None to read a finished file.
        images, labels: folder; see `reading.FolderReader`.
        tfds, split, data_dir: see `reading.TfdsReader`.
        out: path of the file of features.
        image_size: side in pixels to which images are cut first; None for that of the run, or
            what the encoder resizes to.
        white: of deep images; None for that of the run, or what is found in the folder.
        batch_size: images per call.
        projector: whether a folder for TensorBoard's projector is written.
        neighbours: path of an image whose nearest images are shown; None for none.
        overwrite: whether features of other arguments are replaced.
    """

    export: str | None = None
    images: str | None = None
    labels: str | None = None
    tfds: str | None = None
    split: str | None = None
    data_dir: str | None = None
    out: str | None = None
    image_size: int | None = None
    white: float | None = None
    batch_size: int = 64
    projector: bool = False
    neighbours: str | None = None
    overwrite: bool = False

    @property
    def computes(self):
        """Whether features are asked for, not only what is made of a finished file."""
        return bool(self.export and (self.images or self.tfds))

    def check(self):
        """Raises UserError for what cannot be done."""
        if not self.out:
            raise UserError(
                f"bin/embed needs --out, a file that ends in .parquet, .npz or .csv; {_HELP}"
            )
        feature_files.kind_of(self.out).check()
        if os.path.isdir(self.out):
            raise UserError(f"--out={self.out} is a folder; give a file in it")
        if self.images and self.tfds:
            raise UserError("--images and --tfds are both given; leave out one of them")
        if bool(self.tfds) != bool(self.split):
            raise UserError(
                "--tfds and --split belong together, such as --tfds=stl10 --split=test; give both"
            )
        if self.labels and not self.images:
            raise UserError("--labels are those of --images; a set of TFDS brings its own")
        self._check_places()
        if not self.computes:
            self._check_finished()
        if self.neighbours and not self.query:
            raise UserError(f"--neighbours={self.neighbours} is no file; give the path of an image")

    def _check_places(self):
        if self.export and not os.path.exists(self.export):
            raise UserError(
                f"--export={self.export} does not exist; give model_dir/export of a finished run"
            )
        paths.check_images(self.images or None, self.labels or None)
        if self.images and _is_in(self.out, self.images):
            raise UserError(
                f"--out={self.out} lies in --images={self.images}; use an --out elsewhere"
            )

    def _check_finished(self):
        if not (self.projector or self.neighbours):
            raise UserError(
                "bin/embed needs --export, and --images or --tfds; without them, --neighbours or "
                f"--projector of a finished --out; {_HELP}"
            )
        if about.read(self.out) is None:
            raise UserError(
                f"--out={self.out} is not finished, or has no {about.path_of(self.out)} next to "
                "it; give --export, and --images or --tfds, to make it"
            )

    @property
    def query(self):
        """Path of the image whose neighbours are looked for, also as it is under the folder."""
        known = about.read(self.out) or {}
        folder = self.images or known.get("place", {}).get("folder") or ""
        tried = (self.neighbours, os.path.join(folder, self.neighbours))
        return next((path for path in tried if os.path.isfile(path)), None)


def _is_in(path, folder):
    path, folder = os.path.realpath(path), os.path.realpath(folder)
    return os.path.commonpath([path, folder]) == folder
