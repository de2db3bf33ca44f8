"""Tables of labels as spreadsheets write them: what is clear is read, else its line is refused."""

import pytest

from infomin_tf.data import folder_labels
from tests.bad_inputs.cases import Refused, check_refused

refused = Refused()
IMAGES = ["a.png", "b/c.png", "é, 1.png", "Upper.PNG", "back\\slash.png"]
BOTH = {"a.png": "owl", "b/c.png": "ant"}


def labels(folder, text, encoding="utf-8"):
    """What a table says of `IMAGES`, which are in folder/images."""
    path = folder / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return folder_labels.of_file(str(path), IMAGES, str(folder / "images"))


@pytest.mark.parametrize(
    "text, encoding",
    {
        "commas": ("file,label\na.png,owl\nb/c.png,ant\n", "utf-8"),
        "semicolons": ("file;label\na.png;owl\nb/c.png;ant\n", "utf-8"),
        "tabs": ("file\tlabel\na.png\towl\nb/c.png\tant\n", "utf-8"),
        "unicode text": ("file\tlabel\r\na.png\towl\r\nb/c.png\tant\r\n", "utf-16"),
        "utf-16, no mark": ("file\tlabel\r\na.png\towl\r\nb/c.png\tant\r\n", "utf-16-be"),
        "a mark": ("file,label\na.png,owl\nb/c.png,ant\n", "utf-8-sig"),
        "a separator that is said": (
            "sep=;\r\nfile;label\r\na.png;owl\r\nb/c.png;ant",
            "utf-8-sig",
        ),
        "a quoted one": ('"sep=|"\nfile|label\na.png|owl\nb/c.png|ant', "utf-8"),
        "old line ends": ("file,label\ra.png,owl\rb/c.png,ant\r", "utf-8"),
        "quotes": ('"file","label"\n"a.png","owl"\n"b/c.png", "ant"\n', "utf-8"),
        "other case and blanks": (" Label ,\tFILE\n owl , a.png \nant,b/c.png\n", "utf-8"),
        "more columns": ("id,file,note,label,note\n1,a.png,,owl,x\n2,b/c.png,y,ant\n", "utf-8"),
        "separators at the end": ("file,label,,\na.png,owl,,\nb/c.png,ant,,,,\n,,,\n", "utf-8"),
        "blank lines": ("\n\nfile,label\n\na.png,owl\n  \nb/c.png,ant\n\n", "utf-8"),
        "no label": ("file,label\na.png,owl\nb/c.png,ant\nUpper.PNG,\n", "utf-8"),
        "a row twice": ("file,label\na.png,owl\nb/c.png,ant\n./a.png, owl\n", "utf-8"),
        "Windows paths": ("file,label\n.\\a.png,owl\nb\\c.png,ant\n", "utf-8"),
        "the folder before": ("file,label\nimages/a.png,owl\nimages\\b\\c.png,ant\n", "utf-8"),
        "whole paths": ("file,label\nTOP/images/a.png,owl\nTOP/images/b/c.png,ant\n", "utf-8"),
    }.values(),
)
def test_what_is_clear_is_read(text, encoding, tmp_path):
    assert labels(tmp_path, text.replace("TOP", str(tmp_path)), encoding) == BOTH


def test_names_beyond_ascii_in_every_encoding_and_form(tmp_path, caplog):
    table = 'file;label\n"é, 1.png";müll\n'
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert labels(tmp_path, table, encoding) == {"é, 1.png": "müll"}
    assert not caplog.text
    assert labels(tmp_path, table.replace("é", "e\u0301")) == {"é, 1.png": "müll"}
    assert labels(tmp_path, table, "cp1252") == {"é, 1.png": "müll"}
    assert "is not in UTF-8; it is read as Windows-1252" in caplog.text


def test_what_is_there_as_it_is_written_comes_first(tmp_path):
    assert labels(tmp_path, "file,label\nback\\slash.png,owl\n") == {"back\\slash.png": "owl"}


def test_numbers_and_words_are_classes(tmp_path):
    table = "file,label\na.png,1\nb/c.png,10\nUpper.PNG,none\n"
    assert set(labels(tmp_path, table).values()) == {"1", "10", "none"}


@refused.by("line 3: is '1E\\+03' the same class as '1000' .line 2.", "write each class in one way")
def number_as_a_spreadsheet_shortens_it(folder):
    labels(folder, "file,label\na.png,1000\nb/c.png,1E+03\n")


@refused.by(
    "line 3: is 'owl.u200b' the same class as 'owl' .line 2.", "write each class in one way"
)
def letter_that_is_not_seen(folder):
    labels(folder, "file,label\na.png,owl\nb/c.png,owl\u200b\n")


