"""shapes: the embedded data set, rendered from independent factors whose entropies are known.

Rendering uses integers and IEEE-exact arithmetic only, so that a seed gives the same images on every machine.
"""

import math

import numpy as np

from infomin_tf.data.sources import ArrayImages
from infomin_tf.errors import UserError

SIZE = 64
FACTORS = {"shape": 8, "color": 8, "texture": 8, "position": 16, "size": 4, "rotation": 8}
SHAPE_NAMES = ("disc", "square", "triangle", "plus", "ring", "half_disc", "bar", "corner")
_SPLITS = {"train": (1, 2000), "test": (2, 1000), "unlabelled": (3, 8000)}
_COLORS = np.array(
    [(220, 50, 40), (240, 150, 30), (235, 220, 60), (70, 190, 70), (60, 200, 210), (50, 90, 220), (150, 70, 200), (240, 120, 190)],
    np.float64,
)
_GROUNDS = np.array(
    [(60, 60, 70), (90, 70, 50), (50, 80, 60), (60, 70, 100), (100, 60, 70), (80, 80, 80), (50, 90, 90), (95, 90, 55)],
    np.float64,
)
# cos and sin of multiples of 45 degrees, written out so that no mathematics library is asked.
_DIAGONAL = 0.7071067811865476
_COS = np.array([1, _DIAGONAL, 0, -_DIAGONAL, -1, -_DIAGONAL, 0, _DIAGONAL])
_SIN = np.array([0, _DIAGONAL, 1, _DIAGONAL, 0, -_DIAGONAL, -1, -_DIAGONAL])
_HALF_SIZES = np.array([8.0, 10.0, 12.0, 14.0])


def entropy(*names):
    """Entropy in nats of the named factors together: they are independent and uniform."""
    return math.fsum(math.log(FACTORS[name]) for name in names)


class Shapes:
    """The embedded source: 64x64 colour images of one shape on a textured ground.

    Args:
        split: "train" (2,000 images), "test" (1,000) or "unlabelled" (8,000, without labels); disjoint random streams.
        size: number of images; None for the split's own.
        label: the factor that is the label.
        seed: of the whole data set.
    """

    def __init__(self, split="train", size=None, label="shape", seed=0):
        if split not in _SPLITS:
            raise UserError(f"Shapes.split={split!r} is none of {', '.join(_SPLITS)}")
        if label not in FACTORS:
            raise UserError(f"Shapes.label={label!r} is none of {', '.join(FACTORS)}")
        self._split, self._size, self._label, self._seed = split, size, label, seed

    def load(self, data_dir=None):
        """Renders the images; returns `ArrayImages` whose `factors` hold every factor."""
        del data_dir
        stream, size = _SPLITS[self._split]
        size = self._size or size
        generator = np.random.Generator(np.random.Philox(key=[self._seed, stream]))
        factors = draw_factors(generator, size)
        images = render(factors, generator)
        labelled = self._split != "unlabelled"
        names = [str(value) for value in range(FACTORS[self._label])]
        if self._label == "shape":
            names = SHAPE_NAMES
        labels = factors[self._label] if labelled else np.full(size, -1)
        return ArrayImages(f"shapes:{self._split}", images, labels, names if labelled else (), factors)


def pair_batch(seed, batch_size, shared):
    """Two images for each row that share exactly the named factors; everything else is drawn anew.

    Their mutual information is `entropy(*shared)`: given those factors the two images are independent.

    Args:
        seed: integer.
        batch_size: B.
        shared: names of factors.

    Returns:
        (images uint8 [B, 64, 64, 3], images uint8 [B, 64, 64, 3], the shared factors int [B, len(shared)]).
    """
    generator = np.random.Generator(np.random.Philox(key=[seed, 4]))
    first, second = draw_factors(generator, batch_size), draw_factors(generator, batch_size)
    second |= {name: first[name] for name in shared}
    kept = np.stack([first[name] for name in shared], axis=1)
    return render(first, generator), render(second, generator), kept


