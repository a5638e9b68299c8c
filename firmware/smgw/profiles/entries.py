"""A folder of entries: one module each, and nothing else in the product lists them.

An entry is data. Names in other rooms ("module:name") are imported on use.
"""

import os
from importlib import import_module
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Entries(Generic[T]):
    """The entries of a package: module `cosem_xml` holds the entry "cosem-xml" under a fixed name.

    The package's `__path__` is read at each question, so another folder may be appended to it.
    """

    def __init__(self, package: str, path: list[str], attribute: str) -> None:
        self._package = package
        self._path = path
        self._attribute = attribute
        self._known: dict[str, T] = {}

    def names(self) -> list[str]:
        """All names, sorted. Imports none of the modules."""
        files = [file for folder in self._path for file in os.listdir(folder)]  # noqa: PTH208 - pathlib would be slower
        found = {file[: -len(".py")] for file in files if file.endswith(".py") and not file.startswith("_")}
        return sorted(name.replace("_", "-") for name in found)

    def entry(self, name: str) -> T:
        """The entry of that name; KeyError if there is none."""
        if name not in self._known:
            if name not in self.names():
                raise KeyError(name)
            self._known[name] = getattr(import_module(f"{self._package}.{name.replace('-', '_')}"), self._attribute)
        return self._known[name]

    def every(self) -> list[T]:
        """All entries, sorted by name."""
        return [self.entry(name) for name in self.names()]


def resolve(reference: str) -> Any:
    """The object that "module:name" names."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)
