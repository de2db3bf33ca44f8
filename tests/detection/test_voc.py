"""Reading folders in VOC format, cutting tiles, and the canvas of a detector."""

import collections
import json
import pathlib
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.detection.conftest import PROGRAMS, write_annotation


def test_boxes_are_clipped_and_those_without_area_left_out_and_counted(tmp_path):
    import voc

    boxes = [
        ("cell", (3, 4, 20, 30)),
        (" cell ", (-5, 10, 70, 50), True),
        ("cell", (9, 9, 9, 9)),  # empty, as two of BCCD are
        ("cell", (64, 0, 80, 20)),  # outside
    ]
    write_annotation(tmp_path / "a.xml", boxes)
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    read = voc.read_boxes(tmp_path / "a.xml", tmp_path / "a.png")
    np.testing.assert_array_equal(read.corners, [[3, 4, 20, 30], [0, 10, 64, 48]])
    assert read.names == ("cell", "cell") and read.bad == 2 and read.size == (64, 48)
    assert read.difficult.tolist() == [False, True]


def test_an_image_without_boxes_has_none(tmp_path):
    import voc

    write_annotation(tmp_path / "a.xml", [])
    Image.new("L", (64, 48)).save(tmp_path / "a.png")
    assert voc.read_boxes(tmp_path / "a.xml", tmp_path / "a.png").corners.shape == (0, 4)


def test_a_folder_is_read_in_the_order_of_its_list(voc_folder):
    import voc

    read = voc.Voc(voc_folder).read("train")
    assert [boxes.file.stem for boxes in read] == [f"train{number}" for number in range(8)]
    for boxes in read:
        image = np.asarray(voc.open_image(boxes.file))
        assert image.shape == (48, 64, 3) and image.dtype == np.uint8
        left, top, right, bottom = boxes.corners[0].astype(int)
        assert (image[top:bottom, left:right, 0] == 220).all()


def test_mistakes_are_said_with_what_to_do(voc_folder):
    import voc

    with pytest.raises(voc.VocError, match="lacks JPEGImages, ImageSets/Main; give the folder"):
        (voc_folder / "half" / "Annotations").mkdir(parents=True)
        voc.Voc(voc_folder / "half")
    made = voc.Voc(voc_folder)
    with pytest.raises(voc.VocError, match="'trainval'; there is test, train, val"):
        made.read("trainval")
    write_annotation(voc_folder / "Annotations" / "val0.xml", [], size=(640, 480))
    with pytest.raises(voc.VocError, match="image of 640x480, but the image has 64x48"):
        made.read("val")
    (voc_folder / "Annotations" / "val0.xml").write_text("<annotation><object></object>")
    with pytest.raises(voc.VocError, match="val0.xml is no annotation of VOC"):
        made.read("val")
    (voc_folder / "JPEGImages" / "test1.png").unlink()
    with pytest.raises(voc.VocError, match="test1 has no file"):
        made.read("test")
    file = voc_folder / "JPEGImages" / "train0.png"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(voc.VocError, match="train0.png cannot be read"):
        voc.open_image(file)
    file.write_bytes(b"no image")
    with pytest.raises(voc.VocError, match="train0.png cannot be read"):
        made.read("train")


def test_tiles_overlap_by_half_and_are_of_one_division(voc_folder, tmp_path, capsys):
    import tiles

    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8))
    cut = [np.asarray(tile) for tile in tiles.cut(image, 20, 10)]
    assert len(cut) == 3 * 5 and {tile.shape for tile in cut} == {(10, 10, 3)}
    np.testing.assert_array_equal(cut[0][:, 5:], cut[1][:, :5])
    np.testing.assert_array_equal(cut[0][5:], cut[5][:5])
    flags = [f"--images={voc_folder}", f"--out={tmp_path / 'tiles'}", "--side=48", "--size=24"]
    tiles.main(flags)
    written = sorted(path.name for path in (tmp_path / "tiles").iterdir())
    assert len(written) == 8 * 12 and all(name.startswith("train") for name in written)
    assert "96 tiles of 8 images" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="--size must be 2 to 48, which is --side, not 64"):
        tiles.main([*flags, "--size=64"])
    with pytest.raises(SystemExit, match="tiles is not empty; give --out a new folder"):
        tiles.main([*flags, "--division=test"])
    assert sorted(path.name for path in (tmp_path / "tiles").iterdir()) == written


