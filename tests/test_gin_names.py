"""The names of gin files: this package's are registered once, a person's own are imported."""

import pathlib
import re

import gin
import keras
import pytest

from infomin_tf.configuration import gin_files, gin_names
from infomin_tf.errors import UserError
from infomin_tf.experiment.pretrain import Pretrain
from infomin_tf.runs import run_folder
from tests.gin_files import build

ROOT = pathlib.Path(__file__).parents[1]
BASE = "gin/folder_semisup_views.gin"
OWN = """from infomin_tf.views.pairs import CropAndFlip


class ResNet18(CropAndFlip):
    pass
"""


@pytest.fixture(autouse=True)
def clean(clean_gin, tmp_path, monkeypatch):
    """No earlier bindings, an empty working directory, whose modules can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def test_no_shipped_file_has_a_line_to_import():
    lines = [
        line for path in (ROOT / "gin").rglob("*.gin") for line in path.read_text().split("\n")
    ]
    assert len(lines) > 1000 and not [line for line in lines if re.match("import|from", line)]


def test_references_make_the_class_itself():
    made = build(BASE)._pretraining
    assert type(made) is Pretrain and type(made.training.optimizers[0]) is keras.optimizers.SGD


def test_a_name_stands_for_one_thing():
    class Pretrain:
        pass

    with pytest.raises(ValueError, match="two things would be called Pretrain"):
        gin_names.register(Pretrain)
    before = gin_names.registered()
    gin_names.register(*(thing for name, thing in before.items() if "." not in name))
    assert gin_names.registered() == before


@pytest.mark.parametrize("line", ["", "from __gin__ import dynamic_registration\n"])
def test_own_classes_go_by_their_module_and_may_be_called_as_ours_are(line, tmp_path):
    name = f"my_views_{len(line)}"
    (tmp_path / f"{name}.py").write_text(OWN)
    text = f"import {name}\nSharedPair.sampler = @{name}.ResNet18()\n{name}.ResNet18.size = 40\n"
    (tmp_path / "own.gin").write_text(
        f"{line}{text}Encoder.backbone = @ResNet18()\nview_size = 40\n"
    )
    made = build("gin/imagenette96_raw_views.gin", "own.gin")
    assert type(made._pair.sampler).__module__ == name and made._pair.size == 40
    assert type(made._pretraining.backbones[0]).__module__ == "infomin_tf.models.resnet"
    saved = gin_files.operative_text(0)
    assert f"\nimport {name}\n" in saved and "infomin_tf" not in saved
    (tmp_path / "config.gin").write_text(saved)
    build("config.gin")
    assert gin_files.operative_text(0) == saved


def test_own_python_may_register_itself_as_gin_has_it(tmp_path):
    decorated = OWN.replace("class", "import gin\n\n\n@gin.register\nclass").replace(
        "ResNet18", "Mild"
    )
    (tmp_path / "my_views_2.py").write_text(decorated)
    (tmp_path / "own.gin").write_text(
        "import my_views_2\nSharedPair.sampler = @Mild()\nMild.size = 48\n"
    )
    made = build("gin/imagenette96_raw_views.gin", "own.gin")
    assert type(made._pair.sampler).__name__ == "Mild"


def test_modules_of_this_package_may_be_imported_as_own_ones_are(tmp_path):
    (tmp_path / "own.gin").write_text(
        "from infomin_tf.experiment import pretrain\npretrain.Pretrain.epochs = 7\n"
    )
    assert build(BASE, "own.gin")._pretraining.training.epochs == 7


def test_a_configuration_names_what_it_binds_alike_with_and_without_own_modules(tmp_path):
    (tmp_path / "my_views_3.py").write_text(OWN)
    build(BASE)
    alone = gin_files.operative_text(0)
    build(BASE, bindings=["import my_views_3"])
    lines = gin_files.operative_text(0).splitlines()
    kept = [line for line in lines if not re.match("import|from|# modules", line)]
    assert [line for line in kept if line] == [line for line in alone.splitlines() if line]


def test_a_query_takes_the_names_of_gin_files():
    build(BASE)
    assert gin.query_parameter("Pretrain.epochs") == 10


def test_a_run_of_an_earlier_version_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "config.gin").write_text(
        "# seed: 3\n\nexperiment.Experiment.precision = 'float32'\n"
    )
    said = "was made by an earlier version, whose configurations name modules; .* and train again$"
    with pytest.raises(UserError, match=said):
        run_folder.saved_seed(str(tmp_path))
    (tmp_path / "pretrain").mkdir()
    with pytest.raises(UserError, match=said):
        run_folder.claim(str(tmp_path), "# seed: 3\n", overwrite=False)
    run_folder.claim(str(tmp_path), "# seed: 4\n", overwrite=True)
    assert run_folder.saved_seed(str(tmp_path)) == 4
