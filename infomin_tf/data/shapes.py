"""shapes: the embedded data set, rendered from independent factors whose entropies are known.

Rendering uses integers and IEEE-exact arithmetic only, so that a seed gives the same images on
every machine.
"""

import functools
import itertools
import math

import numpy as np

from infomin_tf.data.images import ArrayImages
from infomin_tf.errors import UserError
from infomin_tf.settings import COUNT, SEED, WHOLE_GREY_LEVEL, check

SIZE = 64
FACTORS = {"shape": 8, "color": 8, "texture": 8, "position": 16, "size": 4, "rotation": 8}
SHAPE_NAMES = ("disc", "square", "triangle", "plus", "ring", "half_disc", "bar", "corner")
_SPLITS = {"train": (1, 2000), "test": (2, 1000), "unlabelled": (3, 8000)}


def _palette(codes):
    """int16 [N, 3] of colours in hexadecimal digits, RRGGBB."""
    return np.frombuffer(bytes.fromhex(codes), np.uint8).reshape(-1, 3).astype(np.int16)


_COLORS = _palette("dc3228 f0961e ebdc3c 46be46 3cc8d2 325adc 9646c8 f078be")
_GROUND_COLORS = _palette("3c3c46 5a4632 32503c 3c4664 643c46 505050 325a5a 5f5a37")
# cos and sin of multiples of 45 degrees, written out so that no mathematics library is asked.
_DIAGONAL = 0.7071067811865476
_COS = np.array([1, _DIAGONAL, 0, -_DIAGONAL, -1, -_DIAGONAL, 0, _DIAGONAL])
_SIN = np.array([0, _DIAGONAL, 1, _DIAGONAL, 0, -_DIAGONAL, -1, -_DIAGONAL])
_REACH = 20  # pixels from a shape's centre to its farthest corner, at most
_HALF_SIZES = np.array([8.0, 10.0, 12.0, 14.0])


def entropy(*names):
    """Entropy in nats of the named factors together: they are independent and uniform."""
    return math.fsum(math.log(FACTORS[name]) for name in names)


class Shapes:
    """The embedded source: 64x64 colour images of one shape on a textured ground.

    Args:
        split: "train" (2,000 images), "test" (1,000) or "unlabelled" (8,000, without labels), in
            disjoint random streams.
        size: number of images; None for the split's own.
        label: the factor that is the label.
        shading: largest strength in grey levels of each of four layers of grey clouds, which are
            new in every image and the same in red, green and blue; 0 for no clouds.
        seed: of the whole data set.
    """

    def __init__(self, split="train", size: int | None = None, label="shape", shading=0, seed=0):
        if split not in _SPLITS:
            raise UserError(f"Shapes.split={split!r} is not one of {', '.join(_SPLITS)}")
        if label not in FACTORS:
            raise UserError(f"Shapes.label={label!r} is not one of {', '.join(FACTORS)}")
        if size is not None:
            check(self, COUNT, size=size)
        check(self, WHOLE_GREY_LEVEL, shading=shading)
        check(self, SEED, seed=seed)
        self._split, self._size, self._label = split, size, label
        self._shading, self._seed = shading, seed

    def load(self, data_dir=None):
        """Renders the images; returns `ArrayImages`."""
        stream, size = _SPLITS[self._split]
        generator = np.random.Generator(np.random.Philox(key=[self._seed, stream]))
        factors = draw_factors(generator, self._size or size)
        images = render(factors, generator, shading=self._shading)
        name = f"shapes:{self._split}"
        if self._split == "unlabelled":
            return ArrayImages(name, images)
        names = SHAPE_NAMES if self._label == "shape" else range(FACTORS[self._label])
        return ArrayImages(name, images, factors[self._label], map(str, names))


def pair_batch(seed, batch_size, shared):
    """Pairs of images that share exactly the named factors; everything else is drawn independently.

    Their mutual information is `entropy(*shared)`: given those factors the two images are
    independent. With "rotation" among them it is less, because a symmetrical shape hides it: a disc
    looks the same in all 8 rotations.

    Args:
        seed: integer.
        batch_size: B.
        shared: names of factors.

    Returns:
        (first and second images, uint8 [B, 64, 64, 3] each; the shared factors, int [B,
        len(shared)]).

    Raises:
        UserError: a name is not a factor.
    """
    unknown = [name for name in shared if name not in FACTORS]
    if unknown:
        raise UserError(f"shared factor {unknown[0]!r} is not one of {', '.join(FACTORS)}")
    generator = np.random.Generator(np.random.Philox(key=[seed, 4]))
    first, second = draw_factors(generator, batch_size), draw_factors(generator, batch_size)
    second |= {name: first[name] for name in shared}
    kept = np.array([first[name] for name in shared], np.int32).reshape(len(shared), batch_size).T
    return render(first, generator), render(second, generator), kept


def draw_factors(generator, count):
    """Independent uniform factors: dict name -> int32 [count]."""
    return {n: generator.integers(0, k, count, dtype=np.int32) for n, k in FACTORS.items()}


