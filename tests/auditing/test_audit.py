"""The audit of views: what is tried, and which settings go on."""

import pathlib
import re

import gin
import pytest

from infomin_tf.auditing import budget, ranking, recommendation
from infomin_tf.auditing.audit import Audit
from infomin_tf.configuration import gin_files
from infomin_tf.errors import UserError
from infomin_tf.experiment.experiment import Experiment
from infomin_tf.sweeps.sweep import Axis, BindingsAxis, Combinations
from tests.auditing.made_audits import (
    FACTS,
    FIRST,
    PROBE,
    all_rounds,
    setting,
    small_audit,
    write_numbers,
)

ROOT = pathlib.Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("clean_gin")


def test_the_first_round_changes_one_thing_at_a_time(tmp_path):
    sweep = small_audit().first_round(str(tmp_path), FACTS)
    axis = sweep.axes[0]
    assert axis.labels == ["base", "x 1", "x 3", "y on"]
    assert axis.arguments("base") == ([], ["a.B.x = 2", "a.B.y = 0"])
    assert axis.arguments("y on") == ([], ["a.B.x = 2", "a.B.y = 1", "a.B.z = 2"])
    points, data = sweep.points(), tmp_path / "data_30_steps.gin"
    assert len(points) == 4 and sweep.until == "evaluate" and sweep.metrics[0] == PROBE
    assert points[0].gin_files == ("base.gin", "labelled.gin", str(data))
    assert f"Pretrain.epochs = {30 / 11}" in data.read_text()  # 11 batches of 128 of 1,500 images
    without = small_audit().first_round(str(tmp_path), FACTS | {"classes": 0})
    assert PROBE not in without.metrics and "rotation_probe/pre-trained" in without.metrics
    assert "labelled.gin" not in without.points()[0].gin_files


def test_the_better_third_goes_on_and_four_at_least(tmp_path):
    labels = [f"x {value}" for value in range(1, 20)]
    axis = Axis("a.B.x", tuple(range(20)), name="x")
    audit = Audit([axis], ("0",), ["base.gin"])
    numbers = {label: ([float(place)], 1.0, -3.0) for place, label in enumerate(labels)}
    sweep = audit.first_round(str(tmp_path), FACTS)
    first = write_numbers(sweep, tmp_path / "one", numbers | {"base": ([0.0], 1.0, -3.0)})
    better = audit.better(first, audit.ranking(FACTS))
    assert better == [("0",)] + [(str(value),) for value in (19, 18, 17, 16, 15, 14)]
    assert [budget.num_better(n) for n in (2, 4, 9, 14, 20)] == [2, 4, 4, 5, 7]
    second = audit.second_round(str(tmp_path), FACTS, better, 100)
    last = audit.last_round(str(tmp_path), FACTS, better[:2], 100, 3)
    seeds = [*sweep.seeds, *second.seeds, *last.seeds]
    assert seeds == [0, 1, 2, 3, 4]  # fresh in each round


def test_combinations_of_unknown_values_are_refused():
    with pytest.raises(UserError, match="x 7: no such value"):
        Combinations([Axis("a.B.x", (1, 2), name="x")], [("7",)], ("1",))


def test_a_base_that_is_none_is_refused_at_once():
    axes = [Axis("a.B.x", (1, 2), name="x"), Axis("a.B.y", (1, 2), name="y")]
    for base, message in ((("1",), "one label of each axis: x, y"), (("1", "7"), "y 7: no such")):
        with pytest.raises(UserError, match=message):
            Audit(axes, base, ["base.gin"])


def test_values_that_bind_the_same_parameter_are_not_put_together(tmp_path):
    axes = [
        Axis("a.B.x", (1, 2), name="x"),
        BindingsAxis({"off": ("a.B.y = 0",), "on": ("a.B.y = 1", "a.B.x = 0")}, "y"),
    ]
    audit = Audit(axes, ("1", "off"), ["base.gin"])
    numbers = {"base": ([50], 2.0, -3), "x 2": ([52], 2.0, -3), "y on": ([55], 2.0, -3)}
    first = write_numbers(audit.first_round(str(tmp_path), FACTS), tmp_path / "one", numbers)
    finalists = audit.finalists(first, first, audit.ranking(FACTS))
    assert finalists == [("1", "off"), ("1", "on")]


