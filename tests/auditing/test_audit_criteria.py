"""The judge of label-free criteria, on numbers whose orders are known by hand."""

import json

import numpy as np
import pytest

from benchmarks import audit_criteria


@pytest.fixture
def audit(tmp_path):
    """An audit of three settings; I_NCE orders them against kNN, LiDAR as kNN does."""
    rows = {"base": (40, 30, 3.0, 5.0), "x": (50, 35, 2.0, 6.0), "y": (60, 33, 1.0, 9.0)}
    keys = (audit_criteria.KNN, audit_criteria.PROBE, "i_nce", "lidar/pre-trained")
    points = [
        {
            "point": {"labels": [label], "seed": seed},
            "measurements": {k: {"value": v + seed} for k, v in zip(keys, values, strict=True)},
        }
        for label, values in rows.items()
        for seed in (0, 1)
    ]
    points.append({"point": {"labels": ["failed"], "seed": 0}, "measurements": {}})
    (tmp_path / "first_round").mkdir()
    (tmp_path / "first_round" / "sweep.json").write_text(json.dumps({"points": points}))
    return audit_criteria.settings_of(str(tmp_path))


def test_settings_are_means_over_seeds_of_those_with_results(audit):
    assert set(audit) == {"base", "x", "y"}
    assert audit["x"] == {
        audit_criteria.KNN: 50.5,
        audit_criteria.PROBE: 35.5,
        "i_nce": 2.5,
        "lidar/pre-trained": 6.5,
    }


def test_orders_and_regret(audit):
    lidar, most = audit_criteria.CRITERIA["LiDAR"], lambda found, _: found["i_nce"]
    # The probe has base < y < x: of ranks 1, 3, 2 and 1, 2, 3 Spearman is 1 - 6 * 2 / (3 * 8).
    assert audit_criteria.judge(audit, lidar) == (1, pytest.approx(0.5), 0, "y")
    assert audit_criteria.judge(audit, most) == (-1, pytest.approx(-0.5), 20, "base")


def test_scores_by_hand():
    settings = {
        name: {"i_nce": i_nce, "uniformity": uniformity, "rotation_probe/pre-trained": 40.0}
        for name, i_nce, uniformity in (("much", 4, -3.5), ("little", 2, -3), ("close", 1, -2))
    }

    def scores(name):
        criterion = audit_criteria.CRITERIA[name]
        return [criterion(found, settings) for found in settings.values()]

    spread = scores("unshared spread")  # log 128 is 4.852
    assert spread == pytest.approx([3.5 * 0.852, 3 * 2.852, 2 * 3.852], abs=2e-3)
    score = scores("label-free score")
    assert score == pytest.approx([0.2 * value for value in spread])
    settings["little"]["i_nce"] = -0.1  # nothing was learned
    assert int(np.argmin(scores("label-free score"))) == 1
    settings["little"]["i_nce"] = 2
    # 85 % of -3.5 is -2.975.
    much, little, close = scores("least I_NCE of the spread")
    assert little > much > close
