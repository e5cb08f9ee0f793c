"""The worker: threads that execute phases, while the main thread passes events on and answers signals.

Each phase has a thread with its own event loop. It may be begun ahead: then notebook and kernel are made ready while
others work, and it waits at its gate for its turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Thread
from types import TracebackType
from typing import Any, Self

from mlopskit.runner.execution import Ending, Gate, Order, execute_phase
from mlopskit.runner.interruption import PATIENCE, Interruption


@dataclass(frozen=True)
class _Done:
    phase: str
    ending: Ending | BaseException


class Worker:
    """Executes orders, `jobs` at a time.

    Parameters
    ----------
    orders : sequence of Order
        In the order of execution.
    interruption : Interruption
        Whose queue brings events and signals together.
    listener : callable
        Told the events.
    jobs : int
        Phases that work side by side; as many more may be ready for their turn.
    """

    def __init__(
        self,
        orders: Sequence[Order],
        interruption: Interruption,
        listener: Callable[[Mapping[str, Any]], None],
        *,
        jobs: int = 1,
    ) -> None:
        self._orders = {order.phase.name: order for order in orders}
        self._interruption = interruption
        self._listener = listener
        self._jobs = jobs
        self._threads: dict[str, Thread] = {}
        self._ahead: set[str] = set()
        self.running: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for phase in list(self._ahead):
            self.release(phase)
        if error is not None:  # nobody will take down how they end
            self._stop()
        for thread in self._threads.values():
            thread.join()

    def has_room(self) -> bool:
        """Tell whether one more phase could start now."""
        return len(self.running) < self._jobs

    def start(self, phase: str, upcoming: Sequence[str] = ()) -> None:
        """Let a phase run, and make `upcoming` phases ready for their turn."""
        self._begin(phase)
        self._ahead.discard(phase)
        self.running.append(phase)
        self._gate(phase).open()
        for name in upcoming:
            if len(self._ahead) < self._jobs and name not in self._threads:
                self._begin(name)

    def wait(self) -> tuple[str, Ending] | None:
        """Wait for the next thing to happen; return a phase and its ending when it is that."""
        running = [self._orders[name] for name in self.running]
        item = self._interruption.next(patient=not any(order.stopped for order in running))
        if isinstance(item, _Done):
            self.running.remove(item.phase)
            if isinstance(item.ending, BaseException):
                raise item.ending
            return item.phase, item.ending
        if item is Interruption.SIGNAL:
            for order in running:
                order.stop()
        else:
            self._listener(item)
        return None

    def release(self, phase: str) -> None:
        """Send away a phase that was begun ahead and will not run."""
        if phase in self._ahead:
            self._ahead.remove(phase)
            self._gate(phase).close()

    def _stop(self) -> None:
        """Stop what runs as an interruption does: what has not ended a while after it was asked is killed."""
        for _ in range(2):
            asked = [name for name in self.running if self._threads[name].is_alive()]
            for name in asked:
                self._orders[name].stop()
            end = time.monotonic() + PATIENCE
            for name in asked:
                self._threads[name].join(max(0.0, end - time.monotonic()))

    def _begin(self, phase: str) -> None:
        if phase not in self._threads:
            self._orders[phase].gate = Gate()
            self._ahead.add(phase)
            self._threads[phase] = Thread(target=self._execute, args=(phase,), name=f"phase {phase}")
            self._threads[phase].start()

    def _gate(self, phase: str) -> Gate:
        gate = self._orders[phase].gate
        assert gate is not None  # noqa: S101  it was begun
        return gate

    def _execute(self, phase: str) -> None:
        """Run in a thread of its own."""
        told: list[Ending] = []

        def tell(ending: Ending) -> None:
            told.append(ending)
            self._interruption.queue.put(_Done(phase, ending))

        try:
            execute_phase(self._orders[phase], tell)
        except BaseException as error:
            # A kernel that would not leave changes nothing about its phase; what fails ahead is told in its turn.
            if not told and self._orders[phase].admitted():
                self._interruption.queue.put(_Done(phase, error))
        finally:
            _close_loop()


def _close_loop() -> None:
    """Close the event loop that nbclient left in this thread."""
    from jupyter_core.utils import ensure_event_loop

    ensure_event_loop().close()
