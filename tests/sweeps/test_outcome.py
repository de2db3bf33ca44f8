"""What a sweep found: verdicts by hand-computed tests, tables, a report that stands alone."""

import csv
import json
import pathlib
import re

import numpy as np
import pytest
from matplotlib import pyplot as plt
from scipy import stats

from infomin_tf.errors import UserError
from infomin_tf.sweeps import command, curve, outcome, report, runner
from infomin_tf.sweeps.sweep import Axis, Sweep
from tests.sweeps.fake_train import sweep_over

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cfc0f01f00050001ff56c72f"
    "0d0000000049454e44ae426082"
)

LABELS = {
    "i_nce": "I_NCE",
    "i_nce/training": "I_NCE of training",
    "knn/pre-trained": "kNN, pre-trained",
}
UNITS = {"i_nce": "nats", "i_nce/training": "nats"}


def finished(tmp_path, values, accuracies, metrics=(), information="i_nce", **axis):
    """The outcome of a sweep whose accuracies [values, seeds] were written by hand."""
    seeds = range(len(accuracies[0]))
    sweep = Sweep(
        ["b.gin"],
        [Axis("a.B.x", values, name="x", **axis)],
        seeds=seeds,
        metrics=metrics,
        information=information,
    )
    made = runner.Runner(sweep, str(tmp_path))
    for point in sweep.points():
        place = [str(v) for v in values].index(point.labels[0])
        for stage, measured in (
            ("pretrain", {"i_nce": 2.0 - place, "i_nce/training": 9.0 - place}),
            ("evaluate", {"knn/pre-trained": accuracies[place][point.seed]}),
        ):
            folder = pathlib.Path(made.model_dir(point)) / stage
            folder.mkdir(parents=True)
            numbers = [
                {
                    "key": name,
                    "label": LABELS[name],
                    "value": value,
                    "unit": UNITS.get(name, "%"),
                    "protocol": "",
                }
                for name, value in measured.items()
            ]
            (folder / "results.json").write_text(json.dumps({"measurements": numbers}))
    return outcome.Outcome(made, {})


def test_the_verdict_tells_apart_what_a_t_test_tells_apart(tmp_path):
    accuracies = [[40.0, 41.0], [50.0, 50.6], [50.2, 49.8], [44.0, 45.0]]
    found = finished(tmp_path, (1, 2, 3, 4), accuracies)
    said = " ".join(found.verdict())
    assert (
        "Best: 2, kNN, pre-trained 50.30 ± 0.42 %." in said
        and "inside the measured range of x" in said
    )
    assert re.search(r"better than: 1, 4\. Not significantly different from: 3\.", said)
    pooled = np.sqrt(np.mean([np.var(pair, ddof=1) for pair in accuracies]))
    assert f"standard deviation {pooled:.2f}" in said
    least = stats.t.ppf(0.975, 4) * pooled  # of two means of two
    assert 50.3 - 44.5 > least > 50.3 - 50.0


def test_the_verdict_names_ties(tmp_path):
    said = " ".join(finished(tmp_path, (1, 2, 3), [[50.0], [40.0], [50.0]]).verdict())
    assert "Best: 1, " in said and "The same mean as the best: 3; the order" in said
    assert "same mean" not in " ".join(finished(tmp_path / "b", (1, 2), [[5.0], [4.0]]).verdict())


@pytest.mark.parametrize(("best", "where"), [(0, "at the edge"), (1, "inside"), (2, "at the edge")])
def test_the_verdict_says_where_the_best_lies(tmp_path, best, where):
    accuracies = [[10.0, 10.2]] * 3
    accuracies[best] = [20.0, 20.2]
    assert where in " ".join(finished(tmp_path, (1, 2, 3), accuracies).verdict())


def test_an_edge_is_that_of_what_was_measured(tmp_path):
    made = runner.Runner(sweep_over(1.0, 2.0, 3.0), str(tmp_path))  # 3 fails
    said = " ".join(outcome.Outcome(made, made.run()).verdict())
    assert "at the edge of the measured range of B.x (1.0 to 2.0)" in said
    assert "2 of 6 points have no results" in said