@refused.by("line 2: 3 cells, where the header has 2: a.png . dog . brown", "double quotes")
def longer_row(folder):
    labels(folder, "file,label\na.png,dog, brown\n")


@refused.by("line 2: 3 cells, where the header has 2: a.png . 1 . 5", "double quotes")
def decimal_comma(folder):
    labels(folder, "file,label\na.png,1,5\n")


@refused.by("line 3: 1 cells, but label is column 2: b/c.png", "FILE, for an image without a label")
def shorter_row(folder):
    labels(folder, "file,label\na.png,owl\nb/c.png\n")


@refused.by("line 2: 1 cells, but label is column 2: a.png;owl", "write FILE,LABEL")
def other_separator_in_the_rows(folder):
    labels(folder, "file,label\na.png;owl\n")


@refused.by("several columns named label, numbers 2 and 3", "remove or rename all but one")
def column_twice(folder):
    labels(folder, "file,label, Label\na.png,dog,cat\n")


@refused.by("has the columns a.png, owl; its first line must be", "file,label")
def no_header(folder):
    labels(folder, "a.png,owl\nb/c.png,ant\n")


@refused.by("line 3: a.png is labelled ant, but was owl above", "remove one of them")
def two_labels(folder):
    labels(folder, "file,label\na.png,owl\n./a.png,ant\n")


@refused.by("line 3: is 'owl' the same class as 'Owl' .line 2.", "write each class in one way")
def labels_that_differ_by_case(folder):
    labels(folder, "file,label\na.png,Owl\nb/c.png, owl \n")


@refused.by("line 3: is 'barn owl' the same class as 'barn owl'", "write each class in one way")
def labels_that_differ_by_blanks(folder):
    labels(folder, "file,label\na.png,barn owl\nb/c.png,barn  owl\n")


@refused.by("line 3: is '1.0' the same class as '1'", "write each class in one way")
def numbers_in_two_forms(folder):
    labels(folder, "file,label\na.png,1\nb/c.png,1.0\n")


@refused.by("line 3: is '1,0' the same class as '01'", "write each class in one way")
def numbers_with_a_decimal_comma(folder):
    labels(folder, "file;label\na.png;01\nb/c.png;1,0\n")


@pytest.mark.parametrize("label", ["nan", "NA", "#N/A", "#VALUE!", "NULL"])
def test_labels_that_may_be_none_are_refused(label, tmp_path):
    text = f"file,label\na.png,owl\nb/c.png,{label}\n"
    check_refused(
        lambda folder: labels(folder, text), f"line 3: {label} may be a class.*empty", tmp_path
    )


@refused.by(
    r"line 3: upper.png is not an image under .* \(is Upper.PNG meant\?\), "
    "nor are the files of 1 more",
    "give paths relative to it, and remove lines of images that are not there",
)
def files_that_are_not_there(folder):
    labels(folder, "file,label\na.png,owl\nupper.png,owl\ngone.png,ant\n")


@refused.by(r"line 2: C:.Users.me.a.png is not an image under .*is a.png meant", "paths relative")
def path_of_another_machine(folder):
    labels(folder, "file,label\nC:\\Users\\me\\a.png,owl\n")


@refused.by(
    "d.heic is not an image under .* that can be read: its file type is not supported",
    "give paths relative",
)
def file_of_another_kind(folder):
    (folder / "images").mkdir()
    (folder / "images" / "d.heic").touch()
    labels(folder, "file,label\nd.heic,owl\n")


@refused.by("line 2: a label without a file", "write FILE,LABEL")
def label_without_a_file(folder):
    labels(folder, "file,label\n,owl\n")


@refused.by("line 3: cannot be read", "close each quote")
def quote_that_is_not_closed(folder):
    labels(folder, 'file,label\nb/c.png,ant\n"a.png,owl\n')


@refused.by("line 2: cannot be read", "double each quote within quotes")
def quote_within_quotes(folder):
    labels(folder, 'file,label\na.png,"an "old" owl"\n')


@refused.by("is a spreadsheet workbook, whatever its name", "export the sheet as CSV")
def workbook(folder):
    labels(folder, b"PK\x03\x04" + bytes(40))


@refused.by("zero bytes, which no text does", "give a csv file in UTF-8")
def no_text(folder):
    labels(folder, b"file,label\na.png,\0\0\xff\n")


@pytest.mark.parametrize("function, pattern", refused)
def test_what_is_not_clear_is_refused(function, pattern, tmp_path):
    check_refused(function, pattern, tmp_path)
