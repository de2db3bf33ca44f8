"""An experiment that only remembers what it was given, for tests of gin and of the command line."""

from infomin_tf.errors import UserError

calls = []


class Part:
    def __init__(self, size, rate=0.1):
        if size == 0:
            raise ValueError("size=0 must be positive; use 1")
        if size == -1:
            raise UserError("size=-1 is a mistake of the user")
        self.size, self.rate = size, rate
        self.double = 2 * size if size != "bug" else size / 2


class Keywords:
    def __init__(self, depth=1, **kwargs):
        Part(**kwargs)


class Experiment:
    raises = None

    def __init__(self, first, second=None, third=None, evaluation=None):
        self.parts, self.evaluation = (first, second, third), evaluation

    def run(self, model_dir, **arguments):
        if self.raises:
            raise self.raises
        calls.append(("run", model_dir, self, arguments))

    def repeat(self, name, model_dir, **arguments):
        calls.append((name, model_dir, self, arguments))


def make_nothing():
    return object()
