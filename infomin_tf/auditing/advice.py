"""What a setting that is better than the base says about the images, in plain words."""

import ast
import re

_LESS, _MORE = "less", "more"
# Parameter, how the better value differs from the base's, and what that says.
_SENTENCES = (
    (r"jitter$", _LESS, "Brightness and colour matter in your images: {do} jitter them."),
    (r"jitter$", _MORE, "Brightness and colour say little about your images: jitter them more."),
    (r"area$", _LESS, "Small parts show what matters: cut crops from a smaller share of the area."),
    (r"area$", _MORE, "What matters needs most of the image: cut larger crops."),
    (r"blur_probability$", _LESS, "Fine detail matters in your images: {do} blur them."),
    (r"blur_probability$", _MORE, "Fine detail says little about your images: blur them."),
    (r"layers$", _LESS, "Shapes and tones matter in your images: {do} use RandAugment."),
    (r"layers$", _MORE, "Shapes and tones may be distorted: RandAugment helps."),
    (r"grey_probability$", _LESS, "Colour matters in your images: turn fewer of them grey."),
    (r"grey_probability$", _MORE, "Colour says little about your images: turn more of them grey."),
)
_LEARNED = "@LearnViews()"
_SPLITS = (
    (_LEARNED, "Learned channels of one crop make better views than two augmented crops."),
    ("@ChannelSplit()", "Channels of one crop make better views than two augmented crops."),
    ("@FrequencySplit()", "Low and high frequencies make better views than two augmented crops."),
)


def advice(usual, better):
    """Sentences on what bindings change; none for parameters that nothing is known of.

    Args:
        usual: bindings of the base, such as "families.infomin.jitter = 0.5".
        better: bindings of the better setting.
    """
    before, after = (dict(map(_parts, bindings)) for bindings in (usual, better))
    said = [sentence for value, sentence in _SPLITS if value in after.values()][:1]
    for name, value in after.items() if not said else ():
        change = _change(before.get(name), value)
        for pattern, direction, sentence in _SENTENCES:
            if change == direction and re.search(pattern, name):
                said.append(sentence.format(do="do not" if not float(_number(value)) else "hardly"))
    return said


def _parts(binding):
    name, _, value = binding.partition("=")
    return name.strip(), value.strip()


def _change(before, after):
    """Whether a number, or the low end of an interval, has become less or more; None if neither."""
    numbers = [_number(text) for text in (before, after)]
    if None in numbers or numbers[0] == numbers[1]:
        return None
    return _LESS if numbers[1] < numbers[0] else _MORE


def _number(text):
    try:
        value = ast.literal_eval(text or "")
    except (ValueError, SyntaxError):
        return None
    value = value[0] if isinstance(value, tuple) else value
    return value if isinstance(value, int | float) else None
