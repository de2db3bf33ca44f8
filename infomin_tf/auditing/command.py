"""What bin/audit_views does: copies, two rounds of runs, a ranking, a gin file and a report."""

import os
import typing

from infomin_tf import environment
from infomin_tf.auditing import names, places, recommendation  # noqa: F401
from infomin_tf.auditing.audit import Audit
from infomin_tf.auditing.findings import Findings, without_color
from infomin_tf.configuration import gin_files
from infomin_tf.progress import say
from infomin_tf.runs import run_folder
from infomin_tf.runs.files import write_atomically
from infomin_tf.sweeps.command import terminated_like_interrupted
from infomin_tf.sweeps.outcome import Outcome, text_table
from infomin_tf.sweeps.runner import Runner


class Audited(typing.NamedTuple):
    """The result of an audit.

    Args:
        recommended: label of the best setting.
        gin_file: path of a gin file that trains with this setting.
        report: path of the HTML page.
        table: (header, rows) of the second round, with text cells and the best setting first.
        sentences: what is recommended, what was found on each axis, and how certain it is.
        not_tried: sentences on what the audit leaves open.
        problems: number of runs without results.
    """

    recommended: str
    gin_file: str
    report: str
    table: tuple
    sentences: list
    not_tried: list
    problems: int


def run(*arguments):
    """What `audit` does, printed; returns the exit status, 1 when runs have no results."""
    found = audit(*arguments)
    print(text_table(*found.table))
    print("\n" + "\n".join(found.sentences))
    print("Not tried:\n  " + "\n  ".join(found.not_tried))
    print(f"\nReport: {found.report}\nRecommended: {found.gin_file}")
    return int(found.problems > 0)


def audit(files, gin_params, images, labels, out, jobs, devices):
    """Audits views for a folder of images.

    Args:
        files, gin_params: configuration of an `Audit`.
        images, labels: see `preparation.prepare`.
        out: folder to which everything is written.
        jobs, devices: see `Runner`.

    Returns:
        `Audited`.
    """
    places.check(images, labels, out)
    configured, text = gin_files.load(Audit, files, gin_params)
    with environment.quiet_standard_error():
        from infomin_tf.auditing import preparation, report
    with terminated_like_interrupted():
        run_folder.make_folder(out)
        facts = preparation.prepare(images, labels, out, configured)
        for sentence in without_color(configured, facts):
            say(sentence)
        first = _run_round(configured.first_round(out, facts), out, "first_round", jobs, devices)
        sweep = configured.second_round(out, facts, first)
        second = _run_round(sweep, out, "second_round", jobs, devices)
        findings = Findings(configured, facts, first, second)
        path = _write_recommendation(findings, out)
        shown = [setting.labels for setting in first.settings]
        more = [setting.labels for setting in second.settings if setting.labels not in shown]
        pictures = first.runner.pictures(shown) | second.runner.pictures(more)
        report.write(findings, pictures, path, text, out)
    return Audited(
        findings.recommended,
        path,
        os.path.join(out, "report.html"),
        second.table(findings.order),
        [*findings.sentences(), *findings.uncertainty()],
        findings.not_tried(),
        sum(bool(row.problem) for row in (*first.rows, *second.rows)),
    )


def _run_round(sweep, out, name, jobs, devices):
    """Runs what is missing; returns the `Outcome`, which it writes."""
    say(sweep.title)
    runner = Runner(sweep, os.path.join(out, name), None, jobs, devices)
    outcome = Outcome(runner, runner.run())
    outcome.write(runner.out)
    return outcome


def _write_recommendation(findings, out):
    path = os.path.join(out, "recommended.gin")
    label, axis, facts = findings.recommended, findings.second.sweep.axes[0], findings.facts
    _, bindings = axis.arguments(axis.labels.index(label))
    steps = f"Audited with {findings.audit.steps} steps per run."
    evidence = [findings.sentences()[0], *findings.uncertainty()[:2], steps]
    files = findings.audit.files(facts)
    text = recommendation.gin_text(path, label, files, bindings, facts["arguments"], evidence)
    write_atomically(path, text)
    return path
