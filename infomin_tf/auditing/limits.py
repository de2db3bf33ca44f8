"""What an audit leaves open, and what it leaves out for grey images."""

from operator import ne


def without_color(audit, facts):
    """A sentence on grey images and what is left out with them; [] for images with colour."""
    if not facts.get("grey"):
        return []
    axes = enumerate(audit.axes)
    names = [f"{axis.name} {label}" for p, axis in axes for label in audit.left_out(p, facts)]
    left_out = (
        f"; settings that concern colour alone are left out: {'; '.join(names)}" if names else ""
    )
    return [
        "The images are grey (red, green and blue are equal), so hue, saturation and greyscale "
        f"change nothing{left_out}."
    ]


def not_tried(audit, facts, last):
    """Sentences on what an audit leaves open.

    Args:
        audit: `Audit`.
        facts: of `preparation.prepare`.
        last: `outcome.Outcome` of the last round.
    """
    axis = last.sweep.axes[0]
    combined = any(sum(map(ne, setting, axis.base)) > 1 for setting in axis.settings.values())
    return [
        *without_color(audit, facts),
        f"{'Other combinations' if combined else 'Combinations'} of strengths; values between "
        "and beyond those listed.",
        "Larger networks, larger views and longer training, which usually tolerate stronger "
        "views; other losses and negatives.",
        "The JigSaw branch, patches, other operations, other colour spaces and generators; "
        "tasks other than these labels.",
        "Views without the flip from left to right, which half of all crops have. Are left and "
        "right different things in your images, as in letters or in hands? Then bind "
        "families.infomin.flip_probability = 0.0.",
    ]