def test_finalists_are_base_best_and_the_improvements_together_with_fresh_seeds(tmp_path):
    found = all_rounds(tmp_path)
    assert found.last.sweep.axes[0].labels == ["base", "x 3", "x 3, y on"]
    assert found.recommended == "x 3, y on"


def test_what_loses_to_the_base_in_the_second_round_is_not_put_together(tmp_path):
    audit, out = small_audit(), str(tmp_path)
    first = write_numbers(audit.first_round(out, FACTS), tmp_path / "one", FIRST)
    worse = FIRST | {"y on": ([49.0], 0.5, -1.0)}  # it was better than the base in the first round
    second = audit.second_round(out, FACTS, audit.better(first, audit.ranking(FACTS)), 60)
    second = write_numbers(second, tmp_path / "two", worse)
    finalists = audit.finalists(first, second, audit.ranking(FACTS))
    assert finalists == [("2", "off"), ("3", "off")]


def test_an_improvement_exceeds_the_standard_error_of_the_difference():
    by_accuracy = ranking.Ranking(PROBE)
    base, other = setting("base", [50.0, 52.0]), setting("x", [52.0, 54.0])
    # Pooled spread sqrt(2), of a difference of two means of two: sqrt(2) < 2.
    assert by_accuracy.is_improvement(other, base, [base, other])
    close = setting("y", [51.0, 53.0])
    assert not by_accuracy.is_improvement(close, base, [base, close])


def test_without_labels_what_spreads_though_little_is_shared_comes_first():
    settings = [
        setting("much", [0, 0], i_nce=4.0, uniformity=-3.5),
        setting("little", [0, 0], i_nce=2.0, uniformity=-3.0),
        setting("little, close together", [0, 0], i_nce=1.0, uniformity=-1.0),
        setting("collapsed", [0, 0], i_nce=0.0, uniformity=-0.1),
        setting("constants", [0, 0], i_nce=-0.97, uniformity=-3.0),
    ]
    order = [s.labels[0] for s in ranking.LabelFreeRanking().order(settings)]
    assert order == ["little", "little, close together", "much", "constants", "collapsed"]
    little, _, close, _, constants = settings
    score = ranking.LabelFreeRanking()
    assert constants.mean(score.metric) > little.mean(score.metric)  # and yet
    for better, worse in ((little, constants), (close, constants)):
        assert score.is_improvement(better, worse, settings)
        assert score.is_better(better, worse, settings)
        assert not score.is_improvement(worse, better, settings)
        assert not score.is_better(worse, better, settings)


def test_colour_is_left_out_for_grey_images(tmp_path):
    axes = [
        BindingsAxis({"none": ("s = @Whole()",), "{L, ab}": ("s = @ChannelSplit()",)}, "split"),
        Axis("families.infomin.grey_probability", (0.2, 0.0), name="grey"),
        Axis("families.infomin.jitter", (0.5, 0.0), name="jitter"),
    ]
    audit = Audit(axes, ("none", "0.2", "0.5"), ["base.gin"])
    labels = audit.first_round(str(tmp_path), FACTS | {"grey": True}).axes[0].labels
    assert labels == ["base", "jitter 0.0"]
    assert len(audit.first_round(str(tmp_path), FACTS).axes[0].labels) == 4
    [said] = audit.without_color(FACTS | {"grey": True})
    assert "The images are grey" in said and "left out: split {L, ab}; grey 0.0." in said
    assert audit.without_color(FACTS) == []


def test_the_standard_audit_of_grey_images_has_no_colour_split(tmp_path, standard_audit):
    facts = FACTS | {"grey": True}
    labels = standard_audit.first_round(str(tmp_path), facts).axes[0].labels
    assert [label for label in labels if label.startswith("split")] == [
        "split frequencies, sigma 1",
        "split frequencies, sigma 2",
    ]
    assert len(labels) == 12 and not any("learned" in label for label in labels)