def test_the_commands_of_the_page_have_the_flags_that_there_are():
    import retinanet
    import tiles

    page = (PROGRAMS.parents[1] / "docs" / "detection.md").read_text()
    lines = re.findall(r"^ *python examples/detection/(\w+)\.py (.*)$", page, re.MULTILINE)
    shared = shlex.split(re.search(r'flags="(.*)"', page)[1])
    parsers = {"retinanet": retinanet.parser(), "tiles": tiles.parser()}
    assert len(lines) == 6
    for program, words in lines:
        words = [w for word in shlex.split(words) for w in (shared if word == "$flags" else [word])]
        given = [word.replace("$seed", "0") for word in words]
        parsers[program].parse_args(given)


def test_boxes_stay_on_what_they_bound_on_the_canvas_and_in_the_mirror(voc_folder):
    import voc
    from training_images import NO_BOX, Canvas, TrainingImages

    examples = voc.Voc(voc_folder).read("train")
    canvas = Canvas([boxes.size for boxes in examples], 128)
    assert canvas.shape == (96, 128, 3)
    batches = TrainingImages(examples, canvas, ["blue", "red"], 4, seed=0)
    seen = {True: 0, False: 0}
    for epoch in range(4):
        batches.begin(epoch)
        for index in range(len(batches)):
            images, boxes = batches[index]
            places = batches.order[4 * index : 4 * index + 4]
            for image, corners, labels, place in zip(
                images, boxes["boxes"], boxes["labels"], places, strict=True
            ):
                real = labels >= 0
                assert real.sum() == 1 + place % 2 and not real[-1]
                assert (corners[~real] == NO_BOX).all()
                seen[bool(batches.mirrored[place])] += 1
                for box, label in zip(corners[real].astype(int), labels[real], strict=True):
                    inside = image[box[1] + 3 : box[3] - 3, box[0] + 3 : box[2] - 3]
                    assert (inside[..., 2 if label == 0 else 0] > 200).all()
    assert min(seen.values()) > 5


def test_an_image_of_another_shape_is_placed_at_the_top_left():
    from training_images import Canvas, mirror

    canvas = Canvas([(100, 50), (40, 60)], 64)
    assert canvas.shape == (64, 64, 3)
    np.testing.assert_allclose(canvas.scale((100, 50)), 0.64)
    placed = canvas.place(Image.new("RGB", (100, 50), (9, 9, 9)))
    assert (placed[:32] == 9).all() and not placed[32:].any()
    corners = np.array([[3.0, 5, 20, 9]])
    np.testing.assert_array_equal(mirror(corners, 64), [[44, 5, 61, 9]])
    np.testing.assert_array_equal(mirror(mirror(corners, 64), 64), corners)
    np.testing.assert_allclose(canvas.back(corners * 0.64, (100, 50)), corners)
    np.testing.assert_allclose(canvas.back([[-9, 5, 99, 64]], (40, 60)), [[0, 4.69, 40, 60]], 1e-2)


