"""Random numbers in forked kernels: none is drawn in two of them, and none is drawn before there is a kernel.

What a module makes from the system's entropy while it is imported differs in any two kernels that import it. Imported
ahead it would be the same in all forks of the server, so it is noted there and made anew in each. What a module does
to the two generators that all share, Python's and NumPy's, it must do after the cell that seeds them, where that comes
first: such a module is not imported ahead.
"""

from __future__ import annotations

import gc
import random
import sys
from typing import Any
from weakref import ref

import numpy as np

_MAKERS: Any = np.random.bit_generator
"""Where NumPy asks for the entropy of a generator that nobody seeded."""


class Unseeded:
    """Notes, from when it is made, what is made from the system's entropy."""

    def __init__(self) -> None:
        self._shared = _shared()
        self._entropy: set[int] = set()
        self._generators: dict[int, ref[random.Random]] = {}
        self._bits: list[Any] = []
        self._searched = 0
        self._randbits, self._seed = _MAKERS.randbits, random.Random.seed
        _MAKERS.randbits = self._note_entropy
        random.Random.seed = self._noting()  # type: ignore[method-assign]

    def _note_entropy(self, bits: int) -> int:
        drawn: int = self._randbits(bits)
        self._entropy.add(drawn)
        return drawn

    def _noting(self) -> Any:
        generators, original = self._generators, self._seed

        def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
            original(self, a, version)
            if a is None:
                generators[id(self)] = ref(self)
            else:
                generators.pop(id(self), None)

        return seed

    def shared_were_used(self) -> bool:
        """Tell whether somebody drew from the shared generators, or seeded them."""
        return _shared() != self._shared

    def gather(self) -> None:
        """Look for NumPy's generators among all that there is: they tell nobody when they are made."""
        if len(sys.modules) != self._searched:
            self._searched = len(sys.modules)
            made = [thing for thing in gc.get_objects() if isinstance(thing, np.random.BitGenerator)]
            self._bits = [thing for thing in made if getattr(thing.seed_seq, "entropy", None) in self._entropy]

    def make_anew(self) -> None:
        """In a fork, seed all that was noted from the system's entropy once more, and what all share; note no more."""
        np.random.seed(None)
        _MAKERS.randbits, random.Random.seed = self._randbits, self._seed  # type: ignore[method-assign]
        for weak in self._generators.values():
            if (generator := weak()) is not None:
                self._seed(generator)
        for bits in self._bits:
            bits.__init__()  # all that holds it, and what it will spawn, draws from here on


def _shared() -> tuple[Any, ...]:
    """Return the state of the generators that all share."""
    state: Any = np.random.get_state(legacy=True)
    return random.getstate(), state[1].tobytes(), *state[2:]
