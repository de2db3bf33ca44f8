"""An audit to look at: a page that needs no other file."""

import html
import os
import shlex

from matplotlib import pyplot as plt

from infomin_tf import environment
from infomin_tf.runs import files
from infomin_tf.sweeps import curve, report


def write(findings, recommended, configuration, out):
    """Writes out/report.html, out/curve.png and out/curve.svg.

    Args:
        findings: `Findings`.
        recommended: path of the recommended gin file.
        configuration: text of the audit's gin configuration.
        out: folder.
    """
    with open(recommended, encoding="utf-8") as file:
        text = file.read()
    program = environment.as_installed("bin/train")
    command = html.escape(f"{program} {shlex.quote(f'--gin_file={recommended}')}")
    about = f"{findings.first.label(findings.ranking.metric)} against I_NCE"
    first, last = findings.first, findings.last
    answer = "".join(f"<p><b>{html.escape(sentence)}</b></p>" for sentence in findings.answer())
    parts = [
        answer,
        report.bullets([findings.sentences()[0]]),
        "<h2>How sure this is</h2>",
        report.bullets(findings.uncertainty()),
        f"<h2>What to do next</h2><p>Train on the recommended views: <code>{command}</code></p>",
        "<h2>All that was tried</h2>",
        report.image(curve.save(_draw(findings), out), about),
        "<p>First round, one short run each: left shares little, up is better.</p>",
        report.bullets(findings.sentences()[1:]),
        *_views(findings),
        "<h2>The finalists</h2><p>Best first; ± one standard deviation over seeds. Below, what can "
        "be measured without labels stands beside accuracy.</p>",
        report.table(*last.table(findings.order)),
        "<h2>The better third, longer</h2>",
        report.table(*findings.second.table(findings.ranking.order(findings.second.settings))),
        "<h2>The first round</h2>",
        report.table(*first.table(findings.ranking.order(first.settings))),
        "<h2>What it took</h2>" + report.bullets([_costs(findings)]),
        "<h2>What was not tried</h2>",
        report.bullets(findings.not_tried()),
        *report.details(findings.rows, {}, configuration),
        f"<h2>The recommended gin file</h2><pre>{html.escape(text)}</pre>",
    ]
    name = os.path.basename(os.path.normpath(findings.facts["arguments"]["images"]))
    files.write_atomically(
        os.path.join(out, "report.html"), report.page(f"Which views for {name}", parts)
    )


def _costs(findings):
    sizes = [f"{part} {size}" for part, size in findings.facts["sizes"].items()]
    runs = [row for row in findings.rows if row.measurements]
    minutes = sum(row.seconds for row in runs) / 60
    return (
        f"{len(runs)} runs, {minutes:.0f} minutes of stages in total; images: "
        f"{', '.join(sizes).replace('_', ' ')}."
    )


def _views(findings):
    """The views of the best, the base and the worst beside each other."""
    best, base = findings.order[0].labels, ("base",)
    worst = findings.ranking.order(findings.first.settings)[-1].labels
    drawn = findings.first.runner.pictures([base, worst]) | findings.last.runner.pictures([best])
    figures = []
    named = {"Recommended": best, "Base": base, "Worst of the first round": worst}
    if best == base:
        del named["Base"]
    for caption, [label] in named.items():
        if label in drawn:
            with open(drawn[label], "rb") as file:
                image = report.image(file.read(), f"views: {label}")
            words = html.escape(f"{caption}: {label}")
            figures.append(f"<figure>{image}<figcaption>{words}</figcaption></figure>")
    return ["<h2>The views</h2>", *figures] if figures else []


def _draw(findings):
    """The first round: a colour per axis, and within it a marker per setting."""
    metric = findings.ranking.metric
    settings = [s for s in findings.first.settings if metric in s.values]
    names = ["base", *(axis.name for axis in findings.audit.axes)]
    shades = plt.get_cmap("tab10").colors
    colors = [shades[_axis_of(s.labels[0], names) % 10] for s in settings]
    figure, axes = plt.subplots(figsize=(10, 6.5), layout="constrained")
    recommended = [s for s in settings if s.labels == findings.order[0].labels]
    best = (recommended or findings.ranking.order(settings))[0]
    earlier = [[c for c in colors[:place] if c == color] for place, color in enumerate(colors)]
    markers = [curve.MARKERS[len(same) % len(curve.MARKERS)] for same in earlier]
    keys = "i_nce", metric
    dots = curve.draw_points(axes, findings.first, settings, keys, best, colors, markers)
    curve.name_points(figure, [dots])
    return figure


def _axis_of(label, names):
    return next(i for i, name in enumerate(names) if f"{label} ".startswith(f"{name} "))
