"""Which bindings of a configuration only evaluation and export use, by what refers to what."""

import re

_REFERENCE = re.compile(r"[@%](?:([\w./]+)/)?([\w.]+)")
_AFTER_TRAINING = re.compile(r"(^|\.)Experiment\.(evaluation|export)$")
# Training refers to this view only for the numbers that it shows on the way.
_SHOWN = re.compile(r"(^|\.)Pretrain\.knn_view$")


class Configuration:
    """The references of an operative configuration.

    Args:
        bindings: dict "scope/module.Class.parameter" -> text of the value; macros have their names
            alone.
    """

    def __init__(self, bindings):
        self._bindings, self._parameters = bindings, {}
        for name in bindings:
            self._parameters.setdefault(_user(name), []).append(name)

    @property
    def after_training(self):
        """Names of the bindings that evaluation or export use, and nothing else does."""
        first = {name for name in self._bindings if _AFTER_TRAINING.search(name)}
        training = {_user(name) for name in first}
        return (first | self._reached(first)) - self._reached(
            name for user in training for name in self._parameters[user] if name not in first
        )

    def _reached(self, names):
        """Names of all bindings that these refer to, directly or by way of others."""
        found, waiting = set(), list(names)
        while waiting:
            for user in self._referred(waiting.pop()) - found:
                found.add(user)
                waiting += [name for name in self._parameters[user] if not _SHOWN.search(name)]
        return {name for user in found for name in self._parameters[user]}

    def _referred(self, name):
        """What a value refers to; without a scope, it may be called in its user's or in none."""
        scope = _user(name).rpartition("/")[0]
        users = set()
        for own, selector in _REFERENCE.findall(self._bindings[name]):
            users |= {f"{own}/{selector}"} if own else {selector, f"{scope}/{selector}"}
        return users & self._parameters.keys()


def _user(name):
    """Whose parameter a binding is: scope and class, or the macro itself."""
    return name.rpartition(".")[0] or name
