"""The process of a kernel that was started cold, waited for so that its peak memory is told too.

`subprocess.Popen` throws away what the operating system says of a child that ended. This one takes it, with `os.wait4`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

from mlopskit.runner.warm import ForkedProcess

_MOMENT = 0.01


class ColdProcess(ForkedProcess):
    """A child of this process, with the face of the `subprocess.Popen` that started it.

    Parameters
    ----------
    started : subprocess.Popen
        Not to be asked any more, itself, for how it ended.
    """

    def __init__(self, started: subprocess.Popen[bytes]) -> None:
        super().__init__(started.pid)
        self._started = started
        self._asking = threading.Lock()

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        with self._asking:
            if self.returncode is None:
                pid, status, usage = os.wait4(self.pid, os.WNOHANG)
                if pid:
                    self.end(os.waitstatus_to_exitcode(status), _peak_kb(usage.ru_maxrss))
                    self._started.returncode = self.returncode
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end and return the exit code."""
        end = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired("kernel", timeout or 0)
            time.sleep(_MOMENT)
        return self.returncode


def _peak_kb(told: int) -> int | None:
    """Return a peak in kilobytes; None where it may be this process's own, which a child's is counted from."""
    import resource

    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if told <= own:
        return None
    return told // 1024 if sys.platform == "darwin" else told
