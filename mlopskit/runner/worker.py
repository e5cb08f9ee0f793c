"""The worker: threads that execute phases, while the main thread passes events on and answers signals.

Each lane is one thread with its own event loop, so a kernel that was started ahead stays in the lane that started it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from mlopskit.runner.execution import Ending, Order, discard, execute_phase
from mlopskit.runner.interruption import Interruption


@dataclass
class _Lane:
    pool: ThreadPoolExecutor
    busy_with: str | None = None
    ahead: str | None = None


@dataclass(frozen=True)
class _Done:
    phase: str
    future: Future[Ending]


class Worker:
    """Executes orders, `jobs` at a time; a lane starts the kernel of a later phase while the present one works.

    Parameters
    ----------
    orders : sequence of Order
        In the order of execution.
    interruption : Interruption
        Whose queue brings events and signals together.
    listener : callable
        Told the events.
    jobs : int
        Lanes.
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
        self._lanes = [_Lane(ThreadPoolExecutor(1, thread_name_prefix="phase")) for _ in range(jobs)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for lane in self._lanes:
            if lane.ahead is not None:
                lane.pool.submit(discard, self._orders[lane.ahead])
            lane.pool.submit(_close_loop)
        for lane in self._lanes:
            lane.pool.shutdown()

    @property
    def running(self) -> list[str]:
        """Phases that are being executed."""
        return [lane.busy_with for lane in self._lanes if lane.busy_with is not None]

    def has_room(self, phase: str) -> bool:
        """Tell whether a phase could start now."""
        return self._lane_for(phase) is not None

    def start(self, phase: str, upcoming: Sequence[str] = ()) -> None:
        """Execute a phase in a free lane, and start there the kernel of the first `upcoming` phase that has none."""
        lane = self._lane_for(phase)
        assert lane is not None  # noqa: S101  `has_room` was asked
        taken = {other.ahead for other in self._lanes}
        if lane.ahead == phase:
            lane.ahead = None
        ahead = None
        if lane.ahead is None:
            lane.ahead = ahead = next((name for name in upcoming if name not in taken), None)
        lane.busy_with = phase
        future = lane.pool.submit(execute_phase, self._orders[phase], self._orders[ahead] if ahead else None)
        future.add_done_callback(lambda done: self._interruption.queue.put(_Done(phase, done)))

    def wait(self) -> tuple[str, Ending] | None:
        """Wait for the next thing to happen; return a phase and its ending when it is that."""
        running = [self._orders[name] for name in self.running]
        item = self._interruption.next(patient=not any(order.stopped for order in running))
        if isinstance(item, _Done):
            lane = next(lane for lane in self._lanes if lane.busy_with == item.phase)
            lane.busy_with = None
            return item.phase, item.future.result()
        if item is Interruption.SIGNAL:
            for order in running:
                order.stop()
        else:
            self._listener(item)
        return None

    def release(self, phase: str) -> None:
        """Give up a kernel that was started ahead for a phase that will not run."""
        for lane in self._lanes:
            if lane.ahead == phase:
                lane.ahead = None
                lane.pool.submit(discard, self._orders[phase])

    def _lane_for(self, phase: str) -> _Lane | None:
        """The lane that holds the phase's kernel; else a free one, best without a kernel for another phase."""
        own = next((lane for lane in self._lanes if lane.ahead == phase), None)
        if own is not None:
            return own if own.busy_with is None else None
        free = [lane for lane in self._lanes if lane.busy_with is None]
        return min(free, key=lambda lane: lane.ahead is not None, default=None)


def _close_loop() -> None:
    """Close the event loop that nbclient left in the worker's thread."""
    from jupyter_core.utils import ensure_event_loop

    ensure_event_loop().close()