def draw_factors(generator, count):
    """Independent uniform factors: dict name -> int32 [count]."""
    return {n: generator.integers(0, k, count, dtype=np.int32) for n, k in FACTORS.items()}


def render(factors, generator, chunk=500):
    """Images of given factors; brightness of the ground and pixel noise are drawn as nuisance.

    Args:
        factors: dict of int [M] for every name in FACTORS.
        generator: numpy Generator of the nuisance.
        chunk: images rendered at a time.

    Returns:
        uint8 [M, 64, 64, 3].
    """
    count = len(factors["shape"])
    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for start in range(0, count, chunk):
        part = {name: values[start : start + chunk] for name, values in factors.items()}
        images[start : start + chunk] = _render_chunk(part, generator)
    return images


def _render_chunk(factors, generator):
    count = len(factors["shape"])
    brightness = generator.integers(-12, 13, (count, 1, 1, 1))
    noise = generator.integers(-8, 9, (count, SIZE, SIZE, 1), dtype=np.int16)
    ground = _ground(factors["texture"])
    coverage = _coverage(factors)[..., None]
    color = _COLORS[factors["color"]][:, None, None, :]
    images = np.floor(ground * (1.0 - coverage) + color * coverage + 0.5)
    return np.clip(images + brightness + noise, 0, 255).astype(np.uint8)


def _ground(texture):
    """Background [M, 64, 64, 3]: a muted hue with stripes, checks, dots or nothing, in whole numbers."""
    y, x = np.mgrid[:SIZE, :SIZE]
    patterns = np.stack(
        [
            np.zeros_like(x),
            (x // 8) % 2,
            (y // 8) % 2,
            ((x + y) // 8) % 2,
            ((x - y + SIZE) // 8) % 2,
            (x // 8 + y // 8) % 2,
            ((x % 16 - 8) ** 2 + (y % 16 - 8) ** 2 < 16).astype(int),
            (x // 4) % 2,
        ]
    )
    return _GROUNDS[texture][:, None, None, :] + 45.0 * patterns[texture][..., None]


def _coverage(factors):
    """Share of each pixel [M, 64, 64] that the shape covers, from 2x2 samples."""
    half = _HALF_SIZES[factors["size"]][:, None, None]
    column, row = factors["position"] % 4, factors["position"] // 4
    cos, sin = (t[factors["rotation"]][:, None, None] for t in (_COS, _SIN))
    total = 0.0
    for offset_y in (0.25, 0.75):
        for offset_x in (0.25, 0.75):
            x = np.arange(SIZE)[None, None, :] + offset_x - (17.0 + 10.0 * column)[:, None, None]
            y = np.arange(SIZE)[None, :, None] + offset_y - (17.0 + 10.0 * row)[:, None, None]
            u, v = (cos * x + sin * y) / half, (cos * y - sin * x) / half
            total = total + _inside(factors["shape"], u, v)
    return total / 4.0


def _inside(shape, u, v):
    """Whether (u, v), in units of the half size, lies inside the shape."""
    radius, au, av = u * u + v * v, np.abs(u), np.abs(v)
    tests = (
        lambda s: radius[s] <= 1.0,
        lambda s: np.maximum(au[s], av[s]) <= 0.85,
        lambda s: (v[s] <= 0.7) & (v[s] >= 2.0 * au[s] - 1.0),
        lambda s: (np.minimum(au[s], av[s]) <= 0.3) & (np.maximum(au[s], av[s]) <= 1.0),
        lambda s: (radius[s] <= 1.0) & (radius[s] >= 0.36),
        lambda s: (radius[s] <= 1.0) & (v[s] >= 0.0),
        lambda s: (av[s] <= 0.35) & (au[s] <= 1.0),
        lambda s: (np.maximum(au[s], av[s]) <= 0.9) & (np.minimum(u[s], v[s]) <= -0.3),
    )
    inside = np.zeros(u.shape)
    for value, test in enumerate(tests):
        chosen = shape == value
        inside[chosen] = test(chosen)
    return inside
