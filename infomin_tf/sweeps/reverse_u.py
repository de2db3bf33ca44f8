"""The reverse U of section 3: whether accuracy rises, then falls over I_NCE, and how sure it is."""

import numpy as np

LEAST = 5
_RESAMPLES = 2000
_SURE = 0.95


class ReverseU:
    """A parabola through all runs, and a straight line on each side of its top.

    A curve that rises and flattens bends as well, so a parabola alone would find a top where there
    is none. Therefore the lines must rise and fall, too (the two-lines test,
    https://doi.org/10.1177/2515245918805755). What is uncertain of the parabola comes from settings
    drawn again with replacement (a cluster bootstrap): seeds of one setting are not independent
    draws of its I_NCE. With few settings, the true uncertainty is at least that of the intervals.

    Args:
        runs: (I_NCE, accuracy) of each setting, arrays over its seeds; `LEAST` settings or more.

    Attributes:
        rises, falls: p of the lines, one-sided.
    """

    def __init__(self, runs):
        self.x, y = map(np.concatenate, zip(*runs, strict=True))
        self._center, self._scale, self._level = self.x.mean(), self.x.std(), y.mean()
        runs = [((x - self._center) / self._scale, y - self._level) for x, y in runs]
        count = len(runs)
        often = np.random.default_rng(0).multinomial(count, [1 / count] * count, _RESAMPLES)
        often = often[np.count_nonzero(often, axis=1) >= 3]  # fewer do not determine a parabola
        self._fit = _fits(runs, np.ones((1, count)))[0]
        self._resamples = _fits(runs, often)
        self.rises, self.falls = self._sides(runs) if self.top else (1.0, 1.0)

    @property
    def bends_down(self):
        """Share of the resampled parabolas that are open below."""
        return float(np.mean(self._resamples[:, 0] < 0))

    @property
    def top(self):
        """(I_NCE of the highest point, lower, upper end of its 95 % interval).

        None unless the parabola bends down. The interval is of the resamples that bend down.
        """
        if self._fit[0] >= 0:
            return None
        down = self._resamples[self._resamples[:, 0] < 0]
        ends = np.quantile(_top(down.T), (0.025, 0.975)) if len(down) else (-np.inf, np.inf)
        places = np.array([_top(self._fit), *ends])
        return tuple(float(place) for place in self._center + self._scale * places)

    @property
    def is_shown(self):
        """Whether 95 % of resamples bend down, and the lines rise and fall, each with p <= 0.05."""
        return self.bends_down >= _SURE and max(self.rises, self.falls) <= 1.0 - _SURE

    def band(self, x):
        """(fit, lower, upper end of the 95 % interval) at numbers x, three arrays."""
        powers = np.vander((np.atleast_1d(x) - self._center) / self._scale, 3)
        ends = np.quantile(self._resamples @ powers.T, (0.025, 0.975), axis=0)
        return tuple(self._level + values for values in (powers @ self._fit, *ends))

    def sentence(self, information, metric):
        """What may be said about the two, in words."""
        share = np.floor(1000 * self.bends_down) / 10
        said = (
            f"a parabola bends down in {share:.1f} % of {len(self._resamples):,} resamples of the "
            "settings"
        )
        if self.top:
            top, low, high = self.top
            said += (
                f", its top is at {top:.2f} nats (95 %: {low:.2f} to {high:.2f}); a line that "
                f"rises before it has p {self.rises:.2g}, one that falls after it p "
                f"{self.falls:.2g} (one-sided t tests over means of settings)"
            )
        verdict = "A reverse U" if self.is_shown else "No reverse U"
        return f"{verdict} of {metric} over {information} is shown: {said}."

    def _sides(self, runs):
        """p of the lines through means of settings before and after the top; 1 for under three."""
        from scipy import stats  # takes seconds

        x, y = np.array([(x.mean(), y.mean()) for x, y in runs]).T
        is_before = x <= _top(self._fit)
        found = [1.0, 1.0]
        for side, (chosen, sign) in enumerate(((is_before, "greater"), (~is_before, "less"))):
            if np.sum(chosen) >= 3:
                line = stats.linregress(x[chosen], y[chosen], alternative=sign)
                found[side] = float(line.pvalue)
        return found


def find(settings, information, metric):
    """The `ReverseU` of the settings that have both measurements.

    Args:
        settings: `outcome.Setting`s.
        information, metric: keys of what is on the two axes.

    Returns:
        None for fewer than `LEAST` settings, or where I_NCE hardly varies.
    """
    runs = []
    for values in (setting.values for setting in settings):
        x, y = values.get(information, ()), values.get(metric, ())
        if len(x) == len(y):  # else which seed lacks one of them is not known
            is_known = np.isfinite(x) & np.isfinite(y)
            runs += [(x[is_known], y[is_known])] if np.any(is_known) else []
    if len({round(float(np.mean(x)), 3) for x, _ in runs}) < LEAST:
        return None
    return ReverseU(runs)


def _fits(runs, often):
    """Least-squares parabolas [R, 3] of the runs, each setting `often` [R, settings] times."""
    powers = [np.vander(x, 3) for x, _ in runs]
    squares = np.tensordot(often, np.stack([p.T @ p for p in powers]), 1)
    products = often @ np.stack([p.T @ y for p, (_, y) in zip(powers, runs, strict=True)])
    return np.einsum("rij,rj->ri", np.linalg.pinv(squares, hermitian=True), products)


def _top(coefficients):
    return -coefficients[1] / (2 * coefficients[0])
