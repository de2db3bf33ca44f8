"""The reverse U of a sweep: known tops are found, as a loop over NumPy's fits finds them.

Neither lines nor curves that flatten are called one.
"""

import numpy as np
import pytest
from scipy import optimize, stats

from infomin_tf.sweeps import reverse_u
from infomin_tf.sweeps.outcome import Setting

PLACES = np.linspace(1.0, 5.0, 9)


def settings(accuracy, places=PLACES, noise=0.5, seeds=3, stream=0):
    draw = np.random.default_rng(stream).normal
    found = []
    for number, place in enumerate(places):
        x = place + 0.05 * draw(size=seeds)
        y = accuracy(x) + noise * draw(size=seeds)
        found.append(Setting((str(number),), {"I_NCE": x, "kNN": y}))
    return found


def hill(x):
    return 60.0 - 4.0 * (x - 3.2) ** 2


def flattening(x):
    return 60.0 - 40.0 * np.exp(-x)


def find(given):
    return reverse_u.find(given, "I_NCE", "kNN")


def test_the_top_is_found_and_lies_in_its_interval():
    found = find(settings(hill))
    top, low, high = found.top
    assert low < 3.2 < high and high - low < 0.6 and top == pytest.approx(3.2, abs=0.15)
    assert found.is_shown and found.bends_down == 1.0
    assert found.sentence("I_NCE", "kNN") == (
        "A reverse U of kNN over I_NCE is shown: a parabola bends down in 100.0 % of 2,000 "
        f"resamples of the settings, its top is at {top:.2f} nats (95 %: {low:.2f} to {high:.2f}); "
        f"a line that rises before it has p {found.rises:.2g}, one that falls after it p "
        f"{found.falls:.2g} (one-sided t tests over means of settings)."
    )


def test_the_lines_are_those_of_the_textbook():
    given = settings(hill, noise=4.0)
    found = find(given)
    x, y = np.array([[s.values[name].mean() for name in ("I_NCE", "kNN")] for s in given]).T
    for chosen, sign, p in (
        (x <= found.top[0], 1, found.rises),
        (x > found.top[0], -1, found.falls),
    ):
        a, b, n = x[chosen] - x[chosen].mean(), y[chosen] - y[chosen].mean(), np.sum(chosen)
        slope = a @ b / (a @ a)
        error = np.sqrt(np.sum((b - slope * a) ** 2) / (n - 2) / (a @ a))
        assert p == pytest.approx(stats.t.sf(sign * slope / error, n - 2), rel=1e-6)


def test_the_fit_is_that_of_scipy():
    given = settings(hill)
    x, y = (np.concatenate([s.values[name] for s in given]) for name in ("I_NCE", "kNN"))
    expected, _ = optimize.curve_fit(lambda x, a, b, c: a * x**2 + b * x + c, x, y)
    fitted, _, _ = find(given).band([1.5, 3.0, 4.5])
    np.testing.assert_allclose(fitted, np.polyval(expected, [1.5, 3.0, 4.5]), rtol=1e-5)


def test_the_intervals_are_those_of_a_loop_over_numpys_fits():
    given = settings(hill, noise=4.0)
    draw, tops, lines = np.random.default_rng(7), [], []
    for _ in range(4000):
        drawn = [given[place] for place in draw.integers(len(given), size=len(given))]
        x, y = (np.concatenate([s.values[name] for s in drawn]) for name in ("I_NCE", "kNN"))
        a, b, c = np.polyfit(x, y, 2)
        tops.append(-b / (2 * a))
        lines.append(np.polyval((a, b, c), [1.5, 4.5]))
    found = find(given)
    np.testing.assert_allclose(found.top[1:], np.quantile(tops, (0.025, 0.975)), atol=0.05)
    _, low, high = found.band([1.5, 4.5])
    np.testing.assert_allclose([low, high], np.quantile(lines, (0.025, 0.975), axis=0), atol=0.5)


def test_the_interval_holds_the_top_about_as_often_as_it_says():
    """Of 40 sweeps of 12 settings, where 38 are expected: few settings make it narrower."""
    held = [low < 3.2 < high for _, low, high in (find(noisy(seed)).top for seed in range(40))]
    assert sum(held) >= 32


def noisy(seed):
    return settings(hill, np.linspace(1.0, 5.0, 12), noise=2.0, seeds=1, stream=[1, seed])


@pytest.mark.parametrize("accuracy", [lambda x: 3.0 * x, lambda x: 0 * x + 50.0, flattening])
@pytest.mark.parametrize("stream", range(5))
def test_what_does_not_rise_and_fall_is_no_reverse_u(accuracy, stream):
    found = find(settings(accuracy, noise=1.0, stream=[2, stream]))
    assert not found.is_shown and found.sentence("I_NCE", "kNN").startswith(
        "No reverse U of kNN over I_NCE is"
    )


def test_a_valley_has_no_top():
    found = find(settings(lambda x: 100 - hill(x)))
    assert found.top is None and found.bends_down == 0.0 and not found.is_shown
    assert found.sentence("I_NCE", "kNN").endswith(
        "bends down in 0.0 % of 2,000 resamples of the settings."
    )


def test_a_top_at_the_edge_is_not_shown():
    assert not find(settings(hill, np.linspace(1.0, 3.2, 9))).is_shown


def test_few_settings_or_settings_alike_have_none():
    assert find(settings(hill)[:4]) is None
    assert find([s for s in settings(hill)[:1] for _ in range(6)]) is None
    assert reverse_u.find(settings(hill), "I_NCE", "linear probe") is None


def test_runs_without_a_number_are_left_out():
    given, whole = settings(hill), settings(hill)
    given[0].values["kNN"][1] = np.nan
    given[1].values["I_NCE"] = given[1].values["I_NCE"][1:]
    assert len(find(given).x) == len(find(whole).x) - 1 - 3
