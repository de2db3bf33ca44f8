"""An audit to look at: a page that needs no other file."""

import html
import os
import shlex

from matplotlib import pyplot as plt

from infomin_tf.runs import files
from infomin_tf.sweeps import curve, report


def write(findings, pictures, recommended, configuration, out):
    """Writes out/report.html, out/curve.png and out/curve.svg.

    Args:
        findings: `Findings`.
        pictures: dict label -> path of a picture of the views.
        recommended: path of the recommended gin file.
        configuration: text of the audit's gin configuration.
        out: folder.
    """
    with open(recommended, encoding="utf-8") as file:
        text = file.read()
    rows = [*findings.first.rows, *findings.second.rows]
    minutes = sum(row.seconds for row in rows) / 60
    sizes = [f"{part} {size}" for part, size in findings.facts["sizes"].items()]
    sizes = ", ".join(sizes).replace("_", " ")
    command = html.escape(f"bin/train {shlex.quote(f'--gin_file={recommended}')}")
    about = f"{findings.first.label(findings.ranking.drawn)} against I_NCE"
    parts = [
        report.bullets(findings.sentences()),
        "<h2>How sure this is</h2>",
        report.bullets(findings.uncertainty()),
        "<h2>What was not tried</h2>",
        report.bullets(findings.not_tried()),
        f"<h2>Ready to train</h2><p><code>{command}</code></p><pre>{html.escape(text)}</pre>",
        "<h2>Second round: fresh seeds</h2>",
        "<p>Best first.</p>",
        report.table(*findings.second.table(findings.order)),
        "<h2>First round: each axis alone</h2>",
        report.image(curve.save(_draw(findings), out), about),
        f"<p>± one standard deviation over seeds. Images: {sizes}. {minutes:.0f} minutes of "
        "stages in total. Best first.</p>",
        report.table(*findings.first.table(findings.ranking.order(findings.first.settings))),
        *report.details(rows, pictures, configuration),
    ]
    title = f"Audit of views for {findings.facts['arguments']['images']}"
    files.write_atomically(os.path.join(out, "report.html"), report.page(title, parts))


def _draw(findings):
    """The first round: a colour per axis."""
    metric = findings.ranking.drawn
    settings = [s for s in findings.first.settings if metric in s.values]
    names = ["base", *(axis.name for axis in findings.audit.axes)]
    shades = plt.get_cmap("tab10").colors
    colors = [shades[_axis_of(s.labels[0], names) % 10] for s in settings]
    figure, axes = plt.subplots(figsize=(10, 6.5), layout="constrained")
    best = findings.ranking.order(settings)[0]
    markers = ["o"] * len(settings)
    curve.draw_points(axes, findings.first, settings, ("i_nce", metric), best, colors, markers)
    return figure


def _axis_of(label, names):
    return next(i for i, name in enumerate(names) if f"{label} ".startswith(f"{name} "))
