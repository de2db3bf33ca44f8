"""Runs the CPU-sized recipes one after the other on one budget, and prints a table in Markdown.

    python benchmarks/recipes.py --data_dir=DIR --out=runs/recipes

A run that is finished is not repeated, one that was stopped continues; so the command may be given
again.
"""

import argparse
import itertools
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
RECIPES = ("instdis", "moco", "moco_v2", "cmc", "pirl", "simclr", "infomin")
STEPS = ("1_cj", "2_cj_blur", "3_ra_cj", "4_ra_cj_blur", "5_jigsaw")
LADDER = (*(f"ladder_{step}" for step in STEPS), "infomin")
COLUMNS = {
    "I_NCE, nats": ("pretrain", "i_nce"),
    "kNN, %": ("evaluate", "knn/pre-trained"),
    "linear probe, %": ("evaluate", "fast_linear_probe/pre-trained"),
}


def main():
    """The table of the recipes, or of the ladder of Fig. 12."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", required=True, help="folder of prepared TFDS data sets")
    parser.add_argument("--out", default="runs/recipes", help="where the runs are written")
    names = {"nargs": "+", "help": "gin/small/NAME.gin"}
    parser.add_argument("--data", default=["cifar10", "imagenette96"], **names)
    parser.add_argument("--recipes", default=RECIPES, **names)
    parser.add_argument("--ladder", action="store_true", help="the steps of Fig. 12 (b) instead")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    arguments = parser.parse_args()
    recipes = LADDER if arguments.ladder else arguments.recipes
    for seed, data, recipe in itertools.product(arguments.seeds, arguments.data, recipes):
        run(recipe, data, seed, arguments)
    for data in arguments.data:
        print(table(recipes, data, arguments))


def model_dir(recipe, data, seed, arguments):
    """Where one run is written."""
    return pathlib.Path(arguments.out) / f"{data}_{recipe}_seed{seed}"


def run(recipe, data, seed, arguments):
    """Trains and evaluates one recipe."""
    directory = model_dir(recipe, data, seed, arguments)
    if (directory / "evaluate" / "results.json").exists():
        return
    files = [f"--gin_file=gin/small/{name}.gin" for name in (recipe, data)]
    flags = [f"--data_dir={arguments.data_dir}", f"--model_dir={directory}", f"--seed={seed}"]
    command = [sys.executable, str(ROOT / "bin" / "train"), *files, *flags, "--until=evaluate"]
    print(" ".join(command[1:]), file=sys.stderr)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def figures(recipe, data, seed, arguments):
    """{column: value} of a finished run, with its minutes of pre-training."""
    directory = model_dir(recipe, data, seed, arguments)
    read = lambda stage: json.loads((directory / stage / "results.json").read_text())
    found = {}
    for column, (stage, key) in COLUMNS.items():
        found[column] = next(m["value"] for m in read(stage)["measurements"] if m["key"] == key)
    return found | {"minutes": read("pretrain")["wall_time_seconds"] / 60}


def table(recipes, data, arguments):
    """A row a recipe: the mean over the seeds, and each seed in brackets."""
    lines = [f"{data}, seeds {', '.join(map(str, arguments.seeds))}", ""]
    columns = [*COLUMNS, "minutes"]
    lines += [f"| recipe | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for recipe in recipes:
        rows = [figures(recipe, data, seed, arguments) for seed in arguments.seeds]
        cells = []
        for column in columns:
            values = [row[column] for row in rows]
            each = " ".join(f"{value:.2f}" for value in values)
            cells.append(f"{sum(values) / len(values):.2f} ({each})")
        lines.append(f"| {recipe} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