def render(factors, generator, chunk=500, shading=0):
    """Images of given factors; brightness, pixel noise and shading are drawn as nuisance.

    Args:
        factors: dict of int [M] for every name in FACTORS.
        generator: numpy Generator of the nuisance.
        chunk: images rendered at a time.
        shading: see `Shapes`.

    Returns:
        uint8 [M, 64, 64, 3].
    """
    count = len(factors["shape"])
    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for start in range(0, count, chunk):
        part = {name: values[start : start + chunk] for name, values in factors.items()}
        images[start : start + chunk] = _render_chunk(part, generator, shading)
    return images


def _render_chunk(factors, generator, shading):
    count = len(factors["shape"])
    brightness = generator.integers(-12, 13, (count, 1, 1, 1), dtype=np.int16)
    noise = generator.integers(-8, 9, (count, SIZE, SIZE, 1), dtype=np.int16)
    quarters = _coverage(factors)[..., None]
    ground, color = _grounds()[factors["texture"]], _COLORS[factors["color"]][:, None, None, :]
    images = (ground * (4 - quarters) + color * quarters + 2) // 4 + brightness + noise
    if shading:
        images += sum(_clouds(generator, count, cells, shading) for cells in (2, 4, 8, 16))
    return np.clip(images, 0, 255).astype(np.uint8)


def _clouds(generator, count, cells, strength):
    """int16 [M, 64, 64, 1] of -strength to strength: bilinear between a random grid of cells."""
    corners = generator.integers(-strength, strength + 1, (count, cells + 1, cells + 1), np.int32)
    side = SIZE // cells
    cell, place = np.divmod(np.arange(SIZE), side)
    below, right = place[:, None].astype(np.int32), place.astype(np.int32)
    rows = corners[:, cell] * (side - below) + corners[:, cell + 1] * below
    levels = rows[:, :, cell] * (side - right) + rows[:, :, cell + 1] * right
    return (levels // side**2).astype(np.int16)[..., None]


@functools.cache
def _grounds():
    """int16 [8, 64, 64, 3]: muted hues with stripes, checks, dots or nothing."""
    y, x = np.mgrid[:SIZE, :SIZE]
    patterns = np.stack(
        [
            np.zeros_like(x),
            (x // 8) % 2,
            (y // 8) % 2,
            ((x + y) // 8) % 2,
            ((x - y + SIZE) // 8) % 2,
            (x // 8 + y // 8) % 2,
            (x % 16 - 8) ** 2 + (y % 16 - 8) ** 2 < 16,
            (x // 4) % 2,
        ]
    )
    return _GROUND_COLORS[:, None, None, :] + 45 * patterns[..., None].astype(np.int16)


def _coverage(factors):
    """int16 [M, 64, 64]: how many of four samples of each pixel lie inside the shape."""
    side = SIZE + 2 * _REACH
    canvas = np.zeros((len(factors["shape"]), side, side), np.int16)
    stamps = _stamps()[factors["shape"], factors["size"], factors["rotation"]]
    for position in range(FACTORS["position"]):
        chosen = factors["position"] == position
        top, left = 17 + 10 * (position // 4), 17 + 10 * (position % 4)
        canvas[chosen, top : top + 2 * _REACH, left : left + 2 * _REACH] = stamps[chosen]
    return canvas[:, _REACH:-_REACH, _REACH:-_REACH]


@functools.cache
def _stamps():
    """int16 [8, 4, 8, 40, 40]: the coverage of each shape in each size and rotation."""
    stamps = np.zeros((8, 4, 8, 2 * _REACH, 2 * _REACH), np.int16)
    v, u = np.mgrid[-_REACH:_REACH, -_REACH:_REACH]
    for size, half in enumerate(_HALF_SIZES):
        for rotation, (cos, sin) in enumerate(zip(_COS, _SIN, strict=True)):
            for offset_v, offset_u in itertools.product((0.25, 0.75), repeat=2):
                x, y = u + offset_u, v + offset_v
                inside = _inside((cos * x + sin * y) / half, (cos * y - sin * x) / half)
                stamps[:, size, rotation] += inside
    return stamps


def _inside(u, v):
    """bool [8, ...]: whether (u, v), in units of the half size, lies inside each shape."""
    radius, au, av = u * u + v * v, np.abs(u), np.abs(v)
    return np.stack(
        [
            radius <= 1.0,
            np.maximum(au, av) <= 0.85,
            (v <= 0.7) & (v >= 2.0 * au - 1.0),
            (np.minimum(au, av) <= 0.3) & (np.maximum(au, av) <= 1.0),
            (radius <= 1.0) & (radius >= 0.36),
            (radius <= 1.0) & (v >= 0.0),
            (av <= 0.35) & (au <= 1.0),
            (np.maximum(au, av) <= 0.9) & (np.minimum(u, v) <= -0.3),
        ]
    )
