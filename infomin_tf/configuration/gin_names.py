"""The names of gin files: those that this package registers once, and those that a file imports.

In every file `Pretrain.epochs = 3` binds this package's class, whatever else is called Pretrain.
After `import my_views` a file sees `my_views.Sepia` as well, be it registered or not.
"""

import gin

_PACKAGE = "infomin_tf"
_named = {}


def register(*things, group=""):
    """Lets gin files bind classes and functions by their own names.

    Args:
        *things: classes and functions.
        group: what comes before their names, such as "families" for `families.infomin`.
    """
    for thing in things:
        name = f"{group}.{thing.__name__}" if group else thing.__name__
        if _named.setdefault(name, thing) is not thing:
            raise ValueError(f"two things would be called {name} in gin files")
        gin.register(thing, module=f"{_PACKAGE}.{group}" if group else _PACKAGE)


def registered():
    """dict name in gin files -> class or function."""
    return dict(_named)


def name_of(selector):
    """The name in gin files of gin's `selector`; None for what is not registered here."""
    name = selector.removeprefix(f"{_PACKAGE}.")
    is_ours = name in _named and gin.config._REGISTRY[selector].wrapped is _named[name]
    return name if is_ours else None


class _Context(gin.config.ParseContext):
    """What names mean in a file: those registered here come first, then those that it imports."""

    def process_import(self, statement):
        """Of a person's own module: what is in it can be named from here on."""
        if not statement.module.startswith("__gin__") and not self._dynamic_registration:
            self._enable_dynamic_registration()
        super().process_import(statement)

    def get_configurable(self, selector):
        """What gin knows by a name of a file; NameError for a name that nothing has."""
        if selector in _named:
            return gin.config._inverse_lookup(_named[selector])
        try:
            found = super().get_configurable(selector)
        except NameError:  # what a module registers itself, as gin's decorators do
            found = gin.config._REGISTRY.get_match(selector)
        if not found:
            raise NameError(f"gin files have no name {selector}")
        return found


class _Imports(gin.config.ImportManager):
    """The import lines of a saved configuration: of a person's own modules alone."""

    def __init__(self, imports):
        super().__init__(imports)
        self.dynamic_registration = bool(imports)

    def require_configurable(self, configurable_):
        """Adds a line to import what is not registered here."""
        if not name_of(configurable_.selector):
            super().require_configurable(configurable_)

    def minimal_selector(self, configurable_):
        """The name in a saved configuration: as gin files have it."""
        return name_of(configurable_.selector) or super().minimal_selector(configurable_)


gin.config.ParseContext, gin.config.ImportManager = _Context, _Imports
gin.config._PARSE_CONTEXTS[:] = [_Context()]
