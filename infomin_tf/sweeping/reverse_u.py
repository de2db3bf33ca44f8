"""The reverse U of section 3: accuracy over I_NCE as a parabola, with what is uncertain about it."""

import numpy as np

LEAST = 5
_RESAMPLES = 2000


class Parabola:
    """Least squares over all runs; what is uncertain, from settings drawn again with replacement (a cluster bootstrap).

    Seeds of one setting are not independent draws of its I_NCE, so settings are drawn whole. Few settings make narrow
    intervals: take them as the least uncertainty.

    Args:
        settings: `outcome.Setting`s with both numbers; `LEAST` or more.
        information, metric: names of the numbers on the two axes.
    """

    def __init__(self, settings, information, metric):
        runs = [_runs(setting, information, metric) for setting in settings]
        self.x = np.concatenate([x for x, _ in runs])
        self._center, self._scale = self.x.mean(), self.x.std()
        self._names = information, metric
        powers = [np.vander((x - self._center) / self._scale, 3) for x, _ in runs]
        squares = np.stack([p.T @ p for p in powers])
        products = np.stack([p.T @ y for p, (_, y) in zip(powers, runs, strict=True)])
        self._fit = np.linalg.solve(squares.sum(0), products.sum(0))
        often = np.random.default_rng(0).multinomial(
            len(runs), [1 / len(runs)] * len(runs), _RESAMPLES
        )
        often = often[np.count_nonzero(often, axis=1) >= 3]  # fewer do not determine a parabola
        inverses = np.linalg.pinv(np.tensordot(often, squares, 1), hermitian=True)
        self._resamples = np.einsum("rij,rj->ri", inverses, often @ products)

    @property
    def bends_down(self):
        """Share of the resampled parabolas that are open below."""
        return float(np.mean(self._resamples[:, 0] < 0))

    @property
    def top(self):
        """(I_NCE of the highest point, lower, upper end of its 95 % interval); None unless the parabola bends down.

        The interval is that of the resampled parabolas that bend down.
        """
        if self._fit[0] >= 0:
            return None
        down = self._resamples[self._resamples[:, 0] < 0]
        places = -down[:, 1] / (2 * down[:, 0])
        ends = np.quantile(places, (0.025, 0.975))
        top = -self._fit[1] / (2 * self._fit[0])
        return tuple(float(v) for v in self._center + self._scale * np.array([top, *ends]))

    def band(self, x):
        """(fit, lower, upper end of the 95 % interval) at numbers x, three arrays."""
        standardised = (np.asarray(x) - self._center) / self._scale
        all_of_them = self._resamples @ np.vander(np.atleast_1d(standardised), 3).T
        return np.polyval(self._fit, standardised), *np.quantile(
            all_of_them, (0.025, 0.975), axis=0
        )

    def sentence(self):
        """What may be said of a reverse U."""
        information, metric = self._names
        bends = f"bends down in {self.bends_down:.0%} of {_RESAMPLES:,} resamples of the settings"
        if self.top is None or self.bends_down < 0.95:
            return f"A parabola of {metric} over {information} {bends}: no reverse U is shown."
        top, low, high = self.top
        inside = self.x.min() < low and high < self.x.max()
        where = "inside" if inside else "not surely inside"
        return (
            f"A parabola of {metric} over {information} {bends}; its top is at {top:.2f} nats (95 % of them: {low:.2f} to "
            f"{high:.2f}), {where} the measured range {self.x.min():.2f} to {self.x.max():.2f}."
        )


def fit(settings, information, metric):
    """The `Parabola` of the settings that have both numbers; None for fewer than `LEAST` of them, or where I_NCE hardly varies."""
    both = [s for s in settings if {information, metric} <= s.values.keys()]
    if len(both) < LEAST or len({round(s.mean(information), 3) for s in both}) < LEAST:
        return None
    return Parabola(both, information, metric)


def _runs(setting, information, metric):
    """I_NCE and accuracy of the seeds that have both."""
    x, y = setting.values[information], setting.values[metric]
    size = min(len(x), len(y))
    return x[:size], y[:size]
