"""A program that stands for bin/train in sweeps."""

from infomin_tf.sweeps.sweep import Axis, Sweep

# Stands for bin/train: accuracy 50 + 10 x - seed, I_NCE 1 / x; x = 3 fails; each run leaves a line
# in a file. On a device, it refuses to share it and waits until each device of FAKE_DEVICES has had
# a run; FAKE_HELD names the x that waits for the file "go".
FAKE_TRAIN = """
import json, os, re, sys, time
flags = dict(a[2:].split("=", 1) for a in sys.argv[1:])
x, seed = float(re.search(r"= *([-\\d.]+)", flags["gin_param"]).group(1)), int(flags["seed"])
folder = flags["model_dir"]
out = os.path.dirname(os.path.dirname(folder))
def wait_for(name):
    while not os.path.exists(os.path.join(out, name)):
        time.sleep(0.01)
with open(os.path.join(out, "runs.txt"), "a") as file:
    file.write(f"{x} {seed}\\n")
if device := os.environ.get("CUDA_VISIBLE_DEVICES"):
    os.mkdir(os.path.join(os.path.dirname(folder), "device" + device))
    open(os.path.join(out, "seen" + device), "w").close()
    for other in os.environ["FAKE_DEVICES"].split():
        wait_for("seen" + other)
if os.environ.get("FAKE_HELD") == str(x):
    wait_for("go")
if x == 3:
    sys.exit("error: pretrain: loss became nan at step 7; lower the learning rate")
found = {"pretrain": ("i_nce", 1 / x), "evaluate": ("knn/pre-trained", 50 + 10 * x - seed)}
for stage, (name, value) in found.items():
    os.makedirs(os.path.join(folder, stage), exist_ok=True)
    number = {"key": name, "label": name, "value": value, "unit": "", "protocol": "fake"}
    with open(os.path.join(folder, stage, "results.json"), "w") as file:
        json.dump({"measurements": [number], "wall_time_seconds": 1.0}, file)
if device:
    held = os.path.join(os.path.dirname(folder), "device" + device)
    os.rename(held, os.path.join(folder, "device" + device))
"""


def runs(folder):
    """Lines of the file in which each run leaves one."""
    return (folder / "runs.txt").read_text().split("\n")[:-1]


def sweep_over(*values, seeds=(0, 1), **arguments):
    return Sweep(["base.gin"], [Axis("a.B.x", values)], seeds=seeds, **arguments)
