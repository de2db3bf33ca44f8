"""gin files: what is refused, what is dead, and what a model_dir may be used for."""

import gin
import pytest

from infomin_tf.configuration import gin_files, root
from infomin_tf.errors import UserError
from infomin_tf.runs import differences, results, run_folder
from tests import fake_experiment as fake

HEADER = "from __gin__ import dynamic_registration\nfrom tests import fake_experiment\n"
BASE = "fake_experiment.Experiment.first = @fake_experiment.Part()\nfake_experiment.Part.size = 4\n"


@pytest.fixture(autouse=True)
def clean_gin(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reset()
    yield
    reset()


def reset():
    gin.clear_config()
    gin.config._IMPORTS.clear()


def build(text, *bindings):
    reset()
    with open("file.gin", "w") as file:
        file.write(text if text.startswith("# seed") else HEADER + text)
    gin_files.parse(["file.gin"], list(bindings))
    experiment = gin_files.build(fake.Experiment)
    gin_files.check_all_used()
    return experiment


def test_later_files_and_bindings_win_and_includes_come_from_the_search_path(tmp_path):
    (tmp_path / "gin").mkdir()
    (tmp_path / "gin" / "axis.gin").write_text(HEADER + BASE)
    text = 'include "gin/axis.gin"\nfake_experiment.Part.rate = 0.2\n'
    assert build(text).parts[0].size == 4
    part = build(text, "fake_experiment.Part.size = 5", "fake_experiment.Part.size = 6").parts[0]
    assert (part.size, part.rate) == (6, 0.2)
    reset()
    gin_files.parse([gin_files.find_file("gin/views/rgb.gin")], [])


def test_files_here_come_before_files_of_the_package(tmp_path):
    package_file = gin_files.find_file("gin/quickstart.gin")
    (tmp_path / "gin").mkdir()
    (tmp_path / "gin" / "quickstart.gin").write_text("# mine")
    with open(gin_files.find_file("gin/quickstart.gin")) as file:
        assert file.read() == "# mine"
    assert package_file != gin_files.find_file("gin/quickstart.gin")
    for wrong in ("quickstart.gin", "gin/quikstart.gin"):
        with pytest.raises(UserError, match=r"nearest: gin/quickstart\.gin"):
            gin_files.find_file(wrong)


@pytest.mark.parametrize(
    "binding, message",
    [
        ("fake_experiment.Part.siz = 1", "named 'siz'(.|\n)*nearest valid name: size"),
        ("fake_experiment.Part.xyz = 1", "valid names: rate, size"),
        ("fake_experiment.Prt.size = 1", "no attribute Prt(.|\n)*nearest valid name: Part"),
        ("fake_experimnt.Part.size = 1", "nearest valid name: fake_experiment"),
        ("from infomin_tf.views import colour", "nearest valid name: color"),
        ("include 'gin/debag.gin'", "nearest: gin/debug.gin"),
        ("fake_experiment.Part.size = ", "Unable to parse value"),
        ("fake_experiment.Part.size = (1,", "not closed"),
        ("fake_experiment.Part.size = 0", "must be positive; use 1\n  In fake_experiment.Part$"),
        ("fake_experiment.Part.size = -1", "mistake of the user\n  In fake_experiment.Part$"),
        (
            "fake_experiment.Experiment.second = @a/fake_experiment.Keywords()\n"
            "fake_experiment.Keywords.dept = 3",
            "a/fake_experiment.Keywords.dept: there is no such(.|\n)*nearest valid name: depth",
        ),
    ],
)
def test_mistakes_are_explained(binding, message):
    with pytest.raises(UserError, match=message):
        build(BASE, binding)


def test_the_file_and_line_of_a_mistake_are_named():
    with pytest.raises(UserError, match='file.gin", line 5\n +fake_experiment.Part.siz = 1'):
        build(BASE + "fake_experiment.Part.siz = 1\n")
    with pytest.raises(UserError, match='file.gin", line 5'):
        build(BASE + "fake_experiment.Part.size = ?\n")


def test_missing_arguments_are_named_as_bindings_to_add():
    with pytest.raises(UserError, match=r"not bound; add\n  fake_experiment.Experiment.first = "):
        build("fake_experiment.Experiment.second = 1\n")
    with pytest.raises(UserError, match=r"add\n  a/fake_experiment.Part.size = "):
        build("fake_experiment.Experiment.first = @a/fake_experiment.Part()\n")


def test_a_root_that_no_file_configures_is_named():
    class Root:
        pass

    with pytest.raises(
        UserError, match="bind nothing of Root; bin/sweep needs files that bind Sweep"
    ):
        gin_files.build(Root)


def test_a_bug_in_a_constructor_is_not_hidden():
    with pytest.raises(TypeError, match="unsupported operand"):
        build(BASE, "fake_experiment.Part.size = 'bug'")


@pytest.mark.parametrize(
    "binding, reason",
    [
        ("fake_experiment.Keywords.depth = 1", "nothing uses fake_experiment.Keywords"),
        ("z/fake_experiment.Part.size = 1", "only used with other scopes \\(no scope\\)"),
        ("SIZE = 1", "SIZE: nothing uses SIZE"),
    ],
)
def test_dead_bindings_are_refused_with_the_reason(binding, reason):
    with pytest.raises(UserError, match=reason):
        build(BASE, binding)


SCOPES = ("", "a/", "a/b/", "c/", "ab/")


@pytest.mark.parametrize("used", [("", "a/"), ("a/b/",), ("a/b/", "c/"), ("ab/", "a/"), ("",)])
@pytest.mark.parametrize("bound", range(1, 2 ** len(SCOPES), 3))
def test_a_binding_is_dead_when_removing_it_changes_nothing(used, bound):
    scopes = [scope for i, scope in enumerate(SCOPES) if bound >> i & 1]
    names = ("first", "second", "third")
    text = "".join(
        f"fake_experiment.Experiment.{name} = @{scope}fake_experiment.Part()\n"
        f"{scope}fake_experiment.Part.size = 9\n"
        for name, scope in zip(names, used, strict=False)
    )
    rates = {s: f"{s}fake_experiment.Part.rate = {i + 2}\n" for i, s in enumerate(scopes)}

    def built(*without):
        reset()
        gin.parse_config(HEADER + text + "".join(r for s, r in rates.items() if s not in without))
        return [getattr(part, "rate", None) for part in gin_files.build(fake.Experiment).parts]

    everything = built()
    dead = {scope for scope in scopes if built(scope) == everything}
    built()
    try:
        gin_files.check_all_used()
        named = set()
    except UserError as error:
        lines = str(error).splitlines()[1:]
        named = {line.split("fake_experiment")[0].strip() for line in lines}
    assert named == dead


def test_the_saved_text_is_a_gin_file_of_the_same_configuration():
    text = (
        "SIZE = 7\n"
        + BASE
        + (
            "fake_experiment.Experiment.second = @a/fake_experiment.Part()\n"
            "fake_experiment.Part.size = %SIZE\n"
            f"a/fake_experiment.Part.size = {tuple(range(100))}\n"
            "a/fake_experiment.Part.rate = 0.7\n"
        )
    )
    build(text)
    saved = gin_files.operative_text(3)
    again = build(saved)
    assert again.parts[1].size == tuple(range(100)) and again.parts[0].size == 7
    assert gin_files.operative_text(3) == saved
    build(text, "SIZE = 8", "fake_experiment.Part.rate = 0.5")
    assert differences.compare(saved, gin_files.operative_text(4)) == [
        "--seed: 3 -> 4",
        "SIZE: 7 -> 8",
        "fake_experiment.Part.rate: 0.1 -> 0.5",
    ]


def test_a_parameter_that_came_after_the_run_is_no_difference_at_its_default():
    build(BASE)
    now = gin_files.operative_text(0)
    then = now.replace("fake_experiment.Part.rate = 0.1\n", "")
    assert then != now and differences.compare(then, now) == []
    assert differences.compare(now, then) and differences.compare("# seed: 0\n", now)
    build(BASE, "fake_experiment.Part.rate = 0.5")
    assert differences.compare(then, gin_files.operative_text(0)) == [
        "fake_experiment.Part.rate: not bound -> 0.5"
    ]


def test_a_parameter_that_is_gone_changes_nothing_at_its_default():
    gone = "probe/TrainingLoop.skipped_steps_limit = 0\n"
    assert differences.compare(f"# seed: 3\n{gone}", "# seed: 3\n") == []
    assert build(f"# seed: 3\n{HEADER}{gone}{BASE}").parts[0].size == 4


def test_a_refusal_of_a_finished_run_names_what_goes_on_with_it(tmp_path):
    run_folder.claim(str(tmp_path), "# seed: 1\nx.y = 1\n", overwrite=False)
    results.write(str(tmp_path / "pretrain"), [], steps=3)
    for again, named in (("bin/{}", True), ("Experiment.repeat {}", False)):
        with pytest.raises(UserError, match="use another --model_dir") as error:
            run_folder.claim(str(tmp_path), "# seed: 1\nx.y = 2\n", False, again.format)
        assert (f"bin/export --model_dir={tmp_path} take it as it is" in str(error.value)) == named


def test_a_run_is_gone_on_with_or_deleted_only_when_told(tmp_path):
    run = tmp_path / "run"
    run_folder.claim(str(run), "# seed: 1\nx.y = 1\n", overwrite=False)
    for path in ("pretrain/checkpoints", "evaluate", "notes"):
        (run / path).mkdir(parents=True)
    run_folder.claim(str(run), "# seed: 1\n\n# a comment\nx.y = 1\n", overwrite=True)
    assert (run / "pretrain/checkpoints").is_dir()
    with pytest.raises(UserError, match=r"another run:\n  x.y: 1 -> 2\nuse another --model_dir"):
        run_folder.claim(str(run), "# seed: 1\nx.y = 2\n", overwrite=False)
    assert run_folder.saved_seed(str(run)) == 1 and (run / "pretrain").is_dir()
    run_folder.claim(str(run), "# seed: 2\nx.y = 2\n", overwrite=True)
    assert sorted(path.name for path in run.iterdir()) == ["config.gin", "notes"]
    assert run_folder.saved_seed(str(run)) == 2


def test_a_configuration_that_no_stage_has_begun_with_gives_way(tmp_path):
    """As after a first try with a wrong path of the images."""
    run_folder.claim(str(tmp_path), "# seed: 1\nx.y = 1\n", overwrite=False)
    run_folder.claim(str(tmp_path), "# seed: 2\nx.y = 2\n", overwrite=False)
    assert run_folder.saved_seed(str(tmp_path)) == 2
    own = "x.y = 3  # not written by a run\n"
    (tmp_path / "config.gin").write_text(own)
    with pytest.raises(UserError, match="holds another run"):
        run_folder.claim(str(tmp_path), "# seed: 2\nx.y = 2\n", overwrite=False)
    assert (tmp_path / "config.gin").read_text() == own


def test_what_is_no_run_is_never_deleted(tmp_path):
    (tmp_path / "evaluate").mkdir()
    for overwrite in (False, True):
        with pytest.raises(UserError, match="holds evaluate but no config.gin"):
            run_folder.claim(str(tmp_path), "x.y = 1\n", overwrite)
        with pytest.raises(UserError, match="no config.gin"), run_folder.locked(str(tmp_path)):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["evaluate"]
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"file cannot be written .*use another --model_dir"),
        run_folder.locked(str(tmp_path / "file")),
    ):
        pass


def test_a_binding_of_the_root_is_known_before_it_is_built():
    build(BASE, "fake_experiment.Experiment.second = 'x'")
    assert root.bound(fake.Experiment, "second", "y") == "x"
    assert root.bound(fake.Experiment, "third", "y") == "y"
    assert root.bound(fake.Keywords, "depth", 3) == 3


def test_a_wrong_object_that_a_function_made_is_named_by_its_place():
    """Of a class of this package; mistakes inside others' classes keep their traceback."""
    text = HEADER + ""
    text += "import keras\nPretrain.encoder = @MlpHead\n"
    text += "Pretrain.optimizer = @SGD()\n"
    text += "Pretrain.negatives = @fake_experiment.make_nothing()\n"
    gin.parse_config(text + "fake_experiment.Experiment.first = @Pretrain()\n")
    with pytest.raises(UserError, match=r"(?s)wrong type\s+In Pretrain$"):
        gin_files.build(fake.Experiment)
    reset()
    with pytest.raises(TypeError):
        build(BASE, "fake_experiment.Part.size = 'bug'")
