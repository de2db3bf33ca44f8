"""Draws what a sweep of gin/quickstart_compare_views.gin learned, and what it was worth.

.venv/bin/python benchmarks/quickstart_figure.py runs/quickstart_compare_views --out=quickstart.png
"""

import argparse
import pathlib

import matplotlib

from infomin_tf.runs import results

_ROWS = ("untrained", "raw views", "learned views")
_PROBES = {"linear_probe": "linear probe", "knn": "kNN"}


def accuracies(out):
    """dict probe -> dict row of `_ROWS` -> accuracies in %, one per seed."""
    found = {probe: {row: [] for row in _ROWS} for probe in _PROBES}
    for folder in sorted((out / "points").iterdir()):
        content = results.read(folder / "evaluate")
        if content is None:
            continue
        values = {m["key"]: m["value"] for m in content["measurements"]}
        views = folder.name.partition("_")[0]
        for probe in _PROBES:
            found[probe][f"{views} views"].append(values[f"{probe}/pre-trained"])
            if views == "raw":
                found[probe]["untrained"].append(values[f"{probe}/untrained"])
    return found


def draw(out, picture_rows=5):
    """The figure: the picture of learned channels, and every accuracy as a dot."""
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.2), width_ratios=(1.35, 1))
    [path, *_] = sorted(out.glob("points/learned_seed*/learn_views/channels.png"))
    picture = pyplot.imread(path)
    height = picture.shape[0] * picture_rows // 8
    left.imshow(picture[:height])
    left.set_title("raw channels, and learned views v1 and v2: the texture stands out", fontsize=9)
    left.axis("off")
    for probe, marker in zip(_PROBES, "os", strict=True):
        for place, values in enumerate(accuracies(out)[probe].values()):
            color = f"C{place}"
            x = [place + (-0.12 if marker == "o" else 0.12)] * len(values)
            right.plot(x, values, marker, color=color, alpha=0.6)
            right.plot(x[0], sum(values) / len(values), "_", color="black", markersize=16)
    for probe, marker in zip(_PROBES, "os", strict=True):
        right.plot([], [], marker, color="grey", label=_PROBES[probe])
    right.plot([], [], "_", color="black", label="mean of the seeds")
    right.set_xticks(range(len(_ROWS)), _ROWS)
    right.set_ylabel("accuracy on test images, %")
    right.grid(axis="y", alpha=0.3)
    right.legend(fontsize=8, loc="lower right")
    figure.tight_layout()
    return figure


def main():
    """Writes the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sweep", type=pathlib.Path, help="--out of the sweep")
    parser.add_argument("--out", default="quickstart.png")
    arguments = parser.parse_args()
    matplotlib.use("Agg")
    draw(arguments.sweep).savefig(arguments.out, dpi=110)


if __name__ == "__main__":
    main()
