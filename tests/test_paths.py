"""Paths with a ~, and with characters of patterns."""

import dataclasses
import pathlib
import tempfile

import gin
import pytest
from PIL import Image

from infomin_tf import load_encoder
from infomin_tf.configuration import gin_files
from infomin_tf.data.image_folder import ImageFolder
from infomin_tf.data.tfds_source import Tfds
from infomin_tf.errors import UserError
from infomin_tf.experiment.evaluate import Evaluate
from infomin_tf.runs import paths


@dataclasses.dataclass
class Run:
    """What `begin_again` asks of a run."""

    model_dir: pathlib.Path
    configuration: str = "now"

    def directory(self, stage):
        return str(self.model_dir / stage)


def test_beginning_an_evaluation_again_leaves_other_runs_alone(tmp_path):
    for own, other in (("exp[1]", "exp1"), ("a*", "abc"), ("b?", "bc")):
        for name in (own, other):
            (tmp_path / name / "evaluate" / "linear_probe_pre-trained").mkdir(parents=True)
        Evaluate(probes=()).begin_again(Run(tmp_path / own))
        assert not (tmp_path / own / "evaluate" / "linear_probe_pre-trained").exists()
        assert (tmp_path / other / "evaluate" / "linear_probe_pre-trained").exists()


def test_a_leading_tilde_is_the_home_folder_and_no_other_is(monkeypatch):
    monkeypatch.setenv("HOME", "/home/of me")
    assert paths.expand("~/runs/x") == "/home/of me/runs/x"
    assert paths.expand(pathlib.Path("~/x")) == "/home/of me/x"
    assert [paths.expand(path) for path in (None, "a/~/b", "x~", "")] == [None, "a/~/b", "x~", ""]


def test_a_tilde_leads_home_from_python_and_from_gin_files(tmp_path, monkeypatch, clean_gin):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "photos" / "1.png")
    assert ImageFolder("~/photos", image_size=8).load().size == 1
    for use in (lambda: Tfds("no_such_set", "train").load("~/sets"), lambda: load_encoder("~/x")):
        with pytest.raises(UserError, match=f"{tmp_path}/(sets|x)"):
            use()
    (tmp_path / "top.gin").write_text("include '~/below.gin'\n")
    (tmp_path / "below.gin").write_text("size = 3\n")
    gin_files.parse([gin_files.find_file("~/top.gin")], [])
    assert gin.query_parameter("%size") == 3
    known = gin_files.digest(["~/top.gin"])
    (tmp_path / "below.gin").write_text("size = 4\n")
    assert gin_files.digest(["~/top.gin"]) != known
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("temporary", ["temporary", "t[1]"])
def test_a_folder_has_a_name_without_patterns(temporary, tmp_path, monkeypatch):
    (tmp_path / temporary).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / temporary))
    folder = tmp_path / "lr=[0.1]"
    folder.mkdir()
    (folder / "file").write_text("here")
    with paths.without_patterns(str(folder)) as name:
        assert "[" not in name and pathlib.Path(name, "file").read_text() == "here"
    assert not pathlib.Path(name).exists() and (folder / "file").exists()
    with paths.without_patterns(str(tmp_path)) as name:
        assert name == str(tmp_path)
