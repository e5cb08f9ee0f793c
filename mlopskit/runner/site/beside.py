"""A second process that makes pages too, so that a large build uses two cores.

It is asked through a file and answers in one, a line a run, so neither waits for the other. What it did not answer, for
whatever reason, the first process does itself: a build never fails because of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from mlopskit.runner.site.drawings import Drawings
from mlopskit.runner.site.making import Making
from mlopskit.runner.site.state import Known

_COMMAND = [sys.executable, "-P", "-m", "mlopskit.runner.site.beside"]


@contextmanager
def beside(runs: Path, into: Path, wanted: Mapping[str, str]) -> Iterator[Callable[[], dict[str, Known]]]:
    """Have pages made by another process while the block runs; yield what waits for them and returns those made.

    Parameters
    ----------
    runs, into : Path
        The folder that holds the run folders, and the site.
    wanted : mapping
        Run → what its pages are made from; where there is none no process is started.
    """
    if not wanted:
        yield dict
        return
    with TemporaryFile() as asked, TemporaryFile() as told:
        asked.write(json.dumps([str(runs.resolve()), str(into.resolve()), dict(wanted)]).encode())
        asked.seek(0)
        with subprocess.Popen(_COMMAND, stdin=asked, stdout=told, stderr=subprocess.DEVNULL) as process:
            try:
                yield lambda: _answers(process, told)
            finally:
                process.kill()


def _answers(process: subprocess.Popen[bytes], told: IO[bytes]) -> dict[str, Known]:
    process.wait()
    told.seek(0)
    made = {}
    with suppress(ValueError, TypeError, KeyError, AttributeError):  # half a line of a process that was killed
        for line in told:
            name, said = json.loads(line)
            made[name] = Known.from_dict(said)
    return made


def _main() -> None:
    runs, into, wanted = json.load(sys.stdin)
    making = Making(Path(runs), Path(into), Drawings.open(Path(into)))
    for name, made_from in wanted.items():
        for known in making.each({name: made_from}).values():
            print(json.dumps([name, known.as_dict()]), flush=True)  # noqa: T201


if __name__ == "__main__":
    _main()
