"""Every shipped gin file builds, alone or stacked as its header says, and binds nothing in vain."""

import pathlib
import re

import gin
import pytest

from infomin_tf.configuration import gin_files
from infomin_tf.errors import UserError
from infomin_tf.experiment.experiment import Experiment
from infomin_tf.runs import differences, run_folder
from infomin_tf.sweeps.sweep import Sweep

GIN = pathlib.Path(__file__).parents[1] / "gin"
COMPARISONS = ("folder_compare_views.gin", "quickstart_compare_views.gin")
RUNNABLE = sorted(
    path.name
    for path in GIN.glob("*.gin")
    if path.name not in ("debug.gin", "audit_views.gin", *COMPARISONS)
)
pytestmark = pytest.mark.usefixtures("clean_gin")
GENERATORS = ["additive", "reversible", "affine", "glow"]


def build(*files, bindings=(), root=Experiment):
    gin_files.parse([gin_files.find_file(f"gin/{file}") for file in files], list(bindings))
    built = gin_files.build(root)
    gin_files.check_all_used()
    return built


@pytest.mark.parametrize("file", RUNNABLE)
def test_builds_alone_and_with_debug(file):
    stages = build(file).stage_names
    learned = "raw" not in file
    evaluated = file != "folder_unsup_views.gin"
    assert stages == ("learn_views",) * learned + ("pretrain",) + ("evaluate",) * evaluated + (
        "export",
    )
    gin.clear_config()
    build(file, "debug.gin")


PAPER = sorted(
    path.name
    for path in (GIN / "paper").glob("*.gin")
    if path.name != "imagenet.gin" and "\nSweep.title" not in path.read_text()
)
SWEEPS = sorted(
    str(path.relative_to(GIN))
    for folder in ("paper", "small")
    for path in (GIN / folder).glob("*.gin")
    if "\nSweep.title" in path.read_text()
)
SMALL = sorted(
    path.stem
    for path in (GIN / "small").glob("*.gin")
    if f"small/{path.name}" not in SWEEPS
    and path.stem not in ("shared", "cifar10", "imagenette96", "halves", "patches", "moving_mnist")
)


@pytest.mark.parametrize("file", PAPER)
def test_rows_of_the_paper_build_and_say_their_published_number(file):
    build(f"paper/{file}")
    header = (GIN / "paper" / file).read_text().partition("\nfrom")[0]
    assert re.search("published (top-1|errors)", header) or "no number in the paper" in header
    assert f"bin/train --gin_file=gin/paper/{file}" in header


@pytest.mark.parametrize("data", ["cifar10", "imagenette96"])
@pytest.mark.parametrize("recipe", SMALL)
def test_small_recipes_build_on_both_data_sets(recipe, data):
    assert build(f"small/{recipe}.gin", f"small/{data}.gin").stage_names == (
        "pretrain",
        "evaluate",
        "export",
    )


def test_the_quickstart_leaves_the_encoder_that_the_readme_loads():
    sweep = build("quickstart_compare_views.gin", root=Sweep)
    readme = (GIN.parent / "README.md").read_text()
    exports = {
        f"runs/quickstart_compare_views/points/{p.name}/{sweep.until}" for p in sweep.points()
    }
    assert set(re.findall(r'"(runs/[^"]*)"', readme)) <= exports


