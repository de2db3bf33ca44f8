"""What a command says on its way: a bar on a terminal, a line a minute elsewhere, or nothing."""

import contextlib
import sys
import time
import typing

from tqdm import tqdm

_REFRESH_SECONDS, _LINE_SECONDS = 0.5, 60.0
_BAR = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{left}{postfix}]"

_quiet = False


@contextlib.contextmanager
def quieted(quiet=True):
    """A context in which, if quiet, nothing is said but warnings, errors and results."""
    global _quiet
    before, _quiet = _quiet, _quiet or quiet
    try:
        yield
    finally:
        _quiet = before


def say(text):
    """Writes a line to standard error, above a bar that is there; nothing where all is quiet."""
    if not _quiet:
        tqdm.write(text, file=sys.stderr)


class Place(typing.NamedTuple):
    """Where a run is.

    Args:
        number, count: stage `number` of `count`.
        stage: its name.
        later: the stages after it, in words.
        later_steps: of all trainings among these.
    """

    number: int
    count: int
    stage: str
    later: tuple[str, ...] = ()
    later_steps: int = 0

    def __str__(self):
        return f"stage {self.number}/{self.count} {self.stage}"

    def title(self, task):
        """Title of a training, the stage's own or one of several in it ("evaluate: ...")."""
        return str(self) + task.removeprefix(self.stage)

    def rest(self, task):
        """What the run does after this training, such as "then evaluate, export".

        Steps, not minutes: how fast a stage is can be measured only once it has begun.
        """
        unfinished = () if task == self.stage else (f"the rest of {self.stage}",)
        names = ", ".join(unfinished + self.later)
        return names and f"then {names}"

    def run_left(self, missing, steps_per_second):
        """About how long the run takes yet, such as "run about 12:30"; "" in its last stage.

        As if a step of a later training took as long as one of this, although some cost several
        times as much as others; without evaluation and export.

        Args:
            missing: steps of this training.
            steps_per_second: of it, or None.
        """
        if not steps_per_second or not self.later or not missing + self.later_steps:
            return ""
        seconds = (missing + self.later_steps) / steps_per_second
        return f"run about {tqdm.format_interval(seconds)}"


class Progress:
    """How far a count has come: a bar on a terminal; elsewhere lines in a log.

    The lines: where it begins, where it is after the first `update`, then at most one per minute,
    and the end.

    Args:
        title: of what is done, such as "stage 1/4 learn_views".
        unit: of the count, "step".
        total, done: of them.
        warms_up: whether the time up to the first `update` says nothing about the rest.
        shown: whether anything is.
    """

    def __init__(self, title, unit, total, done=0, *, warms_up=False, shown=True):
        self._title, self._unit, self._total, self._done = title, unit, total, done
        self._is_shown = shown and not _quiet
        self._details, self._said = "", None
        self._measured = None if warms_up else (done, time.monotonic())
        self._due, self._moved = 0.0, time.monotonic()
        self._bar = None
        if self._is_shown and sys.stderr.isatty():
            looks = {"bar_format": _BAR, "dynamic_ncols": True, "file": sys.stderr}
            self._bar = _Bar(total=total, initial=done, desc=title, **looks)

    def __enter__(self):
        if self._bar and not self._measured:
            self._bar.show(self._done, "?", "compiles")
        if self._is_shown and not self._bar:
            begins = "continues from " if self._done else "begins at "
            begins = begins if self._done < self._total else ""
            say(f"{self._title}: {begins}{self._unit} {self._count()}")
            self._said = self._done, ""
        return self

    def __exit__(self, kind, *exception):
        if self._bar:
            self._bar.close()
        elif kind is None:
            self._say_line()

    def update(self, done, *details):
        """Notes how many are done, and what else is to be said, of which empty texts are none."""
        self._details = ", ".join(filter(None, details))
        now = time.monotonic()
        self._moved = self._moved if done == self._done else now
        self._done = done
        self._measured = self._measured or (done, now)
        if now < self._due and done < self._total:
            return
        self._due = now + (_REFRESH_SECONDS if self._bar else _LINE_SECONDS)
        if self._bar:
            self._bar.show(done, self.left(), self._details)
        else:
            self._say_line()

    def left(self):
        """Time to the end, such as "01:30"; "?" before there is a rate.

        At the mean rate when the count last rose, less the time since then.
        """
        start, since = self._measured or (self._done, 0.0)
        missing, done = self._total - self._done, self._done - start
        if not missing or not done:
            return "?" if missing else tqdm.format_interval(0)
        seconds = missing * (self._moved - since) / done - (time.monotonic() - self._moved)
        return tqdm.format_interval(max(seconds, 0))

    def _count(self):
        percent = 100 * self._done // max(self._total, 1)
        return f"{self._done} of {self._total} ({percent}%)"

    def _say_line(self):
        """Says where it is, unless that was said last."""
        if self._is_shown and self._said != (self._done, self._details):
            self._said = self._done, self._details
            left = f"{self.left()} left" if self._done < self._total else ""
            parts = [f"{self._unit} {self._count()}", left.removeprefix("? left"), self._details]
            say(f"{self._title}: {', '.join(filter(None, parts))}")


class _Bar(tqdm):
    """tqdm's, with the time left that `Progress` measures."""

    left = "?"

    @property
    def format_dict(self):
        """What the format of the bar can show."""
        return super().format_dict | {"left": self.left}

    def show(self, done, left, details):
        """Draws the bar anew."""
        self.n, self.left = done, left
        self.set_postfix_str(details, refresh=True)
