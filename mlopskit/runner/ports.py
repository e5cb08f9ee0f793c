"""Ports for kernels: numbers that stay free until the kernel takes them.

Between the moment in which a port is found to be free and the one in which the kernel listens there, a second or two
pass. In the range from which the system serves every program that asks for any port, each connection made meanwhile
may take it; below that range only who names its number does. That may be another run, so on Linux the number is held:
a socket is bound to it that listens to nothing. Whoever looks whether the number is free finds it taken; the kernel,
whose sockets allow an address to be used again (ZeroMQ's do), listens there all the same.
"""

from __future__ import annotations

import atexit
import contextlib
import secrets
import socket
import sys
from collections import deque
from pathlib import Path

_LOWEST = 10_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_OTHERWISE = 32_768  # where the range begins on Linux, if nobody changed it; elsewhere it begins higher
_ATTEMPTS = 500
_MOST_HELD = 200  # of 40 kernels: the first of them has long since listened

_held: deque[socket.socket] = deque()


def free_ports(count: int) -> list[int]:
    """Return numbers of free ports of this machine, held for who gets them; 0, for any, where none is found."""
    found: list[int] = []
    below = max(_first_of_any(), _LOWEST + 1)
    for _ in range(_ATTEMPTS):
        if len(found) == count:
            break
        port = _LOWEST + secrets.randbelow(below - _LOWEST)
        if port not in found and _hold(port):
            found.append(port)
    _let_go(but=_MOST_HELD)
    return found + [0] * (count - len(found))


def _first_of_any() -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(_RANGE.read_text(encoding="ascii").split()[0])
    return _OTHERWISE


@atexit.register
def _let_go(*, but: int = 0) -> None:
    while len(_held) > but:
        _held.popleft().close()


def _hold(port: int) -> bool:
    """Take a port if it is free, by one bind, so that of two who try only one has it; then let it be used again."""
    taken = socket.socket()
    try:
        taken.bind(("127.0.0.1", port))
    except OSError:
        taken.close()
        return False
    if sys.platform == "linux":
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _held.append(taken)
    else:
        taken.close()
    return True
