"""What bin/audit_views does: copies, three rounds of runs, a gin file and a report."""

import os
import typing

from infomin_tf import environment
from infomin_tf.auditing import names, places, recommendation  # noqa: F401
from infomin_tf.auditing.audit import Audit
from infomin_tf.auditing.findings import Findings
from infomin_tf.auditing.rounds import Rounds
from infomin_tf.configuration import gin_files
from infomin_tf.progress import say
from infomin_tf.runs import lease, run_folder
from infomin_tf.runs.files import write_atomically
from infomin_tf.sweeps.command import terminated_like_interrupted
from infomin_tf.sweeps.outcome import text_table

_MOST_JOBS = 4


class Audited(typing.NamedTuple):
    """The result of an audit.

    Args:
        recommended: label of the best setting.
        gin_file: path of a gin file that trains with this setting.
        report: path of the HTML page.
        table: (header, rows) of the last round, with text cells and the best setting first.
        sentences: what to do, what was found on each axis, and how certain it is.
        not_tried: sentences on what the audit leaves open.
        problems: number of runs that failed.
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


def audit(files, gin_params, images, labels, out, jobs, devices, minutes=None):
    """Audits views for a folder of images.

    Args:
        files, gin_params: configuration of an `Audit`.
        images, labels: see `preparation.prepare`.
        out: folder to which everything is written.
        jobs: runs at a time; None for one per CPU core, up to four.
        devices: see `Runner`.
        minutes: that the runs may take together, over all the times that the audit was started;
            None for 20, or 10 with devices.

    Returns:
        `Audited`.
    """
    places.check(images, labels, out)
    configured, text = gin_files.load(Audit, files, gin_params)
    minutes = minutes or (10 if devices else 20)
    say(f"audit: {minutes:g} minutes for all runs; then a report")
    with environment.quiet_standard_error():
        from infomin_tf.auditing import preparation, report
    with terminated_like_interrupted():
        run_folder.make_folder(out)
        with lease.awaited(os.path.join(out, "preparing")):  # another machine may be faster
            facts = preparation.prepare(images, labels, out, configured)
        for sentence in (*configured.without_color(facts), *facts["doubts"]):
            say(sentence)
        jobs = jobs or min(os.cpu_count() or 1, _MOST_JOBS)
        findings = Findings(
            *(configured, facts), *Rounds(configured, facts, out, minutes, jobs, devices).run()
        )
        path = _write_recommendation(findings, out)
        report.write(findings, path, text, out)
    return Audited(
        findings.recommended,
        path,
        os.path.join(out, "report.html"),
        findings.last.table(findings.order),
        [*findings.answer(), *findings.sentences(), *findings.uncertainty()],
        findings.not_tried(),
        sum(bool(row.problem) and not row.is_left_out for row in findings.rows),
    )


def _write_recommendation(findings, out):
    path = os.path.join(out, "recommended.gin")
    facts, label = findings.facts, findings.recommended
    evidence = [*findings.answer(), findings.sentences()[0], *findings.uncertainty()[:2]]
    bindings = findings.bindings()
    files = findings.audit.files(facts, bindings)
    size = recommendation.size_for(*findings.speed())
    text = recommendation.gin_text(path, label, files, bindings, facts, evidence, size)
    write_atomically(path, text)
    return path
