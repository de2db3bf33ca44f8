"""Runs examples/choose_learn_measure.ipynb top to bottom, and writes it back with its pictures.

    .venv/bin/python benchmarks/notebook.py --out=examples/choose_learn_measure.ipynb

The runs of the notebook are made in a folder that is deleted. Needs the test extra.
"""

import argparse
import os
import pathlib
import resource
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "choose_learn_measure.ipynb"


def execute(folder, timeout=1800):
    """The notebook with its outputs, a dict; it runs in a folder, with this copy of the package.

    What goes to stderr, such as the bars of progress, is left out.

    Args:
        folder: where the notebook writes its runs.
        timeout: seconds that a cell may take.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    client = NotebookClient(notebook, timeout=timeout, resources={"metadata": {"path": folder}})
    client.execute(env=environment, cleanup_kc=True)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # the time of day
        if cell.cell_type == "code":
            cell.outputs = _joined(x for x in cell.outputs if x.get("name") != "stderr")
    return notebook


def _joined(outputs):
    """Outputs in which texts that follow each other are one."""
    found = []
    for output in outputs:
        if found and output.output_type == found[-1].output_type == "stream":
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def main():
    """Says how long it took."""
    import nbformat

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, help="a .ipynb to write")
    arguments = parser.parse_args()
    start, load = time.monotonic(), os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        notebook = execute(folder)
    seconds = time.monotonic() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{seconds:.0f} seconds on {os.cpu_count()} cores, of which the notebook had", end=" ")
    print(f"{used.ru_utime + used.ru_stime:.0f} seconds of one core")
    print(f"load average before {load[0]:.1f}, after {os.getloadavg()[0]:.1f}")
    if arguments.out:
        nbformat.write(notebook, arguments.out)
        print(f"wrote {arguments.out}, {arguments.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
