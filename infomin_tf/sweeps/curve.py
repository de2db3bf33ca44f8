"""Figures of a sweep: accuracy, or another number, against I_NCE."""

import io
import os

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt

from infomin_tf.sweeps import reverse_u

_OFFSETS = [(side * 6, up) for up in (5, -5, 16, -16, 27, -27) for side in (1, -1)]
MARKERS = "osD^vP*X<>"
_COLUMNS = 2  # more cannot be read in the report


def draw_curve(outcome):
    """A figure: accuracy against I_NCE, a point per setting, coloured and labelled by strength.

    Error bars are one standard deviation over seeds; the best setting has a star. If there are
    enough settings, there is a parabola with its 95 % band (`reverse_u`). Without accuracies, the
    figure shows I_NCE of each setting.

    Args:
        outcome: `outcome.Outcome` with a setting or more.
    """
    panels = max(1, len(outcome.metrics))
    columns, rows = min(panels, _COLUMNS), -(-panels // _COLUMNS)
    size = 7.5 * columns, 5 * rows
    figure, grid = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for unused in grid.flat[panels:]:
        unused.remove()
    figure.suptitle(outcome.sweep.title)
    information, panels = outcome.sweep.information, []
    if outcome.metric is None:
        _draw_i_nce(grid[0, 0], outcome, information)
    for axes, metric in zip(grid.flat, outcome.metrics, strict=False):
        settings = [s for s in outcome.settings if {metric, information} <= s.values.keys()]
        if settings:
            colors, markers = _looks(settings, outcome.sweep.axes)
            best = max(settings, key=lambda s, metric=metric: s.mean(metric))
            if len(outcome.sweep.axes) == 1 and outcome.sweep.axes[0].ordered:
                x, y = ([s.mean(key) for s in settings] for key in (information, metric))
                axes.plot(x, y, color="0.75", zorder=1)
            keys = information, metric
            panels.append(draw_points(axes, outcome, settings, keys, best, colors, markers))
            _draw_parabola(axes, reverse_u.find(settings, information, metric))
    name_points(figure, panels)
    return figure


def draw_points(axes, outcome, settings, keys, best, colors, markers):
    """One panel of points.

    Args:
        axes: of matplotlib.
        outcome: `outcome.Outcome`, for the words on the axes.
        settings: its `outcome.Setting`s that have both measurements.
        keys: of what is on the horizontal and on the vertical axis.
        best: the setting that has a star.
        colors, markers: of each setting.

    Returns:
        The points, one artist of matplotlib each, for `name_points`.
    """
    information, metric = keys
    x = np.array([s.mean(information) for s in settings])
    y = np.array([s.mean(metric) for s in settings])
    bars = [np.nan_to_num([s.spread(n) for s in settings]) for n in (information, metric)]
    axes.errorbar(x, y, xerr=bars[0], yerr=bars[1], fmt="none", ecolor="0.7", capsize=2, zorder=2)
    texts = [" / ".join(s.labels) for s in settings]
    dots = [
        axes.scatter(a, b, color=color, marker=marker, s=45, zorder=3, label=text)
        for color, marker, a, b, text in zip(colors, markers, x, y, texts, strict=True)
    ]
    label = f"best: {' / '.join(best.labels)}"
    place = best.mean(information), best.mean(metric)
    star = axes.scatter(
        *place, marker="*", s=260, facecolor="none", edgecolor="crimson", zorder=4, label=label
    )
    axes.legend(handles=[star], loc="best", fontsize=9)
    axes.margins(x=0.15, y=0.1)
    axes.grid(alpha=0.3)
    axes.set_xlabel(outcome.axis(information))
    axes.set_ylabel(outcome.axis(metric))
    return dots


def name_points(figure, panels):
    """A label next to each point or, where they do not fit in every panel, a list beside these.

    Args:
        figure: of matplotlib.
        panels: for each panel what `draw_points` returned.
    """
    labels = [_write_labels(dots) for dots in panels]
    if all(labels) or not panels:
        return
    for label in sum(filter(None, labels), []):
        label.remove()
    figure.legend(handles=max(panels, key=len), loc="outside right upper", fontsize=9)


def save(figure, out):
    """Writes out/curve.png and out/curve.svg; returns the bytes of a PNG, and closes the figure."""
    for kind in ("png", "svg"):
        figure.savefig(os.path.join(out, f"curve.{kind}"), dpi=150)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=130)
    plt.close(figure)
    return buffer.getvalue()


def _write_labels(dots):
    """Labels of points, each at the first free place in the panel; None, and no label, if one has
    no place.
    """
    axes = dots[0].axes
    axes.figure.draw_without_rendering()
    panel, places = axes.get_window_extent(), np.concatenate([dot.get_offsets() for dot in dots])
    points = axes.transData.transform(places)
    labels, taken = [], []
    for place, dot in zip(places, dots, strict=True):
        for right, up in _OFFSETS:
            label = axes.annotate(
                dot.get_label(),
                place,
                xytext=(right, up),
                textcoords="offset points",
                ha="left" if right > 0 else "right",
                va="bottom" if up > 0 else "top",
                fontsize=9,
            )
            box = label.get_window_extent()
            is_inside = panel.contains(box.x0, box.y0) and panel.contains(box.x1, box.y1)
            if is_inside and not box.count_contains(points) and not box.count_overlaps(taken):
                break
            label.remove()
        else:
            for label in labels:
                label.remove()
            return None
        labels.append(label)
        taken.append(box)
    return labels


def _draw_parabola(axes, parabola):
    if parabola is None:
        return
    x = np.linspace(parabola.x.min(), parabola.x.max(), 100)
    fitted, low, high = parabola.band(x)
    axes.autoscale(False)  # the band may leave the panel, the points not
    axes.plot(x, fitted, color="0.5", linestyle="--", linewidth=1, zorder=1)
    axes.fill_between(x, low, high, color="0.5", alpha=0.15, linewidth=0, zorder=0)


def _draw_i_nce(axes, outcome, information):
    settings = outcome.settings
    places = np.arange(len(settings))
    errors = np.nan_to_num([s.spread(information) for s in settings])
    axes.errorbar(places, [s.mean(information) for s in settings], errors, fmt="o-", capsize=2)
    axes.set_xticks(places, [" / ".join(s.labels) for s in settings], rotation=30, ha="right")
    axes.set_ylabel(outcome.axis(information))
    axes.grid(alpha=0.3)


def _looks(settings, axes):
    """Colours by the first axis, markers by the second."""
    shades = plt.get_cmap("viridis")(np.linspace(0.0, 0.9, len(axes[0].labels)))
    colors = [shades[axes[0].labels.index(s.labels[0])] for s in settings]
    markers = [
        MARKERS[axes[1].labels.index(s.labels[1]) % len(MARKERS)] if len(axes) > 1 else "o"
        for s in settings
    ]
    return colors, markers
