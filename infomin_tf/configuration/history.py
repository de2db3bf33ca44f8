"""Earlier values of a gin binding, and who wrote them; gin itself keeps only the last value."""

import contextlib

import gin

from infomin_tf.runs.references import reached


class History:
    """All bindings of the files and texts that are read under `recorded`, in order.

    Args:
        open_file: opens a gin file by its path.
        is_machine_made: path -> whether a file is shipped with the package, or written by it.
    """

    def __init__(self, open_file, is_machine_made):
        self._open, self._is_machine_made = open_file, is_machine_made
        self._above, self._bindings, self._writers = [], [], {}

    @contextlib.contextmanager
    def recorded(self):
        """Records what gin reads in here; forgets all when gin has no binding yet."""
        if not gin.config._CONFIG:
            self._bindings, self._writers = [], {}
        bind = gin.config.bind_parameter

        def bind_and_record(key, value):
            bind(key, value)
            name = gin.config.ParsedBindingKey.parse(key).scope_selector_arg
            self._bindings.append((name, value))
            self._writers[name] = tuple(self._above)

        gin.config.bind_parameter = bind_and_record
        try:
            yield
        finally:
            gin.config.bind_parameter = bind
            self._above.clear()

    @contextlib.contextmanager
    def reader(self, path):
        """A gin file, open for reading; what is bound meanwhile is the file's."""
        with self._open(path) as file:
            self._above.append(path)
            yield file
            self._above.pop()

    def place(self, name):
        """Where a binding (scope, selector, parameter) was last written; "" when not known."""
        if (files := self._writers.get(name)) is None:
            return ""
        return f" (bound in {files[-1]})" if files else " (bound by --gin_param)"

    def replaced(self, names):
        """Those of some dead bindings that no user wrote, and that later bindings replaced.

        Either the value itself is replaced, or what took it. A user writes --gin_param, and the
        files that --gin_file names, but those of the package.

        Args:
            names: (scope, selector, parameter) each.
        """
        candidates = [name for name in names if name in self._writers and not self._is_own(name)]
        gone = self._reached_from_replaced() if candidates else ()
        return [
            name
            for name in candidates
            if any(other == name[1] and is_inside(scope, name[0]) for scope, other in gone)
            or self._is_overridden(*name)
        ]

    def _is_overridden(self, scope, selector, parameter):
        """Whether a later binding is of a scope that is closer to the calls."""
        latest_first = [name for name, _ in reversed(self._bindings)]
        later = latest_first[: latest_first.index((scope, selector, parameter))]
        return any(is_inside(s, scope) for s, *other in later if other == [selector, parameter])

    def _is_own(self, name):
        files = self._writers[name]
        return not files or (len(files) == 1 and not self._is_machine_made(files[0]))

    def _reached_from_replaced(self):
        """(scope, selector) of all that replaced values would have called."""
        everything = self._closure((scope, selector) for (scope, selector, _), _ in self._bindings)
        return self._closure(
            _called(reference, scope)
            for scope, selector in everything
            for value in self._held_once(scope, selector)
            for reference in _references(value)
        )

    def _closure(self, nodes):
        """The (scope, selector) given, and all that they lead to by values that were ever bound."""

        def called(node):
            values = [value for _, _, value in self._bindings_of(*node)]
            return [_called(reference, node[0]) for reference in _references(values)]

        return reached(nodes, called)

    def _held_once(self, scope, selector):
        """Values that a call in a scope took until a later binding, of that scope or closer."""
        holding, gone = {}, []
        for bound_in, parameter, value in self._bindings_of(scope, selector):
            before = holding.get(parameter)
            if before is None or len(bound_in) >= len(before[0]):
                gone += [before[1]] if before else []
                holding[parameter] = (bound_in, value)
        return gone

    def _bindings_of(self, scope, selector):
        """(its scope, parameter, value) of each binding that a call in a scope sees, in order."""
        return [
            (bound_in, parameter, value)
            for (bound_in, other, parameter), value in self._bindings
            if other == selector and is_inside(scope, bound_in)
        ]


def is_inside(scope, outer):
    """Whether a binding of the scope `outer` holds for a call in `scope`."""
    return outer == "" or scope == outer or scope.startswith(outer + "/")


def _references(value):
    return list(gin.config.iterate_references({"": value}))


def _called(reference, scope):
    """(scope, selector) of what a reference calls, in its own scope or that of its taker."""
    return "/".join(reference.scopes) or scope, reference.configurable.selector