def test_the_rest_of_the_time_becomes_steps():
    costs = budget.measured({"a": 30.0, "b": 50.0}, {"a": 0.1, "b": 0.3}, steps=100)
    assert costs.start == pytest.approx(20) and costs.of(["a", "b"], 100) == pytest.approx(80)
    # 2 runs, then 3 finalists with 2 seeds, of 0.2 s per step on average: 8 * (20 + 0.2 s) = 2 T.
    steps = budget.steps_of_rest(240.1, 2, costs, ["a", "b"], 3, 2, least=80, most=1000)
    assert steps == 200
    assert budget.steps_of_rest(9, 2, costs, ["a", "b"], 3, 2, least=80, most=1000) == 80
    assert budget.steps_of_rest(9e9, 2, costs, ["a", "b"], 3, 2, least=80, most=1000) == 1000


def test_speeds_that_are_not_known_are_those_of_the_others_or_of_whole_runs():
    costs = budget.measured({"a": 30.0, "b": 50.0}, {"a": 0.0, "b": 0.3}, steps=100)
    assert costs.steps == {"a": 0.3, "b": 0.3} and costs.start == pytest.approx(10)
    unknown = budget.measured({"a": 30.0, "b": 50.0}, {"a": 0.0, "b": 0.0}, steps=100)
    assert unknown.steps == {"a": 0.5, "b": 0.5} and unknown.start == 0
    assert budget.steps_of_rest(500, 1, unknown, ["a", "b"], 3, 2, least=80, most=1000) == 125


def test_too_few_results_stop_with_the_mend(tmp_path):
    audit = small_audit()
    first = write_numbers(audit.first_round(str(tmp_path), FACTS), tmp_path / "one", {})
    with pytest.raises(UserError, match="run the same command again, with more --minutes if"):
        audit.better(first, audit.ranking(FACTS))


@pytest.fixture
def standard_audit():
    gin_files.parse([str(ROOT / "gin" / "audit_views.gin")], [])
    audit = gin_files.build(Audit)
    gin_files.check_all_used()
    return audit


@pytest.mark.parametrize("classes", [0, 5, 10])
def test_every_setting_and_its_recommendation_build(tmp_path, standard_audit, classes):
    facts = FACTS | {"classes": classes}
    if not classes:
        facts["sizes"] = {"unlabelled": 1500, "held_out": 500}
    sweep = standard_audit.first_round(str(tmp_path), facts)
    points = sweep.points()[: len(sweep.axes[0].labels)]
    assert len(points) == 17
    labels = str(tmp_path) if classes == 10 else "labels.csv"
    arguments = FACTS["arguments"] | {"labels": labels if classes else None}
    for point in points:
        text = recommendation.gin_text(
            "r.gin",
            point.labels[0],
            standard_audit.files(facts, sweep.axes[0].bindings(point.labels[0])),
            sweep.axes[0].bindings(point.labels[0]),
            facts | {"arguments": arguments},
            ["Why."],
            recommendation.Size(4, 64, 5000, 42.0),
        )
        (tmp_path / "r.gin").write_text(text)
        for files, bindings in (
            (point.gin_files, point.gin_params),
            ([str(tmp_path / "r.gin")], []),
        ):
            gin.clear_config()
            gin.config._IMPORTS.clear()
            gin_files.parse([gin_files.find_file(file) for file in files], bindings)
            stages = gin_files.build(Experiment).stage_names
            gin_files.check_all_used()
            learned = ("learn_views",) * ("learned" in point.labels[0])
            assert stages == (*learned, "pretrain", "evaluate", "export")
        assert re.search(r"ResNet18.width = (1.0|0.5)\n", text)
        assert ("learned" in point.labels[0]) == ("learned_views.gin" in text)
        assert "Pretrain.epochs = 455\n" in text  # 5,000 steps of 11 per epoch