@pytest.mark.parametrize("flags", [["--help"], ["--images=x"], []])
def test_help_and_errors_of_flags_need_no_tensorflow(flags):
    code = (
        f"import sys, runpy; sys.path.insert(0, {str(PROGRAMS)!r}); sys.argv = ['x', *{flags}]\n"
        f"try: runpy.run_path({str(PROGRAMS / 'retinanet.py')!r}, run_name='__main__')\n"
        "finally: assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == (0 if flags == ["--help"] else 2), done.stderr


def test_results_are_not_written_over_and_settings_not_mixed(voc_folder, tmp_path, capsys):
    import retinanet

    given = [f"--images={voc_folder}", "--export=none", f"--out={tmp_path / 'out'}"]
    settings = vars(retinanet.parser().parse_args(given))
    settings.pop("out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "settings.json").write_text(json.dumps(settings | {"seed": 7}))
    with pytest.raises(SystemExit, match="was begun with --seed=7"):
        retinanet.main(given)
    settings_file = tmp_path / "out" / "settings.json"
    for broken in ("", '{"seed": 7', "[]"):
        settings_file.write_text(broken)
        with pytest.raises(SystemExit, match="settings.json.*; delete it to continue"):
            retinanet.main(given)
        assert settings_file.read_text() == broken
    (tmp_path / "out" / "results.json").write_text("{}")
    with pytest.raises(SystemExit, match="has results already; give --out another folder"):
        retinanet.main(given)


@pytest.mark.parametrize(
    "flag, message",
    {
        "--epochs=0": "--epochs must be above 0, not 0",
        "--learning_rate=nan": "--learning_rate must be above 0, not nan",
        "--head_convolutions=-1": "--head_convolutions must be 0 or more, not -1",
        "--seed=-1": "--seed must be 0 to 4294967295, not -1",
        "--seed=4294967296": "--seed must be 0 to 4294967295, not 4294967296",
    }.items(),
)
def test_numbers_out_of_range_are_said(flag, message, voc_folder, tmp_path):
    import retinanet

    with pytest.raises(SystemExit, match=f"^error: {message}$"):
        retinanet.main([f"--images={voc_folder}", "--export=none", f"--out={tmp_path}/out", flag])
    assert not (tmp_path / "out").exists()


def test_a_file_is_no_folder_of_results(voc_folder, tmp_path):
    import retinanet
    import tiles

    file = tmp_path / "file"
    file.write_text("kept")
    for program, flags in ((retinanet, ["--export=none"]), (tiles, [])):
        with pytest.raises(SystemExit, match="file is a file; give --out a folder"):
            program.main([f"--images={voc_folder}", f"--out={file}", *flags])
    assert file.read_text() == "kept"


def test_a_library_that_does_not_fit_is_said(voc_folder, tmp_path, monkeypatch):
    import retinanet

    package = tmp_path / "broken"
    package.mkdir()
    (package / "average_precision.py").write_text(
        "raise ImportError('tflite_registrar.so: undefined symbol: _ZN4absl')"
    )
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.delitem(sys.modules, "average_precision", raising=False)
    with pytest.raises(SystemExit, match="undefined symbol.*pip install 'tensorflow-text==2.X"):
        retinanet.main([f"--images={voc_folder}", "--export=none", f"--out={tmp_path / 'out'}"])
    assert not (tmp_path / "out").exists()


def test_a_list_that_is_not_utf_8_is_said(voc_folder):
    import voc

    file = voc_folder / "ImageSets" / "Main" / "train.txt"
    file.write_bytes("zellkörper".encode("latin-1"))
    with pytest.raises(voc.VocError, match="train.txt is not text in UTF-8 .*; save it"):
        voc.Voc(voc_folder).names("train")
    file.write_bytes(b"\xef\xbb\xbf" + "zellkörper\n".encode())
    assert voc.Voc(voc_folder).names("train") == ["zellkörper"]


@pytest.mark.parametrize("package", ["keras_hub", "pycocotools"])
def test_a_missing_extra_says_how_to_install_it(package, voc_folder, tmp_path, monkeypatch):
    import retinanet

    ours = ("keras_hub", "pycocotools", "average_precision", "detector")
    for name in [name for name in sys.modules if name.split(".")[0] in ours]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit, match="is not installed; .*infomin_tf.detection"):
        retinanet.main([f"--images={voc_folder}", "--export=none", f"--out={tmp_path / 'out'}"])
    assert not (tmp_path / "out").exists()


@pytest.mark.real_data
def test_the_two_bad_boxes_of_the_blood_cells_are_left_out(real_data_dir):
    import voc

    folder = pathlib.Path(real_data_dir).parent / "detection" / "bccd"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing")
    read = {name: voc.Voc(folder).read(name) for name in ("train", "val", "test")}
    assert {name: len(boxes) for name, boxes in read.items()} == {
        "train": 205,
        "val": 87,
        "test": 72,
    }
    assert {name: sum(b.bad for b in boxes) for name, boxes in read.items()} == {
        "train": 1,
        "val": 1,
        "test": 0,
    }
    names = collections.Counter(n for boxes in read.values() for b in boxes for n in b.names)
    assert names == {"RBC": 4153, "WBC": 372, "Platelets": 361}
