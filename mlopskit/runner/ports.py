"""Ports for kernels: numbers that stay free until the kernel takes them.

Between the moment in which a port is found to be free and the one in which the kernel listens there, a second or two
pass. In the range from which the system serves every program that asks for any port, each connection made meanwhile
may take it; below that range only who names its number does.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections import deque
from pathlib import Path

_LOWEST = 10_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_OTHERWISE = 32_768  # where the range begins on Linux, if nobody changed it; elsewhere it begins higher
_ATTEMPTS = 500

_given: deque[int] = deque(maxlen=500)


def free_ports(count: int) -> list[int]:
    """Return numbers of free ports of this machine, none given out lately; 0, for any, where none is found."""
    found: list[int] = []
    below = max(_first_of_any(), _LOWEST + 1)
    for _ in range(_ATTEMPTS):
        if len(found) == count:
            break
        port = _LOWEST + secrets.randbelow(below - _LOWEST)
        if port not in _given and _is_free(port):
            _given.append(port)
            found.append(port)
    return found + [0] * (count - len(found))


def _first_of_any() -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(_RANGE.read_text(encoding="ascii").split()[0])
    return _OTHERWISE


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
