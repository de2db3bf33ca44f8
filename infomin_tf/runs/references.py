"""Which bindings of a configuration only evaluation and export use, by what refers to what."""

import re

_REFERENCE = re.compile(r"[@%](?:([\w./]+)/)?([\w.]+)")
_AFTER_TRAINING = re.compile(r"(^|\.)Experiment\.(evaluation|export)$")
# Training refers to this view only for the numbers that it shows on the way.
_SHOWN = re.compile(r"(^|\.)Pretrain\.knn_view$")


def after_training(bindings):
    """Names of the bindings that evaluation or export use, and nothing else does.

    Args:
        bindings: dict "scope/module.Class.parameter" -> text of the value, of an operative
            configuration; macros have their names alone.
    """
    parameters = {}
    for name in bindings:
        parameters.setdefault(_user(name), []).append(name)

    def referred(names):
        """Classes and macros; without a scope, one may be called in its user's or in none."""
        users = set()
        for name in names:
            scope = _user(name).rpartition("/")[0]
            for own, selector in _REFERENCE.findall(bindings[name]):
                users |= {f"{own}/{selector}"} if own else {selector, f"{scope}/{selector}"}
        return users & parameters.keys()

    def used(names):
        users = reached(
            referred(names),
            lambda user: referred(name for name in parameters[user] if not _SHOWN.search(name)),
        )
        return {name for user in users for name in parameters[user]}

    first = {name for name in bindings if _AFTER_TRAINING.search(name)}
    training = {_user(name) for name in first}
    others = [name for user in training for name in parameters[user] if name not in first]
    return (first | used(first)) - used(others)


def reached(start, successors):
    """The set of some nodes and all that they lead to.

    Args:
        start: nodes.
        successors: function node -> nodes.
    """
    found, waiting = set(), list(start)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += successors(node)
    return found


def _user(name):
    """Whose parameter a binding is: scope and class, or the macro itself."""
    return name.rpartition(".")[0] or name
