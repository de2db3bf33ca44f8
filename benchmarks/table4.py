"""Table 4 beside the paper's: prints the outcome of a sweep over its rows as Markdown.

bin/sweep --gin_file=gin/small/table4.gin --data_dir=DIR --out=runs/table4
python benchmarks/table4.py runs/table4
"""

import argparse
import json
import os
import statistics

PUBLISHED = {  # errors: digit %, background %, position px
    "digit": (16.8, 88.6, 13.6),
    "background": (88.6, 51.7, 16.1),
    "position": (57.9, 87.6, 3.95),
    "background digit position": (88.8, 56.3, 16.2),
    "background digit": (88.2, 53.9, 16.3),
    "background position": (88.8, 53.8, 15.9),
    "digit position": (14.5, 88.9, 13.7),
    "supervised": (3.4, 45.3, 0.93),
}
FACTORS = ("digit", "background", "position")


def cell(points, name, digits=1):
    """Mean over seeds, and in brackets each seed; of a single point its number."""
    values = [point["numbers"][name] for point in points if name in point["numbers"]]
    if not values:
        return "not measured"
    each = " ".join(f"{value:.{digits}f}" for value in values)
    return f"{statistics.mean(values):.{digits}f}" + (f" ({each})" if len(points) > 1 else "")


def main():
    """Reads sweep.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", help="the sweep's --out")
    with open(os.path.join(parser.parse_args().out, "sweep.json")) as file:
        points = json.load(file)["points"]
    header = [
        "shared",
        "digit error, %",
        "paper",
        "background error, %",
        "paper",
        "position error, px",
        "paper",
    ]
    print("| " + " | ".join([*header, "I_NCE, nats", "entropy, nats"]) + " |")
    print("|---" * (len(header) + 2) + "|")
    for label, published in PUBLISHED.items():
        row = [point for point in points if point["point"]["labels"] == [label]]
        how = "end to end" if label == "supervised" else "pre-trained"
        cells = []
        for factor, number in zip(FACTORS, published, strict=True):
            cells += [cell(row, f"{factor} error, {how}"), f"{number:g}"]
        shared = [cell(row, name, 2) for name in ("I_NCE", "entropy of the shared factors")]
        print(f"| {label} | " + " | ".join([*cells, *shared]) + " |")
    chance = [cell(points[:1], f"{factor} error, chance") for factor in FACTORS]
    print("| chance | " + " | | ".join(chance) + " | | | |")


if __name__ == "__main__":
    main()
