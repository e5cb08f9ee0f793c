"""The client of a kernel that is ready as soon as the kernel has answered."""

from __future__ import annotations

import math
import time
from queue import Empty

import zmq
import zmq.asyncio
from jupyter_client.asynchronous import AsyncKernelClient

_RETRY = 10
"""Milliseconds after which a channel tries again to reach a kernel that does not listen yet; by default 100."""


class PromptClient(AsyncKernelClient):  # type: ignore[misc]  # the base class is untyped
    """Waits for what shows that a kernel is ready, not for the fifth of a second in which it says nothing more."""

    def _context_default(self) -> zmq.asyncio.Context:
        context: zmq.asyncio.Context = super()._context_default()
        context.setsockopt(zmq.RECONNECT_IVL, _RETRY)
        return context

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Ask until the kernel answers, and is heard on the channel of its outputs as well.

        Parameters
        ----------
        timeout : float, optional
            Seconds after which it is given up; never by default.

        Raises
        ------
        RuntimeError
            When the kernel died, or the time is up.
        """
        end = time.monotonic() + (math.inf if timeout is None else timeout)
        while not await self._answers():
            if not await self._async_is_alive():
                raise RuntimeError("The kernel died before it answered")
            if time.monotonic() > end:
                raise RuntimeError(f"The kernel did not answer in {timeout} seconds")

    async def _answers(self) -> bool:
        """Whether a question is answered and its end told: who listens too late to hear that asks again."""
        asked, told = self.kernel_info(), ""
        try:
            while (reply := await self.shell_channel.get_msg(timeout=1))["parent_header"].get("msg_id") != asked:
                pass  # to a question that was asked before
            while told != "idle":
                message = await self.iopub_channel.get_msg(timeout=0.2)
                if message["parent_header"].get("msg_id") == asked:
                    told = message["content"].get("execution_state", "")
        except Empty:
            return False
        self._handle_kernel_info_reply(reply)
        return True
