"""What takes the place of a package, or of a model."""

import importlib.abc
import importlib.machinery
import types

import numpy as np

TENSORFLOW = ("keras", "tensorflow")
KNOWN = {}


class Anything(types.ModuleType):
    """Stands for a module, class, function or value: what is asked of it is another of its kind.

    The names in KNOWN are what they are there.
    """

    def __init__(self, name, *_, **__):
        super().__init__(str(name))
        self.__path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name in KNOWN:
            return KNOWN[name]
        setattr(self, name, Anything(f"{self.__name__}.{name}"))
        return self.__dict__[name]

    def __call__(self, *_, **__):
        return Anything(f"{self.__name__}()")


class Pretend(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports packages as Anything, in no time."""

    def __init__(self, *packages):
        self._packages = packages

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self._packages:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return Anything(spec.name)

    def exec_module(self, module):
        pass


class FirstPixel:
    """Stands for a model: the first pixel of an image, times ten, is the class it predicts."""

    def predict(self, images, *_, **__):
        first = np.asarray(images)[:, 0, 0, 0]
        return np.eye(10, dtype="float32")[np.rint(first * 10).astype(int)]

    predict_on_batch = __call__ = predict
