"""The commands that README.md, docs/ and the headers of gin files show, as they are written."""

import dataclasses
import pathlib
import re
import shlex

ROOT = pathlib.Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:bin/\w+|\.venv/bin/\w+|make|export) [^`]+)`")
_HEADER = re.compile(r"^# {3,}(\S.*)$", re.MULTILINE)
_ASSIGNMENT = re.compile(r"[A-Z_]+=")


@dataclasses.dataclass(frozen=True)
class Command:
    """One command of one page."""

    page: str
    line: str

    @property
    def words(self):
        """As a shell takes them, without variables that are set for it alone."""
        words = shlex.split(self.line, comments=True)
        while words and _ASSIGNMENT.match(words[0]):
            words = words[1:]
        return words

    @property
    def program(self):
        """The first word."""
        return self.words[0]


def of_documents():
    """Those of README.md and docs/: lines of blocks without a language, and what is in the text."""
    found = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = page.read_text(encoding="utf-8")
        lines = [
            line for kind, block in _BLOCK.findall(text) if not kind for line in _whole_lines(block)
        ]
        name = page.relative_to(ROOT).as_posix().removeprefix("docs/")
        found += [Command(name, line) for line in (*lines, *_INLINE.findall(text))]
    return list(dict.fromkeys(command for command in found if command.words))


def of_gin_files():
    """Those in the headers of gin files."""
    found = []
    for page in sorted((ROOT / "gin").rglob("*.gin")):
        header = re.match(r"(?:#.*\n)*", page.read_text(encoding="utf-8"))[0]
        lines = _whole_lines("\n".join(_HEADER.findall(header)))
        name = str(page.relative_to(ROOT))
        found += [Command(name, line) for line in lines if line.startswith("bin/")]
    return found


def _whole_lines(text):
    return [line for line in re.sub(r"\\\n\s*", "", text).splitlines() if line.strip()]
