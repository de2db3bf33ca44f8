"""What an audit says of numbers that are made by hand."""

import dataclasses

import numpy as np
import pytest

from infomin_tf.auditing import advice, ranking, recommendation
from infomin_tf.auditing import findings as findings_module
from infomin_tf.errors import UserError
from infomin_tf.sweeps import runner
from tests.auditing.made_audits import (
    FACTS,
    LABELS,
    PROBE,
    all_rounds,
    setting,
    small_audit,
    write_numbers,
)

pytestmark = pytest.mark.usefixtures("clean_gin")


def test_failed_runs_and_those_without_time_are_said(tmp_path):
    found = all_rounds(tmp_path)
    assert "no results" not in " ".join(found.uncertainty())
    rows = found.first.rows
    late = {"problem": runner.LEFT_OUT + "the budget is spent", "measurements": {}}
    rows[1] = dataclasses.replace(rows[1], **late)
    found.last.rows[-1] = dataclasses.replace(found.last.rows[-1], **late)
    rows[2] = dataclasses.replace(rows[2], problem="failed: full disk")
    sure = " ".join(found.uncertainty())
    assert "There was no time for x 1; more --minutes" in sure  # nor for a further seed, not said
    assert "1 runs have no results" in sure
    audit = small_audit()
    only = {"x 3": ([53.0], 1.5, -2.9)}
    sweep = audit.last_round(str(tmp_path), FACTS, [("2", "off"), ("3", "off")], 60, 1)
    lost = write_numbers(sweep, tmp_path / "lost", only)
    with pytest.raises(UserError, match="base has no results in the last round"):
        findings_module.Findings(audit, FACTS, found.first, found.second, lost, 60)
    single = write_numbers(sweep, tmp_path / "single", only | {"base": ([50.0], 2.0, -3.0)})
    both = found.first, found.second
    said = findings_module.Findings(audit, FACTS, *both, single, 60).uncertainty()
    assert said[0].startswith("With one seed the spread is unknown")


def test_what_an_audit_would_have_said_without_labels_is_said_where_it_is_known(tmp_path):
    found = all_rounds(tmp_path)
    # Of -u (log 128 - i): base 8.6, x 1 5.9, x 3 9.7, y on 4.4.
    [said] = [s for s in found.uncertainty() if s.startswith("Without the labels")]
    assert "would have put x 3 first" in said and "the best, x 3, has 53.00" in said
    for earlier in found.first.settings:
        del earlier.values["label_free_score/pre-trained"]
    assert not [s for s in found.uncertainty() if s.startswith("Without the labels")]


def test_what_learned_nothing_is_never_first_without_a_word(tmp_path):
    """Constants as channels had I_NCE -0.97, the least of all."""
    settings = [
        setting("constants", [0, 0], i_nce=-0.97, uniformity=-3.0),
        setting("not a number", [0, 0], i_nce=np.nan, uniformity=np.nan),
        setting("fine", [0, 0], i_nce=2.0, uniformity=-2.0),
        setting("one point", [0, 0], i_nce=0.1, uniformity=-0.3),
    ]
    order = [s.labels[0] for s in ranking.LabelFreeRanking().order(settings)]
    assert order[0] == "fine"
    unknown = [setting("nan", [np.nan, np.nan]), setting("known", [10.0, 11.0])]
    assert [s.labels[0] for s in ranking.Ranking(PROBE).order(unknown)] == ["known"]
    found = all_rounds(tmp_path)
    assert "Next to nothing" not in " ".join(found.uncertainty())
    found.first.settings.append(settings[0])
    assert "Next to nothing was learned" in " ".join(found.uncertainty())
    assert "with constants. These are ranked by accuracy nevertheless" in " ".join(
        found.uncertainty()
    )


