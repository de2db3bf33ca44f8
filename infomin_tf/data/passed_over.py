"""What lies in a folder of images but is not an image."""

import collections
import json
import os

from infomin_tf.errors import warn_once

_SYSTEM = {
    *("@eadir", "#recycle", "#snapshot", "$recycle.bin", "recycler", "recycled", "lost+found"),
    *("system volume information", "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
}
_RUN = {"config.gin", "sweep.json", "copies.json", "made_by_audit_views", "projector_config.pbtxt"}
_RAW = ".cr2 .cr3 .nef .nrw .arw .dng .orf .rw2 .raf .pef .srw .raw"
_CONTAINERS = (
    ".pdf .zip .tar .gz .7z .rar .mp4 .mov .avi .mkv .mpg .psd .ai .docx .pptx .h5 .hdf5 .npy .npz "
    ".mat .tfrecord"
)
_PICTURES = ".avif .jp2 .j2k .jpx .jxl .ppm .pgm .pbm .pnm .tga .svg .eps .ico .dcm .nii .exr .hdr"
# Notes, labels and annotations, which lie next to images for good reasons; alone no cause to warn.
_TEXTS = ".txt .md .rst .csv .tsv .json .jsonl .xml .yaml .yml .log .html .py .ini"
_ADVICE = {
    "phone photographs (.heic): save them as JPEG, for example with heif-convert": ".heic .heif",
    "raw photographs: develop them to JPEG or TIFF": _RAW,
    "files that contain pictures: extract these as PNG or JPEG": _CONTAINERS,
    "other pictures: convert them to PNG": _PICTURES,
    "files without an ending: give them the ending of their type": "",
}


class PassedOver:
    """Counts what is passed over while a folder is listed.

    Args:
        directory: the folder.
    """

    def __init__(self, directory):
        self._directory = directory
        self._endings, self._runs = collections.Counter(), []

    def add_files(self, folder, names):
        """Files of a folder that are not images by their names."""
        there = (name for name in names if os.path.isfile(os.path.join(folder, name)))
        usual = (name for name in there if not is_of_system(name))
        self._endings.update(os.path.splitext(name)[1].lower() for name in usual)

    def holds_run(self, folder, names):
        """Whether a command of this package wrote a folder with files of these names; counts it."""
        found = bool(_RUN & set(names)) or "results.json" in names and _is_of_stage(folder)
        if found:
            self._runs.append(folder)
        return found

    def warn(self, endings):
        """Says in one warning what was counted, and what to do; `endings` are those of images."""
        said, found = [], self._endings
        if found.keys() - set(_TEXTS.split()):
            counts = [f"{n} {ending or 'without an ending'}" for ending, n in found.most_common()]
            said.append(
                f"{found.total()} files are passed over because only {', '.join(endings)} are "
                f"read: {', '.join(counts)}"
            )
            for advice, kinds in _ADVICE.items():
                if found.keys() & set(kinds.split() or [""]):
                    said.append(f"  {advice}")
        if self._runs:
            said.append(
                f"{len(self._runs)} folders are passed over because this package wrote to them: "
                f"{', '.join(self._runs[:5])}; keep runs elsewhere"
            )
        if said:
            warn_once(f"{os.path.abspath(self._directory)}: " + "\n".join(said))


def is_of_system(name):
    """Whether a file or folder is hidden by a dot, or one that systems put into any folder."""
    return name.startswith(".") or name.lower() in _SYSTEM


def _is_of_stage(folder):
    path = os.path.join(folder, "results.json")
    if not os.path.isfile(path):  # to open a pipe would wait for ever
        return False
    try:
        with open(path, encoding="utf-8") as file:
            return {"measurements", "versions"} <= json.load(file).keys()
    except (OSError, ValueError, AttributeError):
        return False
