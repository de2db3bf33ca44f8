r"""How well criteria that need no labels order the settings of audits that had labels.

For every folder of an audit with labels whose first round is finished: Spearman's rank correlation
of each criterion with the accuracies of kNN and of the fast linear probe over the settings of the
first round, and regret, the kNN accuracy of the criterion's pick below that of the best setting.
Make long first rounds by --gin_param='Audit.first_steps = 250'. "Least I_NCE of the spread" was the
audit's rule before the label-free score: among settings whose uniformity is within 85 % of the
best.

  bin/audit_views --images=photos --labels=photos --out=runs/photos \
    --gin_param='Audit.first_steps = 250' --minutes=60
  .venv/bin/python benchmarks/audit_criteria.py runs/photos runs/steel
"""

import argparse
import json
import math
import os

import numpy as np
from scipy.stats import spearmanr

from infomin_tf.auditing.ranking import tells_nothing
from infomin_tf.evaluation.label_free import label_free_score
from infomin_tf.sweeps.outcome import Setting

KNN, PROBE = "knn/pre-trained", "fast_linear_probe/pre-trained"
CANDIDATES = 128  # N of I_NCE


def least_of_the_spread(found, settings):
    """Minus I_NCE; settings that spread too little come last, by uniformity."""
    limit = 0.85 * min(other["uniformity"] for other in settings.values())
    if found["uniformity"] <= limit:
        return -found["i_nce"]
    return -100.0 - found["uniformity"]


def unshared_spread(found, _):
    """See infomin_tf/evaluation/embeddings.py."""
    return -found["uniformity"] * (math.log(CANDIDATES) - found["i_nce"])


def label_free(found, _):
    """The audit's; what tells nothing comes last."""
    spread, rotation = unshared_spread(found, _), found["rotation_probe/pre-trained"]
    setting = Setting((), {key: np.array([value]) for key, value in found.items()})
    return label_free_score(spread, rotation) - 100.0 * tells_nothing(setting)


CRITERIA = {
    "label-free score": label_free,
    "unshared spread": unshared_spread,
    "least I_NCE of the spread": least_of_the_spread,
    "rotation probe": lambda found, _: found["rotation_probe/pre-trained"],
    "LiDAR": lambda found, _: found["lidar/pre-trained"],
    "effective rank": lambda found, _: found["effective_rank/pre-trained"],
    "least I_NCE": lambda found, _: -found["i_nce"],
    "spread": lambda found, _: -found["uniformity"],
    "half of log N": lambda found, _: -abs(found["i_nce"] - math.log(CANDIDATES) / 2),
}


def settings_of(folder):
    """dict label -> dict key -> mean over seeds, of the first round of an audit."""
    with open(os.path.join(folder, "first_round", "sweep.json"), encoding="utf-8") as file:
        points = json.load(file)["points"]
    values = {}
    for point in points:
        for key, measured in point["measurements"].items():
            [label] = point["point"]["labels"]
            values.setdefault(label, {}).setdefault(key, []).append(measured["value"])
    means = {label: {k: np.mean(v) for k, v in found.items()} for label, found in values.items()}
    return {label: found for label, found in means.items() if {KNN, PROBE, "i_nce"} <= found.keys()}


def judge(settings, criterion):
    """(Spearman with kNN, with the probe, regret in points of kNN, the pick)."""
    labels = list(settings)
    scores = [criterion(settings[label], settings) for label in labels]
    accuracies = [[settings[label][key] for label in labels] for key in (KNN, PROBE)]
    orders = [spearmanr(scores, accuracy).statistic for accuracy in accuracies]
    pick = labels[int(np.nanargmax(scores))]
    return *orders, max(accuracies[0]) - settings[pick][KNN], pick


def main():
    """Prints a table for each folder, and the means."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="+", help="--out of finished audits with labels")
    folders = parser.parse_args().folders
    found = {os.path.basename(os.path.normpath(folder)): settings_of(folder) for folder in folders}
    for name, settings in found.items():
        regret = max(s[KNN] for s in settings.values()) - settings["base"][KNN]
        print(f"{name}: {len(settings)} settings; regret of always the base {regret:.1f}")
    print(f"\n| criterion | {' | '.join(f'{name}: kNN, probe; regret' for name in found)} | mean |")
    print("|---|" + "---|" * (len(found) + 1))
    for criterion, score in CRITERIA.items():
        judged = [judge(settings, score) for settings in found.values()]
        cells = [f"{knn:.2f}, {probe:.2f}; {regret:.1f}" for knn, probe, regret, _ in judged]
        means = np.mean([row[:3] for row in judged], axis=0)
        mean = f"{means[0]:.2f}, {means[1]:.2f}; {means[2]:.1f}"
        print(f"| {criterion} | {' | '.join(cells)} | {mean} |")


if __name__ == "__main__":
    main()
