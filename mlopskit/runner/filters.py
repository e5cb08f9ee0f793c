"""Filters of warnings in forked kernels: each comes when a cell imports the module that sets it.

A filter that is set stands before those that were there, so what becomes of a warning depends on what came first: what
a cell sets, or the import of NumPy, which sets filters of its own. Imported ahead, NumPy would always be first. So the
server notes which module sets which filter while it is imported, and which modules import that one. A kernel starts
without those filters, and gets each when something in it imports one of these modules, as if that were imported then.

Whether a module is imported that is there already only its spec is asked, and of one that comes from a package, as in
``from scipy import stats``, only the package: so both are made to tell, until there is nothing left to come. To put
something in the place of `__import__` would show in each traceback. Filters that a module puts into the list by itself,
past the functions of `warnings`, are there from the start.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dis import opmap
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType
from typing import Any

_WARNINGS: Any = warnings
_ASKED = "_initializing"
"""What each import asks of the spec of a module that is there; so does an attribute that a module has not."""


class Filters:
    """Notes, from when it is made, which filters the import of a module sets."""

    def __init__(self) -> None:
        self._before = list(_WARNINGS.filters)
        self._set: list[tuple[tuple[Any, ...], bool]] = []
        self._behind: dict[str, int] = {}
        """Module → which of those filters its import sets, bit by bit."""
        self._whole: dict[str, int] = {}
        """The same with those of what it lies in, which is imported with it; forgotten when there is more."""
        self._tell: Callable[[int, FrameType | None], None] = self._belongs
        self._specs: list[ModuleSpec] = []
        self._packages: list[ModuleType] = []
        self._spec = type("ModuleSpec", (ModuleSpec,), {_ASKED: _Telling(_ASKED, self._spec_asked)})
        self._add, _WARNINGS._add_filter = _WARNINGS._add_filter, self._note

    def _note(self, *item: Any, append: bool) -> None:
        self._belongs(1 << len(self._set), sys._getframe(1))
        self._set.append((item, append))
        self._add(*item, append=append)

    def _belongs(self, bits: int, frame: FrameType | None) -> None:
        """Note filters for the modules that are being executed, from the innermost to the one that began it all."""
        found = []
        while frame is not None:
            if frame.f_code.co_name == "<module>":
                name = frame.f_globals.get("__name__", "")
                noted = self._behind.get(name, 0)
                if noted & bits == bits:  # so have those that import it
                    break
                self._behind[name] = noted | bits
                self._whole.clear()
                found.append(name)
            frame = frame.f_back
        for name in found:
            self._watch(name)

    def _watch(self, name: str) -> None:
        """Be told when a module is imported once more, and when it is come by as a part of its package."""
        spec = getattr(sys.modules.get(name), "__spec__", None)
        if type(spec) is ModuleSpec:
            spec.__class__ = self._spec
            self._specs.append(spec)
        above, _, part = name.rpartition(".")
        package = sys.modules.get(above)
        if self._by(name) == self._by(above):  # who has the one has the other
            return
        if type(package) is ModuleType:
            package.__class__ = type("module", (_Package,), {"__module__": "builtins"})
            self._packages.append(package)
        if isinstance(package, _Package):
            setattr(type(package), part, _Telling(part, lambda _, frame: self._tell(self._by(name), frame)))

    def _spec_asked(self, spec: ModuleSpec, frame: FrameType) -> None:
        is_ahead = self._tell == self._belongs and frame.f_code.co_name == "<module>"  # it has this module by an import
        if is_ahead or _imports(frame):
            self._tell(self._by(spec.name), frame)

    def _by(self, name: str) -> int:
        """Return which filters the import of a module sets."""
        if not name:
            return 0
        bits = self._whole.get(name)
        if bits is None:
            bits = self._whole[name] = self._behind.get(name, 0) | self._by(name.rpartition(".")[0])
        return bits

    def step_aside(self) -> None:
        """In a fork, take the filters out again, and have each come when what sets it is imported; note no more."""
        _WARNINGS._add_filter = self._add
        there = _WARNINGS.filters
        pending = {place: noted for place, noted in enumerate(self._set) if noted[0] in there}
        if not all(item in there for item in self._before):  # a module did something of its own with them all
            pending = {}
        later = [item for item, _ in pending.values() if item not in self._before]
        there[:] = [item for item in there if item not in later]
        _WARNINGS._filters_mutated()

        def come(bits: int, _: FrameType | None) -> None:
            if noted := [pending.pop(place, None) for place in list(pending) if bits >> place & 1]:
                for item, append in filter(None, noted):  # another thread may import as well
                    self._add(*item, append=append)
                self._listen_for(sum(1 << place for place in pending))

        self._tell = come
        self._listen_for(sum(1 << place for place in pending))

    def _listen_for(self, bits: int) -> None:
        """Let go of all specs and packages behind which nothing of this is left to come."""
        specs, self._specs = self._specs, []
        for spec in specs:
            if self._by(spec.name) & bits:
                self._specs.append(spec)
            else:
                spec.__class__ = ModuleSpec
        within = {spec.name.rpartition(".")[0] for spec in self._specs}
        for package in self._packages:
            if package.__name__ not in within:
                package.__class__ = ModuleType


class _Package(ModuleType):
    """A package with parts that tell; to those who look at its type before they pickle it, it is pickled by name."""

    def __reduce__(self) -> tuple[Any, ...]:
        return import_module, (self.__name__,)


class _Telling:
    """An attribute that tells when it is asked for, and by which frame; its value lies where it would lie without."""

    def __init__(self, name: str, tell: Callable[[Any, FrameType], None]) -> None:
        self._name, self._tell = name, tell

    def __get__(self, owner: Any, kind: type) -> Any:
        if owner is None or self._name not in owner.__dict__:
            raise AttributeError(self._name)
        self._tell(owner, sys._getframe(1))
        return owner.__dict__[self._name]

    def __set__(self, owner: Any, value: Any) -> None:
        owner.__dict__[self._name] = value

    def __delete__(self, owner: Any) -> None:
        if self._name not in owner.__dict__:
            raise AttributeError(self._name)
        del owner.__dict__[self._name]


def _imports(frame: FrameType) -> bool:
    """Tell whether a frame imports something at this moment, rather than look for an attribute that is not there."""
    within = frame.f_globals.get("__name__") == "importlib._bootstrap"
    return within or frame.f_code.co_code[frame.f_lasti] == opmap["IMPORT_NAME"]
