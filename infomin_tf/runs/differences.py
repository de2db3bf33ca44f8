"""In what two texts of a configuration differ, and what that concerns."""

import inspect
import re

import gin

from infomin_tf.runs import references

SEED = "--seed"
# What says how long a stage trains and how its learning rate continues.
_LENGTH = re.compile(
    r"\b(Pretrain|PretrainSequences|TrainSupervised|LearnViews|Training)\.(epochs|schedule)$"
    r"|\bTrainingLoop\.steps_limit$|\b(Constant|Cosine|StepDecay)\.\w+$"
)


def compare(old, new):
    """Lines "binding: old -> new" for the bindings in which two configuration texts differ.

    A parameter that the program did not have when the old text was written, and that has its default, is no difference.
    """
    before, after = bindings_of(old), bindings_of(new)
    names = sorted(before.keys() | after.keys())
    return [
        f"{name}: {before.get(name, 'not bound')} -> {after.get(name, 'not bound')}"
        for name in names
        if before.get(name) != after.get(name)
        and not (name not in before and _is_younger(name, old, after[name]))
    ]


def _is_younger(name, old, value):
    """Whether a parameter of a class that a text has all parameters of is not among them, and has its default."""
    user, _, parameter = name.rpartition(".")
    if f"\n# Parameters for {user}:\n" not in old:
        return False
    try:
        entry = gin.config._REGISTRY.get_match(user.split("/")[-1])
    except KeyError:  # of several modules
        return False
    parameters = inspect.signature(entry.wrapped).parameters if entry else {}
    return parameter in parameters and repr(parameters[parameter].default) == value


def training_differences(old, new):
    """Those lines of `compare` that are not of evaluation or export alone; the seed of these may differ."""
    bindings = bindings_of(old), bindings_of(new)
    names = set().union(*bindings) - {SEED}
    later = [references.Configuration(one).after_training for one in bindings]
    free = {
        name
        for name in names
        if all(name in after or name not in one for one, after in zip(bindings, later, strict=True))
    }
    lines = compare(old, new)
    return [line for line in lines if named(line) not in free | {SEED}]


def of_length(old, new):
    """Lines of `compare` where all that differs for the training is its length; [] where more or nothing does."""
    lines, bindings = training_differences(old, new), bindings_of(old) | bindings_of(new)
    same_seed = bindings_of(old).get(SEED) == bindings_of(new).get(SEED)
    return lines if same_seed and all(_is_length(named(ln), bindings) for ln in lines) else []


def _is_length(name, bindings):
    """Whether a binding is of the length of a training or of its course over it, or a macro for these alone."""
    if "." in name:
        return bool(_LENGTH.search(name))
    users = [user for user, value in bindings.items() if re.search(rf"%{re.escape(name)}\b", value)]
    return bool(users) and all(_is_length(user, bindings) for user in users)


def named(line):
    """The binding of a line of `compare`."""
    return line.split(": ")[0]


def bindings_of(text):
    """dict binding -> text of its value; the seed as "--seed"."""
    joined = re.sub(r"\\\n\s*", "", text)
    joined = re.sub(r"\n[ \t]+", " ", joined)
    pairs = dict(re.findall(r"^([\w./]+) = (.*)$", joined, re.MULTILINE))
    seed = re.match(r"# seed: (\d+)", text)
    return pairs | ({SEED: seed[1]} if seed else {})
