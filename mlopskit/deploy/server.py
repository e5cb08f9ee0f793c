"""The server process: ``python -m mlopskit.deploy.server BUNDLE --port 0 --log sqlite:///requests.db``.

It binds to 127.0.0.1 unless told otherwise, prints one line of JSON with the chosen port once it answers, and then
nothing. With ``--with-parent`` it ends when whoever started it has gone (its standard input closes, or it has another
parent), and in any case after an idle or lifetime limit if one is given.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import uvicorn
from threadpoolctl import threadpool_limits

from mlopskit.deploy.app import Clock, create_app
from mlopskit.deploy.bundle import Bundle
from mlopskit.deploy.client import STANDBY
from mlopskit.deploy.references import resolve_secret
from mlopskit.deploy.requestlog import RequestLog, as_json
from mlopskit.deploy.serving import Routing, Service
from mlopskit.errors import MlopskitError

CONTROL = "MLOPSKIT_CONTROL"
"""Environment variable with the word that opens /routing; set by whoever rehearses a rollout."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        folder = _stand_by() if options.bundle == STANDBY else options.bundle
        if folder:
            return _serve(Path(folder), options)
        _clean_up(None, options.discard)  # whoever started it has gone
        return 0
    except MlopskitError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mlopskit.deploy.server",
        description="Serve a bundle on loopback. Example: python -m mlopskit.deploy.server BUNDLE --port 8000",
    )
    parser.add_argument(
        "bundle", help="folder that the deploy phase wrote; - reads it, as a JSON string, from standard input"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to bind to (default: this machine only)")
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    parser.add_argument(
        "--log", default="", help="SQLAlchemy URL of the request log, or env:NAME or file:PATH of it; empty: none"
    )
    parser.add_argument("--token", default="", help="env:NAME or file:PATH of the token that callers must send")
    parser.add_argument("--share", type=float, default=1.0, help="share of the rows that the challenger answers")
    parser.add_argument("--mirror", action="store_true", help="let the other arm score every row silently")
    parser.add_argument("--seed", type=int, default=0, help="of the hash that assigns rows to arms")
    parser.add_argument("--idle", type=float, default=0, help="end after so many seconds without a request; 0: never")
    parser.add_argument("--lifetime", type=float, default=0, help="end after so many seconds; 0: never")
    parser.add_argument(
        "--with-parent", action="store_true", help="end when standard input closes or the parent has gone"
    )
    parser.add_argument("--discard", type=Path, help="folder to remove at the end (a rehearsal's log)")
    return parser


def _stand_by() -> str:
    """Import what most models are made of, and wait for the bundle; nothing when whoever was to name it has gone."""
    for name in ("sklearn.compose", "sklearn.ensemble", "sklearn.linear_model", "mlopskit.persistence"):
        import_module(name)
    try:
        print(as_json({"event": "standby"}), flush=True)  # noqa: T201
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left of the line would be written at the end
        return ""
    said = sys.stdin.readline()
    return str(json.loads(said)) if said else ""


def _serve(folder: Path, options: argparse.Namespace) -> int:
    started = time.monotonic()
    bundle = Bundle.load(folder)
    token = resolve_secret(options.token, what="--token")
    url = resolve_secret(options.log, what="--log") if options.log.startswith(("env:", "file:")) else options.log
    log = RequestLog(url, allowed=bundle.logging) if url else None
    service = Service(bundle, log=log, seed=options.seed)
    service.routing = Routing(share=options.share, mirror=options.mirror)
    threadpool_limits(1)  # one row leaves nothing to share out, and idle threads would spin on all cores
    gc.freeze()  # what is loaded stays: no request waits while it is searched for garbage
    gc.enable()
    clock = Clock()
    app = create_app(service, token=token, control=os.environ.pop(CONTROL, None), clock=clock)
    config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=2)
    server = _Announcing(config, lambda port: _announce(options.host, port, started))
    _watch(server, options, clock, started)
    with socket.create_server((options.host, options.port), backlog=256) as listener:
        # asyncio leaves Nagle's algorithm on for sockets it is handed: an answer in two parts then waits 40 ms
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            server.run(sockets=[listener])
        finally:
            _clean_up(log, options.discard)
    return 0


class _Announcing(uvicorn.Server):
    """Tells the port once requests are answered, not before."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[int], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if sockets and self.started:
            self._announce(sockets[0].getsockname()[1])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait for open connections as uvicorn does; where there are none, end at once."""
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()


def _announce(host: str, port: int, started: float) -> None:
    line: dict[str, Any] = {"event": "listening", "host": host, "port": port, "pid": os.getpid()}
    line["load_seconds"] = round(time.monotonic() - started, 3)
    print(as_json(line), flush=True)  # noqa: T201


def _clean_up(log: RequestLog | None, discard: Path | None) -> None:
    import shutil

    if log is not None:
        log.close()
    if discard is not None:
        shutil.rmtree(discard, ignore_errors=True)


def _watch(server: uvicorn.Server, options: argparse.Namespace, clock: Clock, started: float) -> None:
    """Start the threads that end the server when nobody needs it any more."""
    if options.with_parent:
        threading.Thread(target=_watch_input, args=(server,), daemon=True).start()
    threading.Thread(target=_watch_limits, args=(server, options, clock, started, os.getppid()), daemon=True).start()


def _watch_input(server: uvicorn.Server) -> None:
    """Wait until whoever holds the other end of standard input closes it or dies."""
    while os.read(0, 1024):
        pass
    server.should_exit = True


def _watch_limits(
    server: uvicorn.Server, options: argparse.Namespace, clock: Clock, started: float, parent: int
) -> None:
    while not server.should_exit:
        time.sleep(0.25)
        now = time.monotonic()
        orphaned = options.with_parent and os.getppid() != parent
        idle = options.idle > 0 and now - clock.last > options.idle
        old = options.lifetime > 0 and now - started > options.lifetime
        server.should_exit = server.should_exit or orphaned or idle or old


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # all is closed; taking the imported libraries apart would keep the caller waiting for half a second
