"""Filters of warnings in forked kernels: each comes when a cell imports the module that sets it.

A filter that is set stands before those that were there, so what becomes of a warning depends on what came first: what
a cell sets, or the import of NumPy, which sets filters of its own. Imported ahead, NumPy would always be first. So the
server notes which module sets which filter while it is imported, and which modules import that one. A kernel starts
without those filters, and gets each when something in it imports one of these modules, as if that were imported then.

To import a module that is there only asks its spec whether it is being imported still: so specs are made to tell, until
nothing is left to come behind them. To put something in the place of `__import__` would show in each traceback. What
is not seen: a part that is only come by as an attribute of its package (``scipy.stats`` after ``import scipy``) and
loaded by none of its imports, and filters that a module puts into the list past the functions of `warnings`, which are
there from the start.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from dis import opmap
from importlib.machinery import ModuleSpec
from types import FrameType
from typing import Any

_WARNINGS: Any = warnings
_ASKED = "_initializing"
"""What each import asks of the spec of a module that is there; so does an attribute that a module has not."""

_CALLS = {opmap.get(name) for name in ("PRECALL", "CALL", "CALL_KW", "CALL_FUNCTION_EX")}
_LOOKS = {"hasattr", "getattr", "dump", "dumps"}
"""What is called to look for attributes; who pickles something may look for it in every module."""

Places = dict[int, None]
"""Numbers of filters, in the order in which they are set."""


class Filters:
    """Notes, from when it is made, which filters the import of a module sets."""

    def __init__(self) -> None:
        self._list = _WARNINGS.filters
        self._before = list(self._list)
        self._set: list[tuple[tuple[Any, ...], bool]] = []
        self._behind: dict[str, Places] = {}
        """Module → which of those filters its import sets."""
        self._whole: dict[str, Places] = {}
        """The same, with those of what it lies in; forgotten when there are more."""
        self._parts: dict[str, set[str]] = {}
        """Package → those of its parts that it does not import, and behind which there are more."""
        self._specs: list[ModuleSpec] = []
        self._tell: Callable[[Places, FrameType | None], None] = self._belongs
        self._spec = type("ModuleSpec", (ModuleSpec,), {_ASKED: property(self._asked, _keep)})
        self._add, _WARNINGS._add_filter = _WARNINGS._add_filter, self._note

    def _note(self, *item: Any, append: bool) -> None:
        if _WARNINGS.filters is self._list:  # else it is one of `catch_warnings`, and gone when that is left
            self._belongs({len(self._set): None}, sys._getframe(1))
            self._set.append((item, append))
        self._add(*item, append=append)

    def _belongs(self, places: Places, frame: FrameType | None) -> None:
        """Note filters for the modules that are being executed, from the innermost to the one that began it all."""
        found = []
        while frame is not None:
            name = frame.f_globals.get("__name__") if frame.f_code.co_name == "<module>" else None
            if name and name != "__main__":
                noted = self._behind.setdefault(name, {})
                if places.keys() <= noted.keys():  # so have those that import it
                    break
                noted.update(places)
                self._whole.clear()
                found.append(name)
            frame = frame.f_back
        for name in found:
            self._watch(name)

    def _watch(self, name: str) -> None:
        """Be told when a module is imported once more, by itself or as a part of its package."""
        package, _, part = name.rpartition(".")
        telling = [name]
        if package and self._by(name).keys() != self._by(package).keys():
            self._parts.setdefault(package, set()).add(part)
            telling.append(package)
        for spec in (getattr(sys.modules.get(module), "__spec__", None) for module in telling):
            if type(spec) is ModuleSpec:
                spec.__class__ = self._spec
                self._specs.append(spec)

    def _asked(self, spec: ModuleSpec) -> Any:
        """Tell that a module is imported if that is why its spec is asked, and return what it was asked for."""
        frame = sys._getframe(1)
        is_ahead = self._tell == self._belongs and frame.f_code.co_name == "<module>"  # it has this module by an import
        if is_ahead or _imports(frame):
            self._tell(self._by(spec.name), frame)
            for part in self._parts[spec.name] & {*_parts(frame)} if spec.name in self._parts else ():
                self._tell(self._by(f"{spec.name}.{part}"), frame)
        return spec.__dict__.get(_ASKED, False)

    def _by(self, name: str) -> Places:
        """Return which filters the import of a module sets; what it lies in is imported before it."""
        found = self._whole.get(name)
        if found is None:
            package = name.rpartition(".")[0]
            found = self._whole[name] = {**(self._by(package) if package else {}), **self._behind.get(name, {})}
        return found

    def step_aside(self) -> None:
        """In a fork, take the filters out again, and have each come when what sets it is imported; note no more."""
        _WARNINGS._add_filter = self._add
        there = _WARNINGS.filters
        pending = {place: noted for place, noted in enumerate(self._set) if noted[0] in there}
        if not all(item in there for item in self._before):  # a module did something of its own with them all
            pending = {}
        if pending:
            known = [*self._before, *(item for item, _ in pending.values())]
            there[:] = [*(item for item in there if item not in known), *self._before]
            _WARNINGS._filters_mutated()

        def come(places: Places, _: FrameType | None) -> None:
            if noted := [pending.pop(place, None) for place in places if place in pending]:
                for item, append in filter(None, noted):  # another thread may import as well
                    self._add(*item, append=append)
                self._listen_for(pending)

        self._tell = come
        self._listen_for(pending)

    def _listen_for(self, places: Iterable[int]) -> None:
        """Let go of all specs behind which none of these is left to come."""
        left, specs, self._specs = {*places}, self._specs, []
        for spec in specs:
            parts = (f"{spec.name}.{part}" for part in self._parts.get(spec.name, ()))
            if any(not left.isdisjoint(self._by(name)) for name in (spec.name, *parts)):
                self._specs.append(spec)
            else:
                spec.__class__ = ModuleSpec


def _keep(spec: ModuleSpec, value: Any) -> None:
    spec.__dict__[_ASKED] = value


def _imports(frame: FrameType) -> bool:
    """Tell whether a frame imports something at this moment, rather than look for an attribute that is not there."""
    code = frame.f_code
    does = code.co_code[frame.f_lasti]
    if does == opmap["IMPORT_NAME"] or frame.f_globals.get("__name__") == "importlib._bootstrap":
        return True
    return does in _CALLS and ("__import__" in code.co_names or _LOOKS.isdisjoint(code.co_names))


def _parts(frame: FrameType) -> tuple[str, ...]:
    """Return the names that an import statement takes from a module, as its instructions have them."""
    code, place = frame.f_code.co_code, frame.f_lasti
    if code[place] != opmap["IMPORT_NAME"]:
        return ()
    place -= 2
    while code[place] == opmap["EXTENDED_ARG"]:
        place -= 2
    number, shift = code[place + 1], 8
    while place >= 2 and code[place - 2] == opmap["EXTENDED_ARG"]:
        place -= 2
        number, shift = number | code[place + 1] << shift, shift + 8
    names: tuple[str, ...] | None = frame.f_code.co_consts[number]
    return names or ()
