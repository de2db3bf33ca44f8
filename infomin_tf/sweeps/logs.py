"""What the log of a run says."""

import os
import re


def stage(log):
    """What a run is at, such as "pretrain 40%": the newest line of progress in its log."""
    if not os.path.exists(log):
        return "starts"
    with open(log, "rb") as file:
        file.seek(max(0, os.path.getsize(log) - 2000))
        text = file.read().decode(errors="replace")
    training = r"(?:\w+: )?([^:\n]+): .*step \d+ of \d+ \((\d+%)\)"
    said = rf"^stage \d+/\d+ (?:{training}|(\w+) begins$)"
    lines = re.findall(said, text, re.MULTILINE)
    return " ".join(filter(None, lines[-1])) if lines else "starts"


def last_error(log):
    """What a failed run said last."""
    with open(log, errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    starts = [place for place, line in enumerate(lines) if line.startswith("error:")]
    said = lines[starts[-1] :] if starts else lines[-1:] or ["it said nothing"]
    return " ".join(said).removeprefix("error: ")[:400]
