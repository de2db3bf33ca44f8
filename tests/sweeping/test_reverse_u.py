"""The parabola of a sweep: known tops are found, SciPy finds the same fit, and straight lines are not called a reverse U."""

import numpy as np
import pytest
from scipy import optimize

from infomin_tf.sweeping import reverse_u
from infomin_tf.sweeping.outcome import Setting

PLACES = np.linspace(1.0, 5.0, 9)


def settings(accuracy, places=PLACES, noise=0.5, seeds=3):
    draw = np.random.default_rng(0).normal
    found = []
    for number, place in enumerate(places):
        x = place + 0.05 * draw(size=seeds)
        y = accuracy(x) + noise * draw(size=seeds)
        found.append(Setting((str(number),), str(number), {"I_NCE": x, "kNN": y}))
    return found


def hill(x):
    return 60.0 - 4.0 * (x - 3.2) ** 2


def test_the_top_is_found_and_lies_in_its_interval():
    parabola = reverse_u.fit(settings(hill), "I_NCE", "kNN")
    top, low, high = parabola.top
    assert low < 3.2 < high and high - low < 0.6 and top == pytest.approx(3.2, abs=0.15)
    assert parabola.bends_down == 1.0
    assert "bends down in 100% of 2,000 resamples of the settings; its top is at 3.2" in (
        parabola.sentence()
    )
    assert ", inside the measured range 0.99 to 5.09" in parabola.sentence()


def test_the_fit_is_that_of_scipy():
    given = settings(hill)
    x, y = (np.concatenate([s.values[name] for s in given]) for name in ("I_NCE", "kNN"))
    expected, _ = optimize.curve_fit(lambda x, a, b, c: a * x**2 + b * x + c, x, y)
    fitted, low, high = reverse_u.fit(given, "I_NCE", "kNN").band([1.5, 3.0, 4.5])
    np.testing.assert_allclose(fitted, np.polyval(expected, [1.5, 3.0, 4.5]), rtol=1e-5)
    assert np.all(low < fitted) and np.all(fitted < high)


def test_the_interval_holds_the_top_about_as_often_as_it_says():
    """Of 40 sweeps of 12 settings, where 38 are expected: few settings make it narrower."""
    held = 0
    for seed in range(40):
        draw = np.random.default_rng([1, seed]).normal
        given = [
            Setting((str(x),), str(x), {"I_NCE": np.array([x]), "kNN": hill(x) + 2 * draw(size=1)})
            for x in np.linspace(1.0, 5.0, 12)
        ]
        _, low, high = reverse_u.fit(given, "I_NCE", "kNN").top
        held += low < 3.2 < high
    assert 32 <= held <= 40


@pytest.mark.parametrize("accuracy", [lambda x: 3.0 * x, lambda x: hill(x) * 0 + 50.0])
def test_what_does_not_bend_is_no_reverse_u(accuracy):
    said = reverse_u.fit(settings(accuracy, noise=2.0), "I_NCE", "kNN").sentence()
    assert said.endswith("no reverse U is shown.")


def test_a_valley_has_no_top():
    parabola = reverse_u.fit(settings(lambda x: 100 - hill(x)), "I_NCE", "kNN")
    assert parabola.top is None and parabola.bends_down == 0.0


def test_a_top_at_the_edge_is_not_called_inside():
    said = reverse_u.fit(settings(hill, np.linspace(1.0, 3.3, 9)), "I_NCE", "kNN")
    assert "not surely inside" in said.sentence()


def test_few_settings_or_settings_alike_have_no_parabola():
    assert reverse_u.fit(settings(hill)[:4], "I_NCE", "kNN") is None
    alike = [s for s in settings(hill)[:1] for _ in range(6)]
    assert reverse_u.fit(alike, "I_NCE", "kNN") is None
    assert reverse_u.fit(settings(hill), "I_NCE", "linear probe") is None
