"""The report of a sweep: a page that needs no other file."""

import base64
import html
import os
import pathlib
import string

from infomin_tf.runs import files
from infomin_tf.sweeps import curve

_ABOUT_VIEWS = (
    "A row is an image and random views of it. A split into channels or frequencies follows and is "
    "not shown here, so settings that differ in it alone share a picture; the channels that view "
    "learning found have pictures of their own."
)


def write(outcome, pictures, configuration, out):
    """Writes out/curve.png, out/curve.svg and out/report.html.

    Args:
        outcome: `outcome.Outcome`.
        pictures: dict caption -> path of a picture.
        configuration: text of the sweep's gin configuration.
        out: folder.
    """
    minutes = sum(row.seconds for row in outcome.rows) / 60
    paper, about = outcome.sweep.expectation, outcome.label(outcome.sweep.information)
    drawn = curve.save(curve.draw_curve(outcome), out) if outcome.settings else b""
    parts = [
        bullets(outcome.verdict()),
        f"<p>In the paper: {html.escape(paper)}</p>" if paper else "",
        image(drawn, f"accuracy against {about}") if drawn else "",
        f"<h2>Means over seeds</h2><p>± one standard deviation where there are several seeds. "
        f"{len(outcome.rows)} points, {minutes:.0f} minutes of stages in total.</p>",
        table(*outcome.table()),
        *details(outcome.rows, pictures, configuration),
        "<h2>All that was measured</h2>" + table(*outcome.whole_table()),
    ]
    files.write_atomically(os.path.join(out, "report.html"), page(outcome.sweep.title, parts))


def page(title, parts):
    """A whole HTML page of parts."""
    shell = string.Template(pathlib.Path(__file__).with_name("page.html").read_text("utf-8"))
    return shell.substitute(title=html.escape(title), parts="".join(parts))


def bullets(sentences):
    """An HTML list of plain sentences."""
    return "<ul>" + "".join(f"<li>{html.escape(s)}</li>" for s in sentences) + "</ul>"


def table(header, rows):
    """An HTML table of plain cells."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def details(rows, pictures, configuration):
    """Parts of a page that come last: protocols, what failed, views, configuration, commands.

    Args:
        rows: `outcome.Row`s.
        pictures: dict caption -> path of a picture.
        configuration: text of the gin configuration.
    """
    commands = "\n".join(row.command for row in rows)
    return [
        _protocols(rows),
        _problems(rows),
        _views(pictures),
        f"<h2>Configuration</h2><pre>{html.escape(configuration)}</pre>",
        f"<h2>Commands</h2><pre>{html.escape(commands)}</pre>",
    ]


def _protocols(rows):
    """How the measurements of the first point that has results were measured."""
    found = next((row.measurements for row in rows if row.measurements), {})
    named = [f"{m.label}: {m.protocol}" for m in found.values()]
    return "<h2>How it was measured (first point)</h2>" + bullets(named) if named else ""


def _problems(rows):
    """The points without results, and why; nothing when there are none."""
    items = "".join(
        f'<li class="problem"><b>{html.escape(row.point.name)}</b>: {html.escape(row.problem)}</li>'
        for row in rows
        if row.problem
    )
    return f"<h2>Points without results</h2><ul>{items}</ul>" if items else ""


def _views(pictures):
    captions = {}
    for caption, path in pictures.items():
        with open(path, "rb") as file:
            captions.setdefault(file.read(), []).append(caption)
    figures = []
    for data, alike in captions.items():
        caption = "; ".join(alike)
        shown = image(data, f"views at {caption}")
        figures.append(f"<figure>{shown}<figcaption>{html.escape(caption)}</figcaption></figure>")
    return f"<h2>Views</h2><p>{_ABOUT_VIEWS}</p>" + "".join(figures) if figures else ""


def image(data, description):
    """An <img> that holds its PNG."""
    encoded = base64.b64encode(data).decode()
    return f'<img alt="{html.escape(description)}" src="data:image/png;base64,{encoded}">'