def test_a_metric_that_was_not_measured_is_named(tmp_path):
    found = finished(tmp_path, (1, 2), [[10.0], [20.0]], metrics=("knn",))
    assert found.verdict() == [
        "knn was not measured, so no point is called best; measured: i_nce, i_nce/training, "
        "knn/pre-trained."
    ]


@pytest.mark.parametrize(("information", "largest"), [("i_nce", 2), ("i_nce/training", 9)])
def test_the_curve_is_over_the_information_that_is_asked_for(tmp_path, information, largest):
    accuracies = [[40.0, 41.0], [50.0, 50.6]]
    found = finished(tmp_path, (1, 2), accuracies, information=information)
    [axes] = curve.draw_curve(found).axes
    assert axes.get_xlabel() == f"{LABELS[information]}, nats"
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [largest, largest - 1])


def test_more_than_two_metrics_are_drawn_in_two_columns(tmp_path):
    metrics = ("knn/pre-trained", "i_nce", "i_nce/training")
    found = finished(tmp_path, (1, 2), [[40.0], [50.0]], metrics=metrics)
    figure = curve.draw_curve(found)
    places = {tuple(axes.get_subplotspec().get_geometry()) for axes in figure.axes}
    assert {place[:2] for place in places} == {(2, 2)} and len(figure.axes) == 3


@pytest.mark.parametrize("crowd", [0, 12])
def test_every_label_lies_in_the_panel_or_all_are_listed_beside_it(tmp_path, crowd):
    accuracies = [[40.0], [50.0], [60.0]] + [[60.0 + i / 1000] for i in range(crowd)]
    values = tuple(range(1000, 1000 + len(accuracies)))
    found = finished(tmp_path, values, accuracies)
    for i, setting in enumerate(found.settings):
        setting.values["i_nce"] = np.array([min(i, 2) + i / 1000])
    figure = curve.draw_curve(found)
    figure.draw_without_rendering()
    [axes] = figure.axes
    panel = axes.get_window_extent()
    boxes = [label.get_window_extent() for label in axes.texts]
    listed = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert listed == ([str(v) for v in values] if crowd else [])
    assert len(boxes) == (0 if crowd else len(values))
    assert all(panel.contains(b.x0, b.y0) and panel.contains(b.x1, b.y1) for b in boxes)
    plt.close(figure)


def test_settings_whose_views_look_alike_share_a_picture(tmp_path):
    found = finished(tmp_path, (1, 2), [[40.0], [50.0]])
    paths = {}
    for caption, data in {"raw": PNG, "learned": PNG, "other": PNG + b" "}.items():
        paths[caption] = str(tmp_path / f"{caption}.png")
        pathlib.Path(paths[caption]).write_bytes(data)
    report.write(found, paths, "", str(tmp_path))
    page = (tmp_path / "report.html").read_text()
    shown = re.findall("<figcaption>(.*?)</figcaption>", page)
    assert shown == ["raw; learned", "other"] and "random views of it" in page


def test_the_verdict_and_the_curve_have_the_reverse_u(tmp_path):
    accuracies = [[a, a + 0.5] for a in (20.0, 30.0, 38.0, 39.0, 31.0, 21.0)]
    found = finished(tmp_path, (1, 2, 3, 4, 5, 6), accuracies)
    [said] = [s for s in found.verdict() if "reverse U" in s]
    assert (
        said.startswith("A reverse U of kNN, pre-trained over I_NCE is shown")
        and "top is at -0.5" in said
    )
    [axes] = curve.draw_curve(found).axes
    [dashed] = [line for line in axes.lines if line.get_linestyle() == "--"]
    x, y = dashed.get_data()
    assert (x.min(), x.max()) == (-3.0, 2.0) and x[np.argmax(y)] == pytest.approx(-0.5, abs=0.1)


def test_the_report_shows_learned_channels_of_the_first_seed_that_has_them(tmp_path, capsys):
    accuracies = [[40.0, 41.0], [50.0, 50.6]]
    made = finished(tmp_path, (1, 2), accuracies).runner
    made.show_views = lambda point: None
    folder = pathlib.Path(made.model_dir(made.sweep.points()[2])) / "learn_views"
    folder.mkdir()
    (folder / "channels.png").write_bytes(PNG)
    command.report(made, {}, "a.B.x = 1")
    page = (tmp_path / "report.html").read_text()
    assert page.count("1: the learned channels, each picture stretched") == 2  # alt and caption
    assert "2: the learned" not in page


