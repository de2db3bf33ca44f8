"""docs/coverage.md names files that are there, and all tables and figures of the paper; that they
build is in test_gin_files.
"""

import re

from tests.documentation.commands import ROOT

PAGE = (ROOT / "docs" / "coverage.md").read_text()
LINES = [line for line in PAGE.splitlines() if line.startswith("| ")][1:]
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in LINES]


def test_every_file_it_names_exists():
    files = re.findall(r"`((?:gin|infomin_tf)/[^`]+)`", PAGE)
    assert len(files) > 40
    assert not [file for file in files if not (ROOT / file).is_file()]


def test_every_sweep_and_row_of_the_paper_is_named():
    shipped = {str(path.relative_to(ROOT)) for path in (ROOT / "gin" / "paper").glob("*.gin")}
    parts = {path for path in shipped if re.search(r"imagenet\.gin|_v2\.gin|table4_", path)}
    assert not [path for path in shipped - parts if f"`{path}`" not in PAGE]


def numbers(kind):
    """The numbers of all tables or figures that the first column names, ranges included."""
    found = set()
    for row in ROWS:
        for text in re.findall(rf"{kind}s?\.? ((?:\d+(?: to |, )?)+)", row[0]):
            for part in text.split(", "):
                first, _, last = part.partition(" to ")
                found |= set(range(int(first), int(last or first) + 1))
    return found


def test_all_tables_and_figures_are_there():
    assert numbers("Table") == set(range(1, 14))
    assert numbers("Fig") == set(range(1, 15))


def test_states_are_those_that_are_explained():
    for row in ROWS:
        assert re.match(
            "(linear head |STL-10 )?ran small|shipped|missing|nothing to run", row[3]
        ), row
