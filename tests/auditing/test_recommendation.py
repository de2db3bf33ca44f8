"""The command in the header of recommended.gin, of whatever folder."""

import shlex

import gin
import pytest

from infomin_tf.auditing import recommendation

ARGUMENTS = {
    "images": "/my photos/it's\n50 % [a]",
    "labels": None,
    "image_size": 96,
    "test_share": 0.25,
    "batch_size": 64,
}
FACTS = {"arguments": ARGUMENTS, "sizes": {"unlabelled": 640}}
SIZE = recommendation.Size(4, 64, 5000, 42.0)


@pytest.mark.parametrize(
    "path", ["runs/x/recommended.gin", "my runs/it's $HOME/[1]*/recommended.gin", "a#b=%c;d/é.gin"]
)
def test_a_shell_takes_the_command_as_it_is(path, clean_gin):
    text = recommendation.gin_text(path, "jitter off", [], [], FACTS, ["Why."], SIZE)
    [line] = [line for line in text.splitlines() if "bin/train" in line]
    assert shlex.split(line.removeprefix("#   ")) == ["bin/train", f"--gin_file={path}"]


def test_a_line_break_in_a_folders_name_does_not_end_the_comment(clean_gin):
    path = "of\nlines/recommended.gin"
    text = recommendation.gin_text(path, "jitter off", [], [], FACTS, ["Why."], SIZE)
    header = text.partition("ImageFolder.")[0]
    assert all(line.startswith("#") for line in header.splitlines() if line.strip())
    assert f"directory = {ARGUMENTS['images']!r}" in text
    gin.parse_config("x = " + text.partition("directory = ")[2].partition("\n")[0])
    assert gin.query_parameter("%x") == ARGUMENTS["images"]
