"""Random numbers in forked kernels: none is drawn in two of them, and none is drawn before there is a kernel.

What a module makes from the system's entropy while it is imported differs in any two kernels that import it. Imported
ahead it would be the same in all forks of the server, so it is noted there and made anew in each; a state that was
chosen stays. Whether NumPy's generator was drawn from or set to a state cannot be told: with one that nobody seeded and
whose state is another since, no kernel is forked. What a module does to the two generators that all share, Python's and
NumPy's, it must do after the cell that seeds them, where that comes first: such a module is not imported ahead.
"""

from __future__ import annotations

import gc
import random
import sys
from itertools import compress
from typing import Any
from weakref import ref

import numpy as np

_RANDOM: Any = np.random
_MAKERS: Any = np.random.bit_generator
"""Where NumPy asks for the entropy of a generator that nobody seeded."""

_BITS = 128
"""How many bits it asks for."""


class Unseeded:
    """Notes, from when it is made, what is made from the system's entropy."""

    def __init__(self) -> None:
        self._shared = _shared()
        self._entropy: set[int] = set()
        self._generators: dict[int, ref[random.Random]] = {}
        self._sequences: list[Any] = []
        self._bits: list[Any] = []
        self._searched = 0
        self._bit_generator = _RANDOM.get_bit_generator()
        self._randbits, self._seed, self._setstate = _MAKERS.randbits, random.Random.seed, random.Random.setstate
        _MAKERS.randbits = self._note_entropy
        random.Random.seed, random.Random.setstate = self._noting()  # type: ignore[method-assign]

    def _note_entropy(self, bits: int) -> int:
        drawn: int = self._randbits(bits)
        self._entropy.add(drawn)
        return drawn

    def _noting(self) -> Any:
        generators, original, original_setstate = self._generators, self._seed, self._setstate

        def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
            original(self, a, version)
            if a is None:
                generators[id(self)] = ref(self)
            else:
                generators.pop(id(self), None)

        def setstate(self: random.Random, state: Any) -> None:
            original_setstate(self, state)
            generators.pop(id(self), None)

        return seed, setstate

    def shared_were_used(self) -> bool:
        """Tell whether somebody drew from the shared generators, or seeded them."""
        return _RANDOM.get_bit_generator() is not self._bit_generator or _shared() != self._shared

    def gather(self) -> str:
        """Look for what NumPy made from entropy among all that there is, since it tells nobody when it makes it.

        Returns
        -------
        str
            Why that cannot be made anew; empty where it can.
        """
        if len(sys.modules) != self._searched:
            self._searched = len(sys.modules)
            there = gc.get_objects()
            gc.freeze()  # what was looked at once is not looked at again: there are half a million objects
            self._sequences += [thing for thing in _of(np.random.SeedSequence, there) if thing.entropy in self._entropy]
            known = {id(thing) for thing in self._sequences}
            self._bits += [thing for thing in _of(np.random.BitGenerator, there) if id(thing.seed_seq) in known]
        moved = any(not _is_as_made(bits) for bits in self._bits)
        return "a module draws from a generator without a seed, or sets its state, while it is imported" * moved

    def make_anew(self) -> None:
        """In a fork, seed all that was noted from the system's entropy once more, and what all share; note no more."""
        np.random.seed(None)
        _MAKERS.randbits, random.Random.seed = self._randbits, self._seed  # type: ignore[method-assign]
        random.Random.setstate = self._setstate  # type: ignore[method-assign]
        for weak in self._generators.values():
            if (generator := weak()) is not None:
                self._seed(generator)
        anew = {entropy: self._randbits(_BITS) for entropy in self._entropy}
        for sequence in self._sequences:
            sequence.__init__(
                anew[sequence.entropy],
                spawn_key=sequence.spawn_key,
                pool_size=sequence.pool_size,
                n_children_spawned=sequence.n_children_spawned,
            )
        for bits in self._bits:
            bits.__init__(bits.seed_seq)  # all that holds it, and what it will spawn, draws from here on


def _of(kind: type, things: list[Any]) -> list[Any]:
    """Return those of a kind; by the type, since asking what stands for another what it is may wake that up."""
    kinds = {found for found in set(map(type, things)) if issubclass(found, kind)}
    return list(compress(things, map(kinds.__contains__, map(type, things)))) if kinds else []


def _is_as_made(bits: Any) -> bool:
    """Tell whether a generator has the state that its seed gives it."""
    return bool(_plain(bits.state) == _plain(type(bits)(bits.seed_seq).state))


def _plain(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: _plain(part) for name, part in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state


def _shared() -> tuple[Any, ...]:
    """Return the state of the generators that all share."""
    state: Any = np.random.get_state(legacy=True)
    return random.getstate(), state[1].tobytes(), *state[2:]
