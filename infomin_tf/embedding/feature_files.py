"""Files of features: Parquet, npz and csv, written and read a stretch of rows at a time."""

import csv
import os
import zipfile

import numpy as np

from infomin_tf.embedding.rows import Rows, printable
from infomin_tf.errors import UserError

_ROWS = 1024


class FeatureFile:
    """A kind of file with a row per image: its path, its label if there are any, its features.

    Attributes:
        ending: of its name.
    """

    ending = None

    def check(self):
        """Raises UserError where what writes it is not installed."""

    def write(self, path, parts, is_labelled):
        """Writes a file whole.

        Args:
            path: of the file.
            parts: iterable of `Rows`, as often as needed, at least one of them with an image.
            is_labelled: whether labels are written.
        """
        raise NotImplementedError

    def read(self, path):
        """Yields `Rows`; those of a file without labels have the label "".

        Raises:
            Exception: of many kinds; the file is damaged or of another origin.
        """
        raise NotImplementedError


class Parquet(FeatureFile):
    """Columns path, label (null for none) and features, a list of D floats; a row group a part."""

    ending = ".parquet"

    def check(self):
        """See `FeatureFile`."""
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise UserError(
                f"a .parquet file needs pyarrow ({error}); pip install 'infomin_tf[embed]' or pip "
                "install pyarrow, or give an --out that ends in .npz or .csv"
            ) from error

    def write(self, path, parts, is_labelled):
        """See `FeatureFile`."""
        import pyarrow
        from pyarrow import parquet

        kind = pyarrow.list_(pyarrow.float32(), dimensions(parts))
        fields = [("path", pyarrow.string()), ("label", pyarrow.string()), ("features", kind)]
        schema = pyarrow.schema([field for field in fields if is_labelled or field[0] != "label"])
        with parquet.ParquetWriter(path, schema, use_dictionary=["label"]) as writer:
            for part in _with_images(parts):
                values = pyarrow.array(part.features.ravel())
                features = pyarrow.FixedSizeListArray.from_arrays(values, type=kind)
                columns = [pyarrow.array(map(printable, part.paths), pyarrow.string()), features]
                if is_labelled:
                    labels = [label or None for label in part.labels]
                    columns.insert(1, pyarrow.array(labels, pyarrow.string()))
                writer.write_table(pyarrow.table(columns, schema=schema))

    def read(self, path):
        """See `FeatureFile`."""
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS):
                table = {name: batch.column(name) for name in batch.schema.names}
                features = table["features"].flatten().to_numpy().reshape(len(batch), -1)
                labels = table["label"].to_pylist() if "label" in table else [""] * len(batch)
                paths = table["path"].to_pylist()
                yield Rows(paths, [label or "" for label in labels], features)


class Npz(FeatureFile):
    """Arrays of numpy: features float32 [M, D], paths and labels (text, "" for none) [M]."""

    ending = ".npz"

    def write(self, path, parts, is_labelled):
        """See `FeatureFile`."""
        size = sum(len(part.paths) for part in parts)
        with zipfile.ZipFile(path, "w") as archive:
            kind = np.dtype("<f4"), (size, dimensions(parts))
            _add(archive, "features", *kind, (part.features for part in _with_images(parts)))
            for name in ("paths", "labels") if is_labelled else ("paths",):
                width = max(max(map(len, _texts(part, name)), default=0) for part in parts)
                kind = np.dtype(f"<U{max(width, 1)}")
                texts = (np.array(_texts(part, name), kind) for part in _with_images(parts))
                _add(archive, name, kind, (size,), texts)

    def read(self, path):
        """See `FeatureFile`."""
        with zipfile.ZipFile(path) as archive:
            there = set(archive.namelist())
            names = [name for name in ("paths", "labels", "features") if _name(name) in there]
            columns = {name: _blocks(archive, name) for name in names}
            for features in columns["features"]:
                paths = next(columns["paths"]).tolist()
                labels = next(columns["labels"]).tolist() if "labels" in columns else None
                yield Rows(paths, labels or [""] * len(paths), features)


class Csv(FeatureFile):
    """Columns path, label (empty for none), feature_0, feature_1 ...; 9 digits hold a float32."""

    ending = ".csv"

    def write(self, path, parts, is_labelled):
        """See `FeatureFile`."""
        count = dimensions(parts)
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            names = ["path", "label"] if is_labelled else ["path"]
            writer.writerow([*names, *(f"feature_{number}" for number in range(count))])
            for part in _with_images(parts):
                for place, values in enumerate(part.features.tolist()):
                    texts = [printable(part.paths[place])]
                    texts += [part.labels[place]] if is_labelled else []
                    writer.writerow(texts + [f"{value:.9g}" for value in values])

    def read(self, path):
        """See `FeatureFile`."""
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            first = next(rows).index("feature_0")
            block = []
            for row in rows:
                block.append(row)
                if len(block) == _ROWS:
                    yield _of_cells(block, first)
                    block = []
            if block:
                yield _of_cells(block, first)


_KINDS = (Parquet(), Npz(), Csv())


def kind_of(path):
    """The `FeatureFile` that the ending of a path asks for.

    Raises:
        UserError: another ending.
    """
    ending = os.path.splitext(path)[1].lower()
    for kind in _KINDS:
        if kind.ending == ending:
            return kind
    *others, last = (kind.ending for kind in _KINDS)
    raise UserError(f"--out={path} must end in {', '.join(others)} or {last}")


def read(path):
    """`Rows` of a file; UserError where it is damaged or of another origin."""
    try:
        yield from kind_of(path).read(path)
    except UserError:
        raise
    except Exception as error:  # libraries fail in many ways, all with the same fix
        raise UserError(
            f"{path} cannot be read ({type(error).__name__}: {error}); make it again with bin/embed"
        ) from error


def dimensions(parts):
    """D of the features."""
    return next(part.features.shape[1] for part in _with_images(parts))


def _with_images(parts):
    return (part for part in parts if len(part.paths))


def _texts(part, name):
    texts = getattr(part, name)
    return [printable(path) for path in texts] if name == "paths" else texts


def _name(name):
    return f"{name}.npy"


def _add(archive, name, kind, shape, blocks):
    """Adds an array in blocks along its first axis; without a time, so equal files are alike."""
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    with archive.open(zipfile.ZipInfo(_name(name)), "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        for block in blocks:
            member.write(np.ascontiguousarray(block, kind).tobytes())


def _blocks(archive, name):
    """An array of an npz, in blocks along its first axis."""
    with archive.open(_name(name)) as member:
        np.lib.format.read_magic(member)
        shape, _, kind = np.lib.format.read_array_header_1_0(member)
        for start in range(0, shape[0], _ROWS):
            count = min(_ROWS, shape[0] - start)
            data = member.read(count * kind.itemsize * int(np.prod(shape[1:])))
            yield np.frombuffer(data, kind).reshape(count, *shape[1:])


def _of_cells(rows, first):
    features = np.array([row[first:] for row in rows], np.float32)
    labels = [row[1] if first == 2 else "" for row in rows]
    return Rows([row[0] for row in rows], labels, features)