def test_without_labels_the_base_stays_where_nothing_was_learned_and_the_answer_is_a_guess(
    tmp_path,
):
    audit, facts, out = small_audit(), FACTS | {"classes": 0}, str(tmp_path)
    found = all_rounds(tmp_path / "learned", facts)
    [said] = found.answer()
    assert said.startswith(f"Train on {found.recommended}. Without labels this is a guess")
    both = [("2", "off"), ("3", "off")]
    numbers = {"base": ([50.0, 50.0], 0.03, -0.2), "x 3": ([50.0, 50.0], -0.03, -0.4)}
    last = audit.last_round(out, facts, both, 60, 2)
    last = write_numbers(last, tmp_path / "nothing", numbers)
    found = findings_module.Findings(audit, facts, found.first, found.second, last, 60)
    assert found.recommended == "base" and "next to nothing was learned" in found.answer()[0]
    found = findings_module.Findings(audit, FACTS, found.first, found.second, last, 60)
    assert "next to nothing" not in found.answer()[0]  # accuracy decides


def test_findings_with_labels(tmp_path):
    found = all_rounds(tmp_path)
    said, sure = " ".join(found.sentences()), " ".join(found.uncertainty())
    assert "the base is x 2, y off)." in said
    assert f"Recommended: x 3, y on ({LABELS[PROBE]} 53.40 ± 0.28, base 50.10 ± 0.14" in said
    assert "last round, 2 fresh seeds" in said
    assert "x (1, 2, 3; base 2): 3 ranks first in the first round, at the edge of what" in said
    assert (
        "The recommendation is significantly different from the base" in sure
        and "differs by 3.30" in sure
    )
    # Binomial: sqrt(0.534 * 0.466 / 500) is 2.2 %.
    assert "500 test images. This adds a standard error of 2.2 points" in sure
    assert "would have put x 3 first" in sure
    assert found.answer() == ["Train on x 3, y on."]  # nothing is known of what a.B.x means


def test_findings_without_labels(tmp_path):
    found = all_rounds(tmp_path, FACTS | {"classes": 0})
    assert found.last.sweep.axes[0].labels == ["base", "x 3"]  # y on is not spread
    sure = " ".join(found.uncertainty())
    assert found.recommended == "x 3" and "nothing was measured that a task needs" in sure


@pytest.mark.parametrize(
    ("usual", "better", "said"),
    [
        (["families.infomin.jitter = 0.5"], ["families.infomin.jitter = 0.0"], "do not jitter"),
        (["families.infomin.jitter = 0.5"], ["families.infomin.jitter = 0.25"], "hardly jitter"),
        (["families.infomin.jitter = 0.5"], ["families.infomin.jitter = 1.0"], "jitter them more"),
        (["families.infomin.area = (0.2, 1.0)"], ["families.infomin.area = (0.08, 1.0)"], "Small"),
        (["families.infomin.area = (0.2, 1.0)"], ["families.infomin.area = (0.4, 1.0)"], "larger"),
        (["f.layers = 0"], ["f.layers = 2", "f.magnitude = 5.0"], "RandAugment helps"),
        (
            ["families.infomin.jitter = 0.5"],
            ["families.infomin.jitter = 0.0", "Experiment.view_learning = @LearnViews()"],
            "Learned channels",
        ),
    ],
)
def test_advice_is_in_plain_words(usual, better, said):
    [sentence] = advice.advice(usual, better)
    assert said in sentence
    assert advice.advice(usual, usual) == advice.advice(["a.x = @b"], ["a.x = @c"]) == []


def test_a_recommendation_fits_the_machine():
    fast = recommendation.size_for(1e-4, 250)
    assert fast == recommendation.Size(4, 64, 5000, pytest.approx(1e-4 * 64 * 5000 / 60))
    # Four times the width and twice the side take 64 times as long: 5,000 steps of 0.05 s, 267
    # minutes. Twice and twice take 16 times, 67 minutes; twice and 1.5 times 9 times, 37.5.
    assert recommendation.size_for(0.05, 250) == recommendation.Size(2, 48, 5000, 37.5)
    slow = recommendation.size_for(5.0, 250)  # 60 minutes are 720 steps
    assert slow == recommendation.Size(1, 32, 720, pytest.approx(60))
