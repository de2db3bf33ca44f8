"""Where two texts of a configuration differ, and what that concerns."""

import inspect
import re

import gin

from infomin_tf.runs import references

SEED = "--seed"
# What the program no longer has; an earlier run has the default in its configuration.
_RETIRED = re.compile(r"^(?:[\w/]+/)?TrainingLoop\.skipped_steps_limit = 0\n", re.MULTILINE)
# What says how long a stage trains and how its learning rate continues.
_LENGTH = re.compile(
    r"\b(Pretrain|PretrainSequences|TrainSupervised|LearnViews|Training)\.(epochs|schedule)$"
    r"|\bTrainingLoop\.steps_limit$|\b(Constant|Cosine|StepDecay)\.\w+$"
)


def compare(old, new):
    """Lines "binding: old -> new" for the bindings in which two configuration texts differ.

    A parameter that the program did not have when the old text was written is no difference if it
    has its default.
    """
    before, after = bindings_of(old), bindings_of(new)
    return [
        f"{name}: {before.get(name, 'not bound')} -> {after.get(name, 'not bound')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
        and (name in before or not _is_younger(name, old, after[name]))
    ]


def _is_younger(name, old, value):
    """Whether a parameter has its default, and is none of those that a text has of its class."""
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
    """Those lines of `compare` that concern the training; the seed of what follows may differ."""
    of_training = set()
    for bindings in (bindings_of(old), bindings_of(new)):
        of_training |= bindings.keys() - references.after_training(bindings)
    return [line for line in compare(old, new) if named(line) in of_training - {SEED}]


def of_length(old, new):
    """Lines of `training_differences`; [] where more than the length of the training differs."""
    before, after, lines = bindings_of(old), bindings_of(new), training_differences(old, new)
    same_seed = before.get(SEED) == after.get(SEED)
    of_length = all(_is_length(named(line), before | after) for line in lines)
    return lines if same_seed and of_length else []


def _is_length(name, bindings):
    """Whether a binding, or all that a macro is for, is of a training's length or course."""
    if "." in name:
        return bool(_LENGTH.search(name))
    users = [user for user, value in bindings.items() if re.search(rf"%{re.escape(name)}\b", value)]
    return bool(users) and all(_is_length(user, bindings) for user in users)


def named(line):
    """The binding of a line of `compare`."""
    return line.split(": ")[0]


def without_retired(text):
    """A saved configuration without the defaults of parameters that there are no more."""
    return _RETIRED.sub("", text)


def bindings_of(text):
    """dict binding -> text of its value; the seed as "--seed"."""
    joined = re.sub(r"\\\n\s*", "", without_retired(text))
    joined = re.sub(r"\n[ \t]+", " ", joined)
    pairs = dict(re.findall(r"^([\w./]+) = (.*)$", joined, re.MULTILINE))
    seed = re.match(r"# seed: (\d+)", text)
    return pairs | ({SEED: seed[1]} if seed else {})
