"""A sweep to look at: the curve of accuracy against I_NCE, and a page that needs no other file."""

import base64
import html
import io
import os

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt

from infomin_tf import results

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; font-size: 13px } td, th { border: 1px solid #ccc; padding: .25em .6em; text-align: right }
td:first-child, th:first-child { text-align: left } img { max-width: 100% } pre { background: #f5f5f5; padding: .8em;
overflow-x: auto; font-size: 12px } .scroll { overflow-x: auto } figure { margin: 1em 0 } figcaption { color: #555 }
.problem { color: #a00 }
"""


def draw_curve(outcome):
    """A figure: accuracy against I_NCE, a point a setting, coloured and labelled by strength, error bars over seeds.

    Bars are one standard deviation; the best setting has a star. Without accuracies, I_NCE of each setting.

    Args:
        outcome: `outcome.Outcome` with a setting or more.
    """
    panels = max(1, len(outcome.metrics))
    figure, grid = plt.subplots(
        1, panels, figsize=(7.5 * panels, 5), layout="constrained", squeeze=False
    )
    if outcome.metric is None:
        _draw_i_nce(grid[0, 0], outcome)
    for axes, metric in zip(grid[0], outcome.metrics, strict=False):
        _draw_accuracy(axes, outcome, metric)
    for axes in grid[0]:
        axes.grid(alpha=0.3)
    figure.suptitle(outcome.sweep.title)
    return figure


def _draw_accuracy(axes, outcome, metric):
    settings = [s for s in outcome.settings if metric in s.values]
    x = np.array([s.mean("I_NCE") for s in settings])
    y = np.array([s.mean(metric) for s in settings])
    bars = [np.nan_to_num([s.spread(n) for s in settings]) for n in ("I_NCE", metric)]
    if len(outcome.sweep.axes) == 1 and outcome.sweep.axes[0].ordered:
        axes.plot(x, y, color="0.75", zorder=1)
    axes.errorbar(x, y, xerr=bars[0], yerr=bars[1], fmt="none", ecolor="0.5", capsize=2, zorder=2)
    colors, markers = _looks(settings, outcome.sweep.axes)
    for setting, color, marker, a, b in zip(settings, colors, markers, x, y, strict=True):
        axes.scatter(a, b, color=color, marker=marker, s=45, zorder=3)
        text = " / ".join(setting.labels)
        axes.annotate(text, (a, b), textcoords="offset points", xytext=(6, 5), fontsize=9)
    if not settings:
        return
    best = settings[int(np.argmax(y))]
    axes.scatter(
        best.mean("I_NCE"),
        best.mean(metric),
        marker="*",
        s=260,
        facecolor="none",
        edgecolor="crimson",
        zorder=4,
        label=f"best: {' / '.join(best.labels)}",
    )
    axes.legend(loc="best")
    axes.set_xlabel("I_NCE, nats, on held-out images")
    axes.set_ylabel(f"{metric}, %")


def _draw_i_nce(axes, outcome):
    places = np.arange(len(outcome.settings))
    errors = np.nan_to_num([s.spread("I_NCE") for s in outcome.settings])
    axes.errorbar(places, [s.mean("I_NCE") for s in outcome.settings], errors, fmt="o-", capsize=2)
    labels = [" / ".join(s.labels) for s in outcome.settings]
    axes.set_xticks(places, labels, rotation=30, ha="right")
    axes.set_ylabel("I_NCE, nats, on held-out images")


def _looks(settings, axes):
    """Colours by the first axis, markers by the second."""
    shades = plt.get_cmap("viridis")(np.linspace(0.0, 0.9, len(axes[0].labels)))
    colors = [shades[axes[0].labels.index(s.labels[0])] for s in settings]
    kinds = "osD^vP*X<>"
    markers = [
        kinds[axes[1].labels.index(s.labels[1]) % len(kinds)] if len(axes) > 1 else "o"
        for s in settings
    ]
    return colors, markers


def write(outcome, pictures, configuration, out):
    """Writes out/curve.png, out/curve.svg and out/report.html.

    Args:
        outcome: `outcome.Outcome`.
        pictures: dict caption -> path of a picture.
        configuration: text of the sweep's gin configuration.
        out: folder.
    """
    curve = ""
    if outcome.settings:
        figure = draw_curve(outcome)
        for kind in ("png", "svg"):
            figure.savefig(os.path.join(out, f"curve.{kind}"), dpi=150)
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=130)
        plt.close(figure)
        curve = _image(buffer.getvalue(), "accuracy against I_NCE")
    results.write_atomically(
        os.path.join(out, "report.html"), _page(outcome, curve, pictures, configuration)
    )


def _page(outcome, curve, pictures, configuration):
    title = html.escape(outcome.sweep.title)
    said = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in outcome.verdict())
    header, rows = outcome.table()
    problems = "".join(
        f'<li class="problem"><b>{html.escape(row.point.name)}</b>: {html.escape(row.problem)}</li>'
        for row in outcome.rows
        if row.problem
    )
    commands = html.escape("\n".join(row.command for row in outcome.rows))
    minutes = sum(row.seconds for row in outcome.rows) / 60
    paper = outcome.sweep.expectation
    parts = [
        f"<h1>{title}</h1><ul>{said}</ul>",
        f"<p>In the paper: {html.escape(paper)}</p>" if paper else "",
        curve,
        "<h2>Means over seeds</h2><p>± one standard deviation over seeds. I_NCE in nats on held-out images, accuracy in % "
        f"on test images. {len(outcome.rows)} points, {minutes:.0f} minutes of stages in all.</p>",
        _table(header, rows),
        f"<h2>Points without results</h2><ul>{problems}</ul>" if problems else "",
        "<h2>Views</h2>" if pictures else "",
        *(_figure(caption, path) for caption, path in pictures.items()),
        f"<h2>Configuration</h2><pre>{html.escape(configuration)}</pre>",
        f"<h2>Commands</h2><pre>{commands}</pre>",
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _table(header, rows):
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _figure(caption, path):
    with open(path, "rb") as file:
        image = _image(file.read(), f"views at {caption}")
    return f"<figure>{image}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _image(data, description):
    encoded = base64.b64encode(data).decode()
    return f'<img alt="{html.escape(description)}" src="data:image/png;base64,{encoded}">'