@pytest.mark.parametrize("file", [*SWEEPS, *COMPARISONS])
def test_every_point_of_a_sweep_builds(file, caplog):
    sweep = build(file, root=Sweep)
    assert not caplog.messages  # that a binding is left out
    assert f"bin/sweep --gin_file=gin/{file}" in (GIN / file).read_text()
    points = sweep.points()
    small = ("quickstart", "small/fig12", "small/table4_frames", "small/table5_full_width")
    least = 2 if file.startswith(small) else 10
    assert len(points) >= least and len({point.name for point in points}) == len(points)
    for point in points[: len(points) // len(sweep.seeds)]:
        gin.clear_config()
        gin.config._IMPORTS.clear()
        gin_files.parse([gin_files.find_file(f) for f in point.gin_files], point.gin_params)
        gin_files.build(Experiment)
        gin_files.check_all_used()


def test_the_files_that_the_docs_show_for_own_images_build(tmp_path):
    text = (GIN.parent / "docs" / "own_images.md").read_text()
    training, comparison = re.findall(r"```gin\n(.*?)```", text, re.DOTALL)
    (tmp_path / "own.gin").write_text(training)
    gin_files.parse([str(tmp_path / "own.gin")], [])
    assert gin_files.build(Experiment).stage_names[0] == "learn_views"
    gin_files.check_all_used()
    gin.clear_config()
    gin.config._IMPORTS.clear()
    (tmp_path / "own.gin").write_text(comparison)
    gin_files.parse([str(tmp_path / "own.gin")], [])
    sweep = gin_files.build(Sweep)
    gin_files.check_all_used()
    for point, learns in zip(sweep.points(), (False, True, True, False), strict=False):
        gin.clear_config()
        gin.config._IMPORTS.clear()
        gin_files.parse([gin_files.find_file(f) for f in point.gin_files], point.gin_params)
        made = gin_files.build(Experiment)
        gin_files.check_all_used()
        assert ("learn_views" in made.stage_names) == learns
        assert type(made._split.color_space).__name__ == (
            "RGB" if "whole" in point.name else "Bands"
        )


@pytest.mark.parametrize("file", ("paper/table4_digit.gin", "paper/table4_supervised.gin"))
def test_moving_mnist_trains_and_tests_on_digits_and_backgrounds_apart(file):
    for more in ((), ("small/moving_mnist.gin",)):
        unlabelled, train, test, held_out = build(file, *more)._data.sources
        for digits_or_backgrounds in (0, 1):
            sets = (unlabelled, train, test, held_out)
            sources = [images._sources[digits_or_backgrounds] for images in sets]
            assert [source.split for source in sources] == ["train", "train", "test", "test"]
            assert len({source.name for source in sources}) == 1
        gin.clear_config()
        gin.config._IMPORTS.clear()


def test_imagenet_may_be_a_folder():
    files = ("recipes/infomin", "recipes/sgd", "paper/imagenet", "data/imagenet_folder")
    build(*(f"{file}.gin" for file in files), bindings=["Pretrain.epochs = 200"])


def test_infomin_is_that_of_section_c3():
    experiment = build("paper/table6_resnet50_200.gin")
    value = lambda name: gin.query_parameter(name)  # noqa: E731
    assert value("MomentumQueue.size") == 65536
    assert value("MomentumQueue.temperature") == 0.15
    assert value("Pretrain.jigsaw_weight") == 0.5
    assert value("Pretrain.batch_size") == 256
    pair = experiment._pair
    assert pair.size == 224 and pair.sampler.crop.area == (0.2, 1.0)
    assert (pair.jigsaw.size, pair.jigsaw.patch, pair.jigsaw.crop.area) == (255, 64, (0.6, 1.0))
    jitter, blur, rand_augment, grey = pair.sampler.operations
    assert jitter.strengths == (0.8, 0.8, 0.8) and jitter.hue == 0.2 and jitter.probability == 0.8
    assert blur.sigma == (0.1, 2.0) and blur.probability == 0.5
    assert rand_augment.layers == 2 and rand_augment.magnitude == 10.0
    assert grey.probability == 0.2


@pytest.mark.parametrize("color", ["rgb", "ydbdr"])
@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("kind", ["unsup", "semisup", "sup"])
def test_one_line_overrides_of_the_stl10_files(kind, generator, color):
    experiment = build(f"stl10_{kind}_views.gin", f"views/{generator}.gin", f"views/{color}.gin")
    split = experiment._split
    assert type(split.generator).__name__.lower() == f"{generator}generator"
    assert type(split.color_space).__name__.lower() == color
    assert split.generator.lone_channels == ((0,) if color == "ydbdr" else (0, 1, 2))


def test_raw_views_take_a_colour_space():
    for name in ("rgb", "yuv", "yiq", "ycbcr", "lab", "hsv", "bands"):
        split = build("stl10_raw_views.gin", f"views/{name}.gin")._split
        assert type(split.color_space).__name__.lower() == name
        assert (split.mean is None) == (name != "rgb")
        gin.clear_config()


@pytest.mark.parametrize("size", ["stl10", "imagenette96"])
def test_each_stage_of_table_5_has_its_crops_and_all_rows_the_same_rates(size):
    """Pre-training takes one crop (CMC), view learning two (authors' code), at CPU size one
    (equation 2); an overlay changes one of them alone.
    """
    rates, usual = set(), "IndependentPair" if size == "stl10" else "SharedPair"
    for kind in ("unsup", "sup", "semisup"):
        made = build(f"{size}_{kind}_views.gin")
        assert type(made._pair).__name__ == "SharedPair"
        assert type(made._stages[0].pair).__name__ == usual
        assert made._stages[0].pair.sampler is not made._pair.sampler
        rates.add(tuple(float(o.learning_rate) for o in made._stages[0].training.optimizers))
        gin.clear_config()
    [(critics, generator)] = rates
    expected = (2e-4, 6e-4) if size == "stl10" else (1e-3, 2e-3)
    assert (critics, generator) == pytest.approx(expected)
    for overlay, kinds in (
        ("two_crops", ("IndependentPair", usual)),
        ("learned_on_two_crops", ("SharedPair", "IndependentPair")),
        ("learned_on_one_crop", ("SharedPair", "SharedPair")),
    ):
        made = build(f"{size}_semisup_views.gin", f"views/{overlay}.gin")
        assert (type(made._pair).__name__, type(made._stages[0].pair).__name__) == kinds
        gin.clear_config()
    family = ["SharedPair.sampler = @families.infomin()", "families.infomin.size = %view_size"]
    made = build(
        f"{size}_semisup_views.gin", bindings=[*family, "families.infomin.area = (0.5, 1.0)"]
    )
    assert made._pair.sampler.crop.area == (0.5, 1.0)
    assert made._stages[0].pair.sampler.crop.area == (0.2, 1.0)


def test_learned_views_of_a_run_take_the_place_of_view_learning(caplog):
    assert build("stl10_raw_views.gin", "views/of_run.gin").stage_names[0] == "learn_views"
    assert "left out" not in caplog.text


def test_critics_and_classifiers_are_those_of_the_authors_code():
    stage = build("stl10_semisup_views.gin")._stages[0]
    for network in (*(critic.backbone for critic in stage._critics), *stage._backbones):
        assert (network.width, network.stem_filters, network.zero_init_last) == (0.5, 64, True)
        assert not network.max_pool


@pytest.mark.parametrize("path", sorted(GIN.rglob("*.gin")), ids=lambda path: path.name)
def test_has_a_header_and_a_command_where_it_runs(path):
    text = path.read_text()
    assert text.startswith("# ")
    if path.name in RUNNABLE:
        assert re.search(rf"bin/train --gin_file=gin/{path.name}", text)


def test_the_saved_configuration_builds_the_same_experiment(tmp_path):
    build("quickstart.gin", bindings=["Pretrain.epochs = 7"])
    text = gin_files.operative_text(5)
    run_folder.claim(str(tmp_path), text, overwrite=False)
    gin.clear_config()
    gin.config._IMPORTS.clear()
    gin_files.parse([str(tmp_path / "config.gin")], [])
    gin_files.build(Experiment)
    gin_files.check_all_used()
    assert differences.compare(text, gin_files.operative_text(5)) == []


def test_a_segmentation_probe_and_a_transfer_may_be_added_to_a_finished_run():
    files, probe = ("small/moco.gin", "small/cifar10.gin"), "evaluation/nyuv2_segmentation.gin"
    build(*files)
    before = gin_files.operative_text(0)
    bindings = [
        "Evaluate.extra_probes = (@SegmentationProbe(), @Transfer())",
        "Transfer.name = 'mnist'",
        "Transfer.train = @mnist/Tfds()",
        "Transfer.test = @mnist_test/Tfds()",
        "mnist/Tfds.name = 'mnist'",
        "mnist/Tfds.split = 'train'",
        "mnist_test/Tfds.name = 'mnist'",
        "mnist_test/Tfds.split = 'test'",
    ]
    gin.clear_config()
    build(*files, probe, bindings=bindings)
    after = gin_files.operative_text(0)
    assert len(differences.compare(before, after)) > 20
    assert differences.training_differences(before, after) == []


def test_a_jigsaw_view_without_its_head_is_refused():
    with pytest.raises(UserError, match="bind Pretrain.jigsaw_head"):
        build(
            "small/moco.gin",
            "small/cifar10.gin",
            bindings=["IndependentPair.jigsaw = @families.pirl_jigsaw()"],
        )
    gin.clear_config()
    with pytest.raises(UserError, match="4 patches but JigsawHead.num_patches is 9"):
        build("small/pirl.gin", "small/cifar10.gin", bindings=["families.pirl_jigsaw.grid = 2"])


@pytest.mark.parametrize(
    ("recipe", "binding", "message"),
    [
        ("cmc", "Pretrain.negatives = @NTXent()", "one shared encoder"),
        ("simclr", "Pretrain.shuffle_keys = True", "is for key encoders"),
        (
            "cmc",
            "Pretrain.both_directions = False",
            "bind Pretrain.sum_directions = False",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(recipe, binding, message):
    with pytest.raises(UserError, match=message):
        build(f"small/{recipe}.gin", "small/cifar10.gin", bindings=[binding])


def test_dead_and_unknown_bindings_are_refused():
    with pytest.raises(UserError, match="ResNet18.width: nothing uses ResNet18"):
        build("stl10_unsup_views.gin", bindings=["ResNet18.width = 2.0"])
    gin.clear_config()
    with pytest.raises(UserError, match="nearest valid name: epochs"):
        build("quickstart.gin", bindings=["Pretrain.epoch = 3"])
