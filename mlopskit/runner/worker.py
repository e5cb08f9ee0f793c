"""The worker: one thread that executes phases, while the main thread passes events on and answers signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from mlopskit.runner.execution import Ending, Order, discard, execute_phase
from mlopskit.runner.interruption import Interruption


class Worker:
    """Executes orders one after the other; the kernel of the next one is started meanwhile.

    Parameters
    ----------
    orders : sequence of Order
        In the order of execution.
    interruption : Interruption
        Whose queue brings events and signals together.
    listener : callable
        Told the events.
    """

    def __init__(
        self, orders: Sequence[Order], interruption: Interruption, listener: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self._orders = list(orders)
        self._interruption = interruption
        self._listener = listener
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="phase")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for order in self._orders:
            self._pool.submit(discard, order)
        self._pool.submit(_close_loop)
        self._pool.shutdown()

    def execute(self, phase: str) -> Ending:
        """Execute the order of a phase and return how it ended; a signal stops it."""
        place = next(index for index, order in enumerate(self._orders) if order.phase.name == phase)
        order, *rest = self._orders[place : place + 2]
        future: Future[Ending] = self._pool.submit(execute_phase, order, rest[0] if rest else None)
        future.add_done_callback(lambda _: self._interruption.queue.put(None))
        while True:
            item = self._interruption.next(patient=not order.stopped)
            if item is None:
                return future.result()
            if item is Interruption.SIGNAL:
                order.stop()
            else:
                self._listener(item)


def _close_loop() -> None:
    """Close the event loop that nbclient left in the worker's thread."""
    from jupyter_core.utils import ensure_event_loop

    ensure_event_loop().close()
