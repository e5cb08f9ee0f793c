"""A kernel's ports are such that nobody else takes them before it listens there."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest
import zmq

from mlopskit.runner import ports
from tests import tiny


@pytest.mark.skipif(ports._first_of_any() < 12_000, reason="any port may be given to anybody here")
def test_ports_are_free_below_those_that_anybody_gets_and_never_given_twice() -> None:
    found = [port for _ in range(20) for port in ports.free_ports(5)]
    assert len(set(found)) == 100
    with socket.socket() as anybody:
        anybody.bind(("127.0.0.1", 0))
        assert 10_000 <= min(found) <= max(found) < anybody.getsockname()[1]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port cannot be held and used")
def test_a_port_is_held_against_all_but_the_kernel_that_it_is_for() -> None:
    (port,) = ports.free_ports(1)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    with zmq.Context() as context, context.socket(zmq.REP) as kernel, context.socket(zmq.REQ) as client:
        kernel.bind(f"tcp://127.0.0.1:{port}")
        client.connect(f"tcp://127.0.0.1:{port}")
        client.send(b"here")
        assert kernel.poll(10_000)
        assert kernel.recv() == b"here"
        kernel.send(b"")
        client.recv()


def test_no_more_ports_are_held_than_kernels_can_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_MOST_HELD", 10)
    for _ in range(4):
        ports.free_ports(5)
    assert len(ports._held) <= 10


def test_a_port_that_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        number = taken.getsockname()[1]
        monkeypatch.setattr(ports, "_LOWEST", number)
        monkeypatch.setattr(ports, "_first_of_any", lambda: number + 1)
        assert ports.free_ports(2) == [0, 0], "then the system is asked for any"


@pytest.mark.notebooks
def test_kernels_get_them(project: Path) -> None:
    body = "import json, sys\nrun.write('it', json.load(open(sys.argv[sys.argv.index('-f') + 1])))"
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": body}))
    connection = json.loads((outcome.folder / "one" / "it.json").read_text(encoding="utf-8"))
    numbers = [value for name, value in connection.items() if name.endswith("_port")]
    assert len(set(numbers)) == 5
    assert all(10_000 <= number < ports._first_of_any() for number in numbers)
