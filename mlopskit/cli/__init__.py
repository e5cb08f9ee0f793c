"""The command line, thin over the library: one file a family of commands.

Exit codes: 0 passed; 1 a phase failed, the input was bad, or the run was stopped; 2 wrong usage; 3 the run finished
and a criterion was not met; 4 monitoring raised an alert (3 wins over 4). Results go to standard output, errors to
standard error, one sentence each, without a traceback. `mlopskit.cli.output` says what ``--json`` and ``--quiet`` mean.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from mlopskit.errors import MlopskitError, UsageError
from mlopskit.leaving import leave

__all__ = ["command", "main"]

_INTERRUPTED = 130
"""What typer returns for Ctrl-C outside a run; a run that has begun ends by itself, with manifest and report."""


def command() -> NoReturn:
    """Be the program: run the command line, and end this process with its code."""
    try:
        main()
    except SystemExit as ended:
        if isinstance(ended.code, str):  # the interpreter says it
            raise
        leave(ended.code or 0)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    try:
        code = _run(arguments)
    except KeyboardInterrupt:  # while the commands were being imported, or from one of them
        code = _INTERRUPTED
    if code == _INTERRUPTED:
        code = _say("Stopped before anything was run. Give the command again to start over.", 1)
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    import typer

    from mlopskit.cli.app import app

    _keep_help_plain()
    try:
        code = app(args=arguments, prog_name="mlopskit", standalone_mode=False)
    except UsageError as error:
        return _say(error, 2)
    except MlopskitError as error:
        return _say(error, 1)
    except typer.Abort:
        return _INTERRUPTED
    except BrokenPipeError:
        sys.stdout = None  # the reader went away; nothing is left to flush to
        return 1
    except OSError as error:
        what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
        return _say(f"{what}. Correct it and run the command again.", 1)
    except Exception as error:
        if not hasattr(
            error, "show"
        ):  # typer's own usage errors know how to show themselves; anything else is a defect
            raise
        error.show()
        return int(getattr(error, "exit_code", 2))
    return code if isinstance(code, int) else 0


def _keep_help_plain() -> None:
    """Keep control characters out of help and usage errors where typer would send them: NO_COLOR, logs of GitHub."""
    if os.environ.get("NO_COLOR") or os.environ.get("GITHUB_ACTIONS"):
        from typer import rich_utils

        rich_utils.COLOR_SYSTEM = None


def _say(message: object, code: int) -> int:
    from mlopskit.cli import words

    said = "\n".join(map(words.safe, str(message).split("\n")))
    sys.stderr.write(f"mlopskit: {said}\n")
    return code