def test_points_that_fail_alike_are_named_in_one_line(tmp_path, capsys):
    made = runner.Runner(sweep_over(1.0, 2.0, 3.0, 4.0), str(tmp_path))
    made.show_views = lambda point: None
    *alike, other = made.sweep.points()
    problems = dict.fromkeys(alike, "no data") | {other: "loss became nan"}
    assert command.report(made, problems, "") == 1
    named = ", ".join(point.name for point in alike[:5])
    said = f"no results: {named} and 2 more: no data\nno results: {other.name}: loss became nan\n"
    written = capsys.readouterr().err
    assert written.endswith(said) and written.count("no results") == 2


def test_other_information_is_refused(tmp_path):
    with pytest.raises(UserError, match="'MI' is not one of i_nce, i_nce/training"):
        finished(tmp_path, (1, 2), [[1.0], [2.0]], information="MI")


def test_a_label_in_the_place_of_a_key_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(UserError, match="such as knn/pre-trained, not 'kNN, pre-trained'"):
        finished(tmp_path, (1, 2), [[1.0], [2.0]], metrics=("i_nce", "kNN, pre-trained"))


def test_categories_have_no_edge_and_one_seed_no_spread(tmp_path):
    said = " ".join(finished(tmp_path, (1, 2), [[10.0], [20.0]], ordered=False).verdict())
    assert "edge" not in said and "With one seed the spread is unknown" in said


def test_files_and_report_hold_everything(tmp_path):
    made = runner.Runner(sweep_over(1.0, 3.0, 2.0, title="A < B"), str(tmp_path))
    found = outcome.Outcome(made, made.run())
    found.write(str(tmp_path))
    rows = list(csv.DictReader((tmp_path / "sweep.csv").open()))
    assert len(rows) == 6 and rows[2]["B.x"] == "2.0" and float(rows[2]["knn/pre-trained"]) == 70.0
    assert "loss became nan" in rows[1]["problem"] and rows[1]["i_nce"] == ""
    content = json.loads((tmp_path / "sweep.json").read_text())
    assert content["metric"] == "knn/pre-trained" and len(content["points"]) == 6
    picture = tmp_path / "picture.png"
    picture.write_bytes(PNG)
    report.write(found, {"1.0": str(picture)}, "a.B.x = <1>", str(tmp_path))
    page = (tmp_path / "report.html").read_text()
    assert "A &lt; B" in page and "a.B.x = &lt;1&gt;" in page and "loss became nan" in page
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r'(src|href)="(?!data:)', page)  # nothing from elsewhere
    for name in ("curve.png", "curve.svg"):
        assert (tmp_path / name).stat().st_size > 5000


def test_without_labels_the_curve_is_of_i_nce(tmp_path):
    found = finished(tmp_path, (1, 2), [[10.0], [20.0]])
    found.metrics, found.metric = [], None
    assert "no point is called best" in found.verdict()[0]
    report.write(found, {}, "", str(tmp_path))
    assert (tmp_path / "curve.png").exists()


def test_the_table_has_the_metrics_and_the_information_and_the_whole_one_everything(tmp_path):
    found = finished(tmp_path, (1, 2), [[40.0], [50.5]], metrics=["knn/pre-trained"])
    header, rows = found.table()
    assert header == ["x", "kNN, pre-trained, %", "I_NCE, nats", "seeds"]
    assert rows == [["1", "40.00", "2.00", "1"], ["2", "50.50", "1.00", "1"]]
    assert found.whole_table()[0] == [
        "x",
        "I_NCE, nats",
        "I_NCE of training, nats",
        "kNN, pre-trained, %",
        "seeds",
    ]
    assert outcome.text_table(["x", "kNN"], [["1", "40.00"], ["long", "5"]]).splitlines() == [
        "| x    | kNN   |",
        "| ---- | ----- |",
        "| 1    | 40.00 |",
        "| long | 5     |",
    ]
