"""README.md and the pages of docs/: links lead somewhere, every page is in the site, and short."""

import re

import pytest

from tests.documentation.commands import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


def anchors(page):
    """What a heading is called in a link."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not link.startswith("http"):
            name, _, heading = link.partition("#")
            target = page.parent / name if name else page
            assert target.exists(), link
            assert not heading or heading in anchors(target), link


def test_every_page_is_in_the_site():
    """notebook.md is made of the notebook by mkdocs_hooks.py."""
    named = re.findall(r": ([\w/]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = [page.relative_to(DOCS).as_posix() for page in PAGES[2:]]
    assert sorted(named) == sorted([*pages, "notebook.md"])


def test_every_page_is_in_the_index():
    index = (DOCS / "README.md").read_text()
    names = [page.relative_to(DOCS).as_posix() for page in PAGES[2:] if page.name != "README.md"]
    assert not [name for name in names if f"({name})" not in index]


def test_the_readme_is_a_page():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 90
