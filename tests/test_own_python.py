"""Own Python next to a gin file, names without import lines, and what is said of mistakes."""

import pathlib
import re
import sys

import numpy as np
import pytest

from infomin_tf.configuration import gin_files
from infomin_tf.errors import UserError
from tests.gin_files import HEADER, build


@pytest.fixture(autouse=True)
def clean(clean_gin, tmp_path, monkeypatch):
    """No earlier bindings, an empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])


OWN = """from infomin_tf.data.shapes import Shapes
from infomin_tf.views.augment.crop import RandomResizedCrop
from infomin_tf.views.families import Family


def mild(size=48):
    return Family(RandomResizedCrop(size, (0.9, 1.0)))


class Mine:
    def load(self, data_dir):
        return Shapes().load(data_dir)
"""


def test_own_python_beside_the_gin_file_is_found_and_found_again_in_a_saved_run(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "own_views_1.py").write_text(OWN)
    overlay = (
        "import own_views_1\n"
        "IndependentPair.sampler = @own_views_1.mild()\n"
        "Data.unlabelled = @own_views_1.Mine()\nData.train = @own_views_1.Mine()\n"
        "Data.test = @own_views_1.Mine()\n"
    )
    (tmp_path / "sub" / "own.gin").write_text(HEADER + overlay)
    build("gin/folder_semisup_views.gin", "sub/own.gin")
    (tmp_path / "run").mkdir()
    text = gin_files.operative_text(0)
    (tmp_path / "run" / "config.gin").write_text(text)
    sys.path.remove(str(tmp_path / "sub"))
    assert build("run/config.gin")._pair.sampler.crop.area == (0.9, 1.0)
    assert str(tmp_path / "sub") in sys.path


def test_own_python_in_the_working_directory_is_found_by_a_binding(tmp_path):
    (tmp_path / "own_views_2.py").write_text(OWN)
    bindings = ["import own_views_2", "IndependentPair.sampler = @own_views_2.mild()"]
    assert build("gin/folder_semisup_views.gin", bindings=bindings)._pair.sampler.size == 48


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("absent_1", None, "(?s)No module named 'absent_1'.*put absent_1.py there"),
        (
            "broken_1",
            "x = 1\nimport absent_2\n",
            r"(?s)No module named 'absent_2' in .*broken_1.py, line 2; fix that module.*own.gin",
        ),
        ("broken_2", "\nprint(y)\n", "NameError: name 'y' is not defined in .*broken_2.py, line 2"),
        ("broken_3", "\n\nint('x')\n", "ValueError: .* in .*broken_3.py, line 3"),
        ("broken_4", "import sys\nsys.exit(0)\n", "SystemExit: 0 in .*broken_4.py, line 2"),
    ],
)
def test_a_mistake_in_own_python_is_named_with_its_place(name, text, message, tmp_path):
    if text:
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "own.gin").write_text(HEADER + f"import {name}\n")
    with pytest.raises(UserError, match=message):
        build("own.gin")


@pytest.mark.parametrize("mistake", ["size + sice", "{}['size']", "'48' / size", "open('none')"])
def test_a_mistake_inside_own_python_is_named_with_its_place(mistake, tmp_path):
    name = f"broken_inside_{len(mistake)}"
    (tmp_path / f"{name}.py").write_text(f"def mild(size=48):\n    return {mistake}\n")
    bindings = [f"import {name}", f"IndependentPair.sampler = @{name}.mild()"]
    with pytest.raises(UserError, match=rf"^\w+Error: .* in .*{name}.py, line 2; fix that module$"):
        build("gin/folder_semisup_views.gin", bindings=bindings)


def test_a_module_beside_the_gin_file_comes_before_one_of_the_working_directory(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "own_views_3.py").write_text(OWN)
    (tmp_path / "own_views_3.py").write_text(OWN.replace("0.9", "0.5"))
    overlay = "import own_views_3\n"
    overlay += "IndependentPair.sampler = @own_views_3.mild()\n"
    (tmp_path / "sub" / "own.gin").write_text(HEADER + overlay)
    assert build("gin/folder_semisup_views.gin", "sub/own.gin")._pair.sampler.crop.area == (0.9, 1)


@pytest.mark.parametrize("name", ["random", "keras", "own_views_4"])
def test_a_module_that_is_hidden_by_another_of_its_name_is_refused(name, tmp_path):
    """One of Python's, an installed one, and one next to another gin file of the run."""
    for folder in ("a", "b") if name == "own_views_4" else ("b",):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.py").write_text(OWN)
        (tmp_path / folder / "own.gin").write_text(HEADER + f"import {name}\n")
    files = [f"{folder}/own.gin" for folder in ("a", "b") if (tmp_path / folder).exists()]
    message = rf"b/own.gin imports {name}, but gets another .*/{name}\b.* instead of "
    message += rf".*/b/{name}.py; give yours"
    with pytest.raises(UserError, match=message):
        build("gin/folder_semisup_views.gin", *files)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("from own_views_5 import mild", "write import own_views_5, and own_views_5.mild for"),
        (
            "from infomin_tf.views.pairs import CropAndFlip",
            "gin files write CropAndFlip, and need no import line for it",
        ),
    ],
)
def test_an_import_of_what_is_in_a_module_is_told_how_gin_imports(line, message, tmp_path):
    (tmp_path / "own_views_5.py").write_text(OWN)
    (tmp_path / "own.gin").write_text(HEADER + line + "\n")
    with pytest.raises(UserError, match=message):
        build("own.gin")


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("Encoder.backbone = @ResNet19()", "nearest valid name: .*ResNet18"),
        ("encoder.Encoder.backbone = 1", "gin files write Encoder, without a module"),
        (
            "Encodr.backbone = 1",
            "gin files have no name Encodr\\b(.|\n)*nearest valid name: Encoder",
        ),
        ("IndependentPair.num_views = 3", "valid names: jigsaw, on_device, sampler"),
    ],
)
def test_hints_are_near(binding, message):
    with pytest.raises(UserError, match=message):
        build("gin/folder_semisup_views.gin", bindings=[binding])


def test_the_own_python_of_the_documentation_works(tmp_path):
    page = (pathlib.Path(__file__).parents[1] / "docs" / "overlays.md").read_text()
    python, overlay = (
        re.search(f"```{kind}\n(.*?)```", page, re.DOTALL)[1] for kind in ("python", "gin")
    )
    (tmp_path / "my_views.py").write_text(python)
    (tmp_path / "mine.gin").write_text(overlay)
    images = np.full((4, 96, 96, 3), 200, np.uint8)
    np.save("scans.npy", images)
    experiment = build("mine.gin")
    assert experiment._data.load_unlabelled(None).size == 4
    views, _ = experiment._pair(images, (0, 0))
    assert (
        views.shape == (4, 48, 48, 3) and len({float(view.mean()) for view in np.array(views)}) == 4
    )
    assert np.max(views) < 0.95
