"""The rows of a table of labels, as spreadsheets and scripts write them."""

import csv
import io
import os
import re

from absl import logging

from infomin_tf.errors import UserError

_COLUMNS = ("file", "label")
_SEPARATORS = ",;\t"
_SAID = re.compile(r'\s*"?sep=([,;\t|])"?\s*', re.IGNORECASE)  # the first line of some spreadsheets
_FIX = "give a csv file in UTF-8 with the columns file and label"
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods; .xls


def read(path):
    """Rows of a text file whose first line names its columns.

    Two columns are called file and label, in any case and order; others are not used. Cells are
    separated by commas, semicolons or tabs, and may be quoted. UTF-8 and UTF-16 are detected; other
    bytes are read as Windows-1252, with a warning.

    Args:
        path: of the file.

    Returns:
        List of (number of the row's first line, file, label), without spaces around them; blank
        rows are left out.

    Raises:
        UserError: the table cannot be read, or is ambiguous.
    """
    text = _text(path)
    first, separator = _separator(text, path)
    rows = _rows(text, separator, path)
    header = next(((line, cells) for line, cells in rows if line > first and any(cells)), (0, []))
    places = _places(header[1], path)
    found = []
    for line, cells in rows:
        if line > header[0] and any(cells):
            _check_length(cells, header[1], places, line, path)
            file, label = (cells[place] for place in places)
            if file or label:
                found.append((line, file, label))
    return found


def _text(path):
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error}); {_FIX}") from error
    if data.startswith(_WORKBOOKS):
        raise UserError(
            f"{path} is a spreadsheet workbook, whatever its name; export the sheet as CSV in "
            "UTF-8 with the columns file and label"
        )
    try:
        text = data.decode(_encoding(data))
    except UnicodeDecodeError as error:
        text = _of_one_byte_a_letter(data, path, error)
    if "\0" in text:
        raise UserError(f"{path} cannot be read (it holds zero bytes, which no text does); {_FIX}")
    return text


def _encoding(data):
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if data[1:2] == b"\0":
        return "utf-16-le"
    return "utf-16-be" if data[:1] == b"\0" else "utf-8-sig"


def _of_one_byte_a_letter(data, path, error):
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        raise UserError(f"{path} cannot be read ({error}); {_FIX}") from error
    logging.warning(
        "%s is not in UTF-8; it is read as Windows-1252, the encoding of western spreadsheets. "
        "Save it as UTF-8 if names look wrong",
        path,
    )
    return text


def _separator(text, path):
    """(number of lines before the header, the separator)."""
    lines = io.StringIO(text, newline=None).read().split("\n")
    if said := _SAID.fullmatch(lines[0]):
        return 1, said[1]
    header = next((line for line in lines if line.strip(" \"'" + _SEPARATORS)), "")
    fitting = [s for s in _SEPARATORS if set(_COLUMNS) <= set(_names(header.split(s)))]
    if not fitting:
        cells = max((header.split(s) for s in _SEPARATORS), key=len)
        raise _other_columns(cells, path)
    return 0, fitting[0]


def _rows(text, separator, path):
    """List of (number of its first line, list of cells) of each row."""
    file = io.StringIO(text, newline="")
    reader = csv.reader(file, delimiter=separator, skipinitialspace=True, strict=True)
    rows, line = [], 1
    try:
        for row in reader:
            rows.append((line, [cell.strip() for cell in row]))
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"{path}, line {line}: cannot be read ({error}); close each quote, double each quote "
            "within quotes, and write nothing between a closing quote and the next separator"
        ) from error
    return rows


def _names(cells):
    return [cell.strip().strip("\"'").strip().lower() for cell in cells]


def _other_columns(cells, path):
    found = ", ".join(cell.strip() for cell in cells if cell.strip()) or "none"
    return UserError(f"{path} has the columns {found}; its first line must be file,label")


def _places(header, path):
    """Places of the columns file and label in a row."""
    names = _names(header)
    for name in _COLUMNS:
        places = [str(place + 1) for place, other in enumerate(names) if other == name]
        if not places:
            raise _other_columns(header, path)
        if len(places) > 1:
            raise UserError(
                f"{path} has several columns named {name}, numbers {' and '.join(places)}; remove "
                "or rename all but one"
            )
    return [names.index(name) for name in _COLUMNS]


def _check_length(cells, header, places, line, path):
    """Raises UserError for a row of more cells than the header, or without one that is needed."""
    said, shown, last = f"{path}, line {line}: {len(cells)} cells", " | ".join(cells), max(places)
    if any(cells[len(header) :]):
        raise UserError(
            f"{said}, where the header has {len(header)}: {shown}; put text that contains the "
            'separator in double quotes, as in "dog, brown"'
        )
    if len(cells) <= last:
        raise UserError(
            f"{said}, but {_COLUMNS[places.index(last)]} is column {last + 1}: {shown}; "
            "write FILE,LABEL, or FILE, for an image without a label"
        )


def nearest(text, known):
    """A hint at the image that a text may stand for; "" for none.

    Args:
        text: of the table.
        known: paths of the images.
    """
    wanted = text.replace("\\", "/").lower()
    name = wanted.rsplit("/", 1)[-1]
    alike = [path for path in known if path.lower() == wanted]
    alike = alike or [path for path in known if os.path.basename(path).lower() == name]
    return f" (is {alike[0]} meant?)" if len(alike) == 1 else ""
