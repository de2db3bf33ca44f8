"""What is said on the way: a bar on a terminal, a line a minute in a log, nothing if quiet."""

import io
import re
import types

import pytest

from infomin_tf import progress
from infomin_tf.progress import Place, Progress


class Clock:
    """Stands for the module time; seconds pass when it is told so."""

    now = 1000.0

    def monotonic(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    monkeypatch.setattr(progress, "_quiet", False)
    return clock


@pytest.fixture
def terminal(monkeypatch):
    """Standard error as a terminal of 120 columns."""
    terminal = Terminal()
    monkeypatch.setattr(progress, "sys", types.SimpleNamespace(stderr=terminal))
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda file: (120, 40))
    return terminal


def count_to(total, clock, seconds, progress, *details, start=0):
    for done in range(start + 1, total + 1):
        clock.now += seconds
        progress.update(done, *details)


def test_a_log_has_the_start_the_first_call_a_line_a_minute_and_the_end(clock, capsys):
    with Progress("stage 1/1 x", "step", 10, warms_up=True) as shown:
        count_to(10, clock, 25.0, shown, "loss 1.00", "", "then export")
    said = capsys.readouterr().err
    assert "\r" not in said
    assert said.splitlines() == [
        "stage 1/1 x: begins at step 0 of 10 (0%)",
        "stage 1/1 x: step 1 of 10 (10%), loss 1.00, then export",
        "stage 1/1 x: step 4 of 10 (40%), 02:30 left, loss 1.00, then export",
        "stage 1/1 x: step 7 of 10 (70%), 01:15 left, loss 1.00, then export",
        "stage 1/1 x: step 10 of 10 (100%), loss 1.00, then export",
    ]


def test_a_log_says_from_where_a_training_continues_and_what_came_last(clock, capsys):
    with Progress("x", "step", 9, done=4) as shown:
        shown.update(5, "kNN 50%")
        shown.update(6, "kNN 60%")
    assert capsys.readouterr().err.splitlines() == [
        "x: continues from step 4 of 9 (44%)",
        "x: step 5 of 9 (55%), 00:00 left, kNN 50%",
        "x: step 6 of 9 (66%), 00:00 left, kNN 60%",
    ]


def test_what_is_done_already_is_said_once(clock, capsys):
    with Progress("own", "point", 3, done=3):
        pass
    assert capsys.readouterr().err == "own: point 3 of 3 (100%)\n"


def test_an_error_is_not_followed_by_a_line(clock, capsys):
    with pytest.raises(ZeroDivisionError), Progress("x", "step", 9) as shown:
        shown.update(5)
        shown.update(6)
        raise ZeroDivisionError
    assert capsys.readouterr().err.count("\n") == 2


@pytest.mark.parametrize(("warms_up", "left"), [(True, "00:20"), (False, "01:10")])
def test_the_first_call_counts_for_the_time_left_unless_it_warms_up(warms_up, left, clock):
    shown = Progress("x", "step", 4, warms_up=warms_up)
    assert shown.left() == "?"
    clock.now += 60.0
    shown.update(1)
    assert shown.left() == ("?" if warms_up else "03:00")
    clock.now += 10.0
    shown.update(2)
    assert shown.left() == left
    shown.update(4)
    assert shown.left() == "00:00"


def test_a_terminal_has_one_bar_that_fits_and_no_lines(clock, terminal):
    details = "loss 4.10", "I_NCE 1.23", "kNN 71.2%", "data wait 3%", "then evaluate, export"
    with Progress("stage 2/4 pretrain", "step", 300, warms_up=True) as shown:
        count_to(300, clock, 1.0, shown, *details)
    assert terminal.getvalue().count("\n") == 1
    states = terminal.getvalue().strip("\r\n").split("\r")
    assert max(len(state.rstrip()) for state in states) <= 120
    [state] = {state for state in states if " 120/300 " in state}
    assert re.fullmatch(r"stage 2/4 pretrain  40%\|.+\| 120/300 \[\S+<03:00, (.*)\] *", state)
    assert state.rstrip().endswith(", ".join(details) + "]")


def test_a_bar_says_why_nothing_moves_before_the_first_call(clock, terminal):
    with Progress("x", "step", 3, warms_up=True):
        assert terminal.getvalue().rstrip().endswith("| 0/3 [00:00<?, compiles]")


def test_the_time_left_falls_while_the_count_stands(clock):
    shown = Progress("own", "point", 3)
    clock.now += 60.0
    shown.update(1)
    lefts = []
    for _ in range(4):
        clock.now += 50.0
        shown.update(1, "second: pretrain 40%")
        lefts.append(shown.left())
    assert lefts == ["01:10", "00:20", "00:00", "00:00"]
    shown.update(2)
    assert shown.left() == "02:10"


def test_a_line_stands_above_the_bar(clock, terminal):
    with Progress("x", "step", 3) as shown:
        shown.update(1)
        progress.say("x is finished")
        shown.update(3)
    assert "x is finished\n" in terminal.getvalue()
    assert terminal.getvalue().rstrip().rpartition("\r")[2].startswith("x 100%|")


@pytest.mark.parametrize("place", ["log", "terminal"])
def test_quiet_is_quiet(place, clock, request, capsys):
    said = request.getfixturevalue("terminal").getvalue if place == "terminal" else None
    with progress.quieted():
        with progress.quieted(False), Progress("x", "step", 3) as shown:
            count_to(3, clock, 60.0, shown, "loss 1.00")
        progress.say("x is finished")
    assert (said or (lambda: capsys.readouterr().err))() == ""
    progress.say("x is finished")
    assert (said or (lambda: capsys.readouterr().err))() == "x is finished\n"


def test_another_worker_says_nothing(clock, terminal):
    with Progress("x", "step", 3, shown=False) as shown:
        count_to(3, clock, 60.0, shown)
    assert terminal.getvalue() == ""


def test_a_place_says_which_stage_it_is_and_what_comes_then():
    place = Place(2, 4, "pretrain", ("evaluate", "export"))
    assert str(place) == place.title("pretrain") == "stage 2/4 pretrain"
    assert place.rest("pretrain") == "then evaluate, export"
    last = Place(3, 4, "evaluate", ("export",))
    assert last.title("evaluate: segmentation") == "stage 3/4 evaluate: segmentation"
    assert last.rest("evaluate: segmentation") == "then the rest of evaluate, export"
    assert Place(1, 1, "pretrain").rest("pretrain") == ""


def test_the_time_left_of_the_run_takes_all_steps_to_cost_the_same():
    place = Place(1, 4, "learn_views", ("pretrain (300 steps)", "evaluate"), 300)
    assert place.run_left(150, 5.0) == "run about 01:30"
    assert Place(2, 4, "pretrain", ("evaluate",)).run_left(150, 5.0) == "run about 00:30"
    assert Place(2, 4, "pretrain", ("evaluate",)).run_left(0, 5.0) == ""
    assert place.run_left(150, None) == "" == Place(4, 4, "export").run_left(150, 5.0)
