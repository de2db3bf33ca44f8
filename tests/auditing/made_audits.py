"""Audits whose numbers are made by hand."""

import json
import math
import pathlib

import numpy as np

from infomin_tf.auditing import findings as findings_module
from infomin_tf.auditing.audit import Audit
from infomin_tf.sweeps import outcome, runner
from infomin_tf.sweeps.outcome import Setting
from infomin_tf.sweeps.sweep import Axis, BindingsAxis

PROBE = "knn/pre-trained"
LABELS = {
    PROBE: "kNN, pre-trained",
    "i_nce": "I_NCE",
    "uniformity": "uniformity",
    "label_free_score/pre-trained": "label-free score, pre-trained",
}
FACTS = {
    "arguments": {
        "images": "photos",
        "labels": "photos",
        "image_size": 96,
        "test_share": 0.25,
        "batch_size": 128,
    },
    "sizes": {"unlabelled": 1500, "held_out": 500, "train": 1500, "test": 500},
    "doubts": [],
    "classes": 10,
}


def small_audit():
    axes = [
        Axis("a.B.x", (1, 2, 3), name="x"),
        BindingsAxis({"off": ("a.B.y = 0",), "on": ("a.B.y = 1", "a.B.z = 2")}, "y"),
    ]
    return Audit(axes, ("2", "off"), ["base.gin"], ["labelled.gin"], first_steps=30)


def setting(label, probe, i_nce=1.0, uniformity=-3.0):
    values = {PROBE: probe, "i_nce": [i_nce] * 2, "uniformity": [uniformity] * 2}
    values["label_free_score/pre-trained"] = [score(i_nce, uniformity)] * 2
    return Setting((label,), {name: np.array(v) for name, v in values.items()})


def score(i_nce, uniformity):
    """Of features that tell 40 % of rotations."""
    return -uniformity * (math.log(128) - i_nce) * (40 - 25) / 75


def write_numbers(sweep, out, numbers):
    """Results by hand: a dict label -> (probes over seeds, I_NCE, uniformity)."""
    made = runner.Runner(sweep, str(out))
    for point in sweep.points():
        if point.labels[0] not in numbers:
            continue
        probes, i_nce, uniformity = numbers[point.labels[0]]
        found = {
            "pretrain": {"i_nce": i_nce, "uniformity": uniformity},
            "evaluate": {
                PROBE: probes[list(sweep.seeds).index(point.seed)],
                "label_free_score/pre-trained": score(i_nce, uniformity),
            },
        }
        for stage in ("pretrain", "evaluate"):
            folder = pathlib.Path(made.model_dir(point)) / stage
            folder.mkdir(parents=True)
            content = [
                {"key": n, "label": LABELS[n], "value": v, "unit": "", "protocol": ""}
                for n, v in found[stage].items()
            ]
            results = {"measurements": content, "steps_per_second": 2.0}
            (folder / "results.json").write_text(json.dumps(results))
    return outcome.Outcome(made, {})


FIRST = {
    "base": ([50.0], 2.0, -3.0),
    "x 1": ([40.0], 3.0, -3.2),
    "x 3": ([53.0], 1.5, -2.9),
    "y on": ([51.0], 0.5, -1.0),
}


def all_rounds(tmp_path, facts=FACTS):
    audit, out = small_audit(), str(tmp_path)
    first = write_numbers(audit.first_round(out, facts), tmp_path / "one", FIRST)
    better = audit.better(first, audit.ranking(facts))
    second = {label: ([probe + 2.0], *rest) for label, ([probe], *rest) in FIRST.items()}
    second = write_numbers(audit.second_round(out, facts, better, 60), tmp_path / "two", second)
    finalists = audit.finalists(first, second, audit.ranking(facts))
    again = {
        "base": ([50.2, 50.0], 2.0, -3.0),
        "x 3": ([52.0, 52.2], 1.5, -2.9),
        "x 3, y on": ([53.6, 53.2], 1.0, -2.8),
    }
    last = audit.last_round(out, facts, finalists, 60, 2)
    last = write_numbers(last, tmp_path / "three", again)
    return findings_module.Findings(audit, facts, first, second, last, 60)
