"""Table 4 next to the paper's: prints the outcome of a sweep over its rows as Markdown.

bin/sweep --gin_file=gin/small/table4.gin --data_dir=DIR --out=runs/table4
python benchmarks/table4.py runs/table4
"""

import argparse
import json
import os
import pathlib
import re
import statistics

FACTORS = ("digit", "background", "position")
ROWS = pathlib.Path(__file__).parents[1] / "gin" / "paper"
HEADER = r"published errors digit ([\d.]+) %, background ([\d.]+) %, position ([\d.]+) px"


def published(label):
    """The paper's errors of a row, of its gin file's header: digit, background in %, position."""
    header = (ROWS / f"table4_{label.replace(' ', '_')}.gin").read_text()
    return re.search(HEADER, header).groups()


def cell(points, key, digits=1):
    """Mean over seeds, and in brackets each seed unless all are the same."""
    found = [point["measurements"] for point in points]
    values = [measurements[key]["value"] for measurements in found if key in measurements]
    if not values:
        return "not measured"
    each = " ".join(f"{value:.{digits}f}" for value in values)
    return f"{statistics.mean(values):.{digits}f}" + (f" ({each})" if len(set(values)) > 1 else "")


def main():
    """Reads sweep.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", help="the sweep's --out")
    with open(os.path.join(parser.parse_args().out, "sweep.json")) as file:
        points = json.load(file)["points"]
    errors = ("digit error, %", "background error, %", "position error, px")
    header = ["shared", *(name for error in errors for name in (error, "paper"))]
    header += ["I_NCE, nats", "entropy, nats"]
    print("| " + " | ".join(header) + " |")
    print("|---" * len(header) + "|")
    for label in dict.fromkeys(point["point"]["labels"][0] for point in points):
        row = [point for point in points if point["point"]["labels"] == [label]]
        how = "end_to_end" if label == "supervised" else "pre-trained"
        cells = []
        for factor, number in zip(FACTORS, published(label), strict=True):
            cells += [cell(row, f"{factor}_error/{how}"), number]
        shared = [cell(row, key, 2) for key in ("i_nce", "entropy/shared_factors")]
        print(f"| {label} | " + " | ".join([*cells, *shared]) + " |")
    chance = [cell(points[:1], f"{factor}_error/chance") for factor in FACTORS]
    print("| chance | " + " | | ".join(chance) + " | | | |")


if __name__ == "__main__":
    main()
